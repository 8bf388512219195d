/*
 * storage: how long samples are kept and how late they may come.
 */
#include "config/config_internal.h"

#define RETENTION_DEFAULT_MS ((int64_t)15 * 24 * 3600 * 1000)

static void read_retention_size(struct binding *binding, const struct binding_field *field,
                                const struct yaml_tree_node *node, void *object)
{
    struct config_storage *storage = object;
    struct slice text;
    struct errbuf err = ERRBUF_INIT;
    int64_t size;
    if (!binding_read_text(binding, node, "write a size with its unit, such as 10GB", &text))
        return;
    if (node->kind == YAML_TREE_NULL) {
        storage->retention_size_bytes = 0;
        return;
    }
    if (binding_parse_size(text, &size, &err) != ERR_NONE)
        binding_problem(binding, node, "%s; write a size with its unit, such as 10GB", err.text);
    else if (size < 0)
        binding_problem(binding, node,
                        "'storage.tsdb.retention.size' must be greater than or equal to 0, got "
                        "%.*s",
                        SLICE_ARG(text));
    else
        storage->retention_size_bytes = (uint64_t)size;
}

static struct yaml_tree_node *print_retention_size(const struct binding_printer *printer,
                                                   const struct binding_field *field,
                                                   const void *object)
{
    const struct config_storage *storage = object;
    struct buf text;
    if (storage->retention_size_bytes == 0)
        return NULL;
    buf_init(&text, 64);
    binding_print_size(storage->retention_size_bytes, &text);
    struct slice copy = arena_slice(printer->arena, buf_slice(&text));
    buf_release(&text);
    return yaml_tree_new_string(printer->arena, copy);
}

/* A retention that is written replaces the one of the flags as a whole. */
static void init_retention(struct binding *binding, void *object)
{
    struct config_storage *storage = object;
    storage->retention_time_ms = 0;
    storage->retention_size_bytes = 0;
    storage->retention_percentage = 0;
}

static void check_retention(struct binding *binding, const struct yaml_tree_node *node,
                            void *object)
{
    struct config_storage *storage = object;
    if (!(storage->retention_percentage >= 0 && storage->retention_percentage <= 100))
        binding_problem(binding, binding_at(node, "percentage"),
                        "'storage.tsdb.retention.percentage' must be in the range [0, 100], got "
                        "%g",
                        storage->retention_percentage);
    storage->has_retention_time = true;
    storage->has_retention_size = true;
    storage->has_retention_percentage = storage->retention_percentage > 0;
}

static const struct binding_field retention_fields[] = {
    {CONFIG_ROW("time", struct config_storage, retention_time_ms, BINDING_DURATION)},
    {CONFIG_ROW("size", struct config_storage, retention_size_bytes, BINDING_CUSTOM),
     .read = read_retention_size, .print = print_retention_size},
    {CONFIG_ROW("percentage", struct config_storage, retention_percentage, BINDING_FLOAT)},
};
/* The parts of `storage` are sections of their own in the file but one struct here. */
static const struct binding_schema retention_schema = {
    .type = "config.plain",
    .fields = retention_fields,
    .field_count = ARRAY_SIZE(retention_fields),
    .size = sizeof(struct config_storage),
    .init = init_retention,
    .check = check_retention,
};

static const struct binding_field encoding_fields[] = {
    {CONFIG_ROW("floats", struct config_storage, float_chunk_encoding, BINDING_TEXT)},
};
static const struct binding_schema encoding_schema = {
    .type = "config.ChunkEncodingConfig",
    .fields = encoding_fields,
    .field_count = ARRAY_SIZE(encoding_fields),
    .size = sizeof(struct config_storage),
};

/* Reads a section into the struct that holds it. */
static void read_part(struct binding *binding, const struct binding_field *field,
                      const struct yaml_tree_node *node, void *object)
{
    if (node->kind != YAML_TREE_NULL)
        binding_read(binding, field->schema, node, object);
}

static struct yaml_tree_node *print_retention(const struct binding_printer *printer,
                                              const struct binding_field *field,
                                              const void *object)
{
    return binding_print(printer, &retention_schema, object);
}

static struct yaml_tree_node *print_encoding(const struct binding_printer *printer,
                                             const struct binding_field *field,
                                             const void *object)
{
    const struct config_storage *storage = object;
    return storage->float_chunk_encoding.len == 0
               ? NULL
               : binding_print(printer, &encoding_schema, object);
}

static void check_tsdb(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    const struct config_storage *storage = object;
    struct slice floats = storage->float_chunk_encoding;
    if (floats.len > 0 && !slice_eq_str(floats, "xor") && !slice_eq_str(floats, "xor2"))
        binding_problem(binding, binding_at(binding_at(node, "chunk_encoding"), "floats"),
                        "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the "
                        "field must be omitted entirely, got %s",
                        binding_quote(binding->arena, floats));
}

/* The reference prints the window a second time in milliseconds, and so it is also read back. */
static void read_window_ms(struct binding *binding, const struct binding_field *field,
                           const struct yaml_tree_node *node, void *object)
{
    struct yaml_tree_value value = yaml_tree_resolve(node, binding->dialect);
    if (value.type != YAML_TYPE_INT && value.type != YAML_TYPE_NULL)
        binding_problem_type(binding, node, "int64",
                             "remove the key and set out_of_order_time_window");
}

static struct yaml_tree_node *print_window_ms(const struct binding_printer *printer,
                                              const struct binding_field *field,
                                              const void *object)
{
    const struct config_storage *storage = object;
    return yaml_tree_new_plain(printer->arena,
                               slice_str(arena_printf(printer->arena, "%lld",
                                                      (long long)storage->out_of_order_window_ms)));
}

static const struct binding_field tsdb_fields[] = {
    {.key = "outofordertimewindow", .kind = BINDING_CUSTOM, .read = read_window_ms,
     .print = print_window_ms},
    {CONFIG_ROW("out_of_order_time_window", struct config_storage, out_of_order_window_ms,
                BINDING_DURATION)},
    {CONFIG_ROW("stale_series_compaction_threshold", struct config_storage,
                stale_series_compaction_threshold, BINDING_FLOAT),
     .flags = BINDING_NO_EFFECT},
    {.key = "chunk_encoding", .kind = BINDING_CUSTOM, .flags = BINDING_NO_EFFECT,
     .schema = &encoding_schema, .read = read_part, .print = print_encoding},
    {.key = "retention", .kind = BINDING_CUSTOM, .schema = &retention_schema, .read = read_part,
     .print = print_retention},
};
static const struct binding_schema tsdb_schema = {
    .type = "config.plain",
    .fields = tsdb_fields,
    .field_count = ARRAY_SIZE(tsdb_fields),
    .size = sizeof(struct config_storage),
    .check = check_tsdb,
};

static const struct binding_field exemplar_fields[] = {
    {CONFIG_ROW("max_exemplars", struct config_storage, max_exemplars, BINDING_INT),
     .type = "int64"},
};
static const struct binding_schema exemplar_schema = {
    .type = "config.ExemplarsConfig",
    .fields = exemplar_fields,
    .field_count = ARRAY_SIZE(exemplar_fields),
    .size = sizeof(struct config_storage),
};

static void read_exemplars(struct binding *binding, const struct binding_field *field,
                           const struct yaml_tree_node *node, void *object)
{
    struct config_storage *storage = object;
    if (node->kind == YAML_TREE_NULL)
        return;
    storage->has_max_exemplars = true;
    storage->max_exemplars = 0;
    binding_read(binding, &exemplar_schema, node, object);
}

static struct yaml_tree_node *print_tsdb(const struct binding_printer *printer,
                                         const struct binding_field *field, const void *object)
{
    return binding_print(printer, &tsdb_schema, object);
}

static struct yaml_tree_node *print_exemplars(const struct binding_printer *printer,
                                              const struct binding_field *field,
                                              const void *object)
{
    const struct config_storage *storage = object;
    return storage->has_max_exemplars ? binding_print(printer, &exemplar_schema, object) : NULL;
}

static void init_storage(struct binding *binding, void *object)
{
    const struct config_defaults *defaults = config_reading(binding)->defaults;
    struct config_storage *storage = object;
    storage->max_exemplars = 100000;
    storage->retention_time_ms = defaults->retention_time_ms;
    storage->retention_size_bytes = defaults->retention_size_bytes;
    if (storage->retention_time_ms == 0 && storage->retention_size_bytes == 0)
        storage->retention_time_ms = RETENTION_DEFAULT_MS;
}

static const struct binding_field storage_fields[] = {
    {.key = "tsdb", .kind = BINDING_CUSTOM, .schema = &tsdb_schema, .read = read_part,
     .print = print_tsdb},
    {.key = "exemplars", .kind = BINDING_CUSTOM, .schema = &exemplar_schema,
     .read = read_exemplars, .print = print_exemplars},
};
const struct binding_schema config_storage_schema = {
    .type = "config.StorageConfig",
    .fields = storage_fields,
    .field_count = ARRAY_SIZE(storage_fields),
    .size = sizeof(struct config_storage),
    .init = init_storage,
};
