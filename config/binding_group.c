/*
 * The kinds of fields that hold several values: lists, maps, structs; and the table of all kinds.
 */
#include <stdlib.h>

#include "config/binding_internal.h"

/* Keys of parts that are kept as they came whose values are secrets. */
static const char *const secret_keys[] = {
    "password",
    "credentials",
    "bearer_token",
    "client_secret",
    "client_certificate_key",
    "token",
    "auth_token",
    "secret_key",
    "access_key",
    "key",
    "secrets",
    "secret_id",
    "api_key",
    NULL,
};

BINDING_READER(binding_read_text_list)
{
    if (node->kind != YAML_TREE_SEQUENCE) {
        const char *hint = "write a list: each item on a line of its own that begins with \"- \"";
        struct yaml_tree_node hidden = binding_hide(node);
        if (field->kind == BINDING_SECRET_LIST)
            node = &hidden;
        /* the text alone, without the list around it, is a frequent slip */
        if (node->kind == YAML_TREE_SCALAR)
            hint = arena_printf(binding->arena, "write a list: ['%s']",
                                binding_shown(binding, node->text));
        binding_problem_type(binding, node, binding_type(field, "[]string"),
                             binding_hint(field, hint));
        return;
    }
    struct slice *texts = arena_alloc_array(binding->arena, node->count, sizeof(*texts));
    size_t count = 0;
    for (size_t i = 0; i < node->count; i++) {
        struct slice text;
        if (!binding_read_text(binding, node->items[i], binding_hint(field, "write a text"),
                               &text))
            continue;
        if (field->kind == BINDING_PATH_LIST)
            text = binding_join_path(binding, text);
        texts[count++] = text;
    }
    *(struct slice **)binding_address(field, object) = texts;
    *binding_count(field, object) = count;
}

static int compare_names(const void *a, const void *b)
{
    return slice_cmp(((const struct config_label *)a)->name, ((const struct config_label *)b)->name);
}

BINDING_READER(binding_read_pairs)
{
    if (node->kind != YAML_TREE_MAPPING) {
        binding_problem_type(binding, node, binding_type(field, "map[string]string"),
                             binding_hint(field, "write pairs: each on a line, name: value"));
        return;
    }
    struct config_label *pairs = arena_alloc_array(binding->arena, node->count, sizeof(*pairs));
    size_t count = 0;
    for (size_t i = 0; i < node->count; i++) {
        struct slice value;
        if (node->keys[i]->duplicate && binding->dialect == YAML_DIALECT_3) {
            binding_problem_repeated(binding, node, node->keys[i]);
            continue;
        }
        if (node->keys[i]->duplicate) {
            binding_problem(binding, node->keys[i], "key %s already set in map; remove one of them",
                            binding_quote(binding->arena, node->keys[i]->text));
            continue;
        }
        if (binding_read_text(binding, node->items[i],
                              "write a text, in quotes if it is special to YAML", &value))
            pairs[count++] = (struct config_label){node->keys[i]->text, value};
    }
    qsort(pairs, count, sizeof(*pairs), compare_names);
    *(struct config_label **)binding_address(field, object) = pairs;
    *binding_count(field, object) = count;
}

BINDING_READER(binding_read_struct)
{
    char *address = binding_address(field, object);
    if (field->kind == BINDING_STRUCT_POINTER) {
        char *target = arena_zalloc(binding->arena, field->schema->size);
        *(char **)address = target;
        address = target;
    }
    binding_read(binding, field->schema, node, address);
    if (field->kind == BINDING_STRUCT_PRESENT)
        *(bool *)(object + field->count_offset) = true;
}

BINDING_READER(binding_read_struct_list)
{
    const struct binding_schema *schema = field->schema;
    if (node->kind != YAML_TREE_SEQUENCE) {
        const char *type = arena_printf(binding->arena, "[]*%s", schema->type);
        binding_problem_type(
            binding, node, binding_type(field, type),
            binding_hint(field, "write a list: each item begins on a line of its own with \"- \""));
        return;
    }
    size_t bytes = node->count * schema->size;
    if (bytes > BINDING_OBJECT_BYTES_MAX - binding->object_bytes) {
        binding_problem(binding, node, "too many items");
        return;
    }
    binding->object_bytes += bytes;
    char *objects = arena_zalloc(binding->arena, bytes);
    size_t count = 0;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_tree_node *item = node->items[i];
        if (item->kind == YAML_TREE_NULL)
            binding_problem(binding, item, "%s; remove the \"-\" or write the item behind it",
                            field->if_empty == NULL ? "empty or null item" : field->if_empty);
        else
            binding_read(binding, schema, item, objects + count++ * schema->size);
    }
    *(char **)binding_address(field, object) = objects;
    *binding_count(field, object) = count;
}

BINDING_READER(binding_read_opaque)
{
    *(const struct yaml_tree_node **)binding_address(field, object) = node;
}

BINDING_PRINTER(binding_print_text_list)
{
    const struct slice *texts = *(struct slice **)binding_address(field, object);
    size_t count = *binding_count(field, object);
    struct yaml_tree_node *list =
        yaml_tree_new_collection(printer->arena, YAML_TREE_SEQUENCE, count);
    list->flow = (field->flags & BINDING_FLOW) != 0;
    for (size_t i = 0; i < count; i++)
        yaml_tree_add(list, NULL,
                      field->kind == BINDING_SECRET_LIST
                          ? binding_print_secret(printer, texts[i])
                          : yaml_tree_new_string(printer->arena, texts[i]));
    return list;
}

static int compare_printed(const void *a, const void *b)
{
    return binding_compare_keys(((const struct config_label *)a)->name,
                                ((const struct config_label *)b)->name);
}

struct yaml_tree_node *binding_print_pairs(const struct binding_printer *printer,
                                           const struct config_label *pairs, size_t count)
{
    struct yaml_tree_node *map =
        yaml_tree_new_collection(printer->arena, YAML_TREE_MAPPING, count);
    if (count == 0)
        return map;
    struct config_label *sorted = arena_alloc_array(printer->arena, count, sizeof(*sorted));
    memcpy(sorted, pairs, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_printed);
    for (size_t i = 0; i < count; i++)
        yaml_tree_add(map, yaml_tree_new_string(printer->arena, sorted[i].name),
                      yaml_tree_new_string(printer->arena, sorted[i].value));
    return map;
}

BINDING_PRINTER(binding_print_pair_list)
{
    return binding_print_pairs(printer, *(struct config_label **)binding_address(field, object),
                               *binding_count(field, object));
}

BINDING_PRINTER(binding_print_struct)
{
    const char *address = binding_address(field, object);
    if (field->kind == BINDING_STRUCT_POINTER)
        address = *(char *const *)address;
    return binding_print(printer, field->schema, address);
}

BINDING_PRINTER(binding_print_struct_list)
{
    const char *objects = *(char **)binding_address(field, object);
    size_t count = *binding_count(field, object);
    struct yaml_tree_node *list =
        yaml_tree_new_collection(printer->arena, YAML_TREE_SEQUENCE, count);
    for (size_t i = 0; i < count; i++)
        yaml_tree_add(list, NULL,
                      binding_print(printer, field->schema, objects + i * field->schema->size));
    return list;
}

static bool is_secret_key(struct slice key)
{
    for (const char *const *word = secret_keys; *word != NULL; word++) {
        if (slice_eq_str(key, *word))
            return true;
    }
    return false;
}

/* A copy of what was kept as it came, without its secrets. */
static struct yaml_tree_node *copy_node(const struct binding_printer *printer,
                                        const struct yaml_tree_node *node, bool secret)
{
    if (node->kind == YAML_TREE_NULL)
        return yaml_tree_new_plain(printer->arena, SLICE("null"));
    if (node->kind == YAML_TREE_SCALAR) {
        if (secret)
            return binding_print_secret(printer, node->text);
        struct slice text = printer->show_secrets
                                ? node->text
                                : binding_redact_url(printer->arena, node->text);
        return node->quoted ? yaml_tree_new_string(printer->arena, text)
                            : yaml_tree_new_plain(printer->arena, text);
    }
    struct yaml_tree_node *copy =
        yaml_tree_new_collection(printer->arena, node->kind, node->count);
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_tree_node *key =
            node->kind == YAML_TREE_MAPPING
                ? yaml_tree_new_string(printer->arena, node->keys[i]->text)
                : NULL;
        bool hide = secret || (key != NULL && is_secret_key(key->text));
        yaml_tree_add(copy, key, copy_node(printer, node->items[i], hide));
    }
    return copy;
}

BINDING_PRINTER(binding_print_opaque)
{
    return copy_node(printer, *(const struct yaml_tree_node **)binding_address(field, object),
                     false);
}

static BINDING_READER(read_custom)
{
    field->read(binding, field, node, object);
}

static BINDING_PRINTER(print_custom)
{
    return field->print == NULL ? NULL : field->print(printer, field, object);
}

const struct binding_operations binding_operations[] = {
    [BINDING_TEXT] = {BINDING_ZERO_TEXT, 0, binding_read_value_text, binding_print_text},
    [BINDING_SECRET] = {BINDING_ZERO_TEXT, 0, binding_read_value_text, binding_print_secret_text},
    [BINDING_PATH] = {BINDING_ZERO_TEXT, 0, binding_read_path, binding_print_text},
    [BINDING_URL] = {BINDING_ZERO_TEXT, 0, binding_read_value_text, binding_print_url},
    [BINDING_BOOL] = {BINDING_ZERO_BYTES, sizeof(bool), binding_read_bool, binding_print_bool},
    [BINDING_INT] = {BINDING_ZERO_BYTES, sizeof(int64_t), binding_read_int, binding_print_number},
    [BINDING_UINT] = {BINDING_ZERO_BYTES, sizeof(uint64_t), binding_read_uint,
                      binding_print_number},
    [BINDING_FLOAT] = {BINDING_ZERO_BYTES, sizeof(double), binding_read_float,
                       binding_print_number},
    [BINDING_DURATION] = {BINDING_ZERO_BYTES, sizeof(int64_t), binding_read_duration,
                          binding_print_unit},
    [BINDING_SIZE] = {BINDING_ZERO_BYTES, sizeof(uint64_t), binding_read_size,
                      binding_print_unit},
    [BINDING_TEXT_LIST] = {BINDING_ZERO_COUNT, 0, binding_read_text_list,
                           binding_print_text_list},
    [BINDING_SECRET_LIST] = {BINDING_ZERO_COUNT, 0, binding_read_text_list,
                             binding_print_text_list},
    [BINDING_PATH_LIST] = {BINDING_ZERO_COUNT, 0, binding_read_text_list,
                           binding_print_text_list},
    [BINDING_PAIRS] = {BINDING_ZERO_COUNT, 0, binding_read_pairs, binding_print_pair_list},
    [BINDING_STRUCT] = {BINDING_ZERO_STRUCT, 0, binding_read_struct, binding_print_struct},
    [BINDING_STRUCT_PRESENT] = {BINDING_ZERO_PRESENT, 0, binding_read_struct,
                                binding_print_struct},
    [BINDING_STRUCT_POINTER] = {BINDING_ZERO_BYTES, sizeof(void *), binding_read_struct,
                                binding_print_struct},
    [BINDING_STRUCT_LIST] = {BINDING_ZERO_COUNT, 0, binding_read_struct_list,
                             binding_print_struct_list},
    [BINDING_INLINE] = {BINDING_ZERO_STRUCT, 0, NULL, NULL},
    [BINDING_CUSTOM] = {BINDING_ZERO_NEVER, 0, read_custom, print_custom},
    [BINDING_OPAQUE] = {BINDING_ZERO_BYTES, sizeof(void *), binding_read_opaque,
                        binding_print_opaque},
    [BINDING_REFUSED] = {BINDING_ZERO_ALWAYS, 0, NULL, NULL},
};
