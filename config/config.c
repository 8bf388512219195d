/*
 * The configuration file as a whole: its sections, the files that it includes, loading and freeing.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "config/config_internal.h"

#define ARENA_SIZE_MAX ((size_t)2 << 30)
#define INCLUDED_FILES_MAX 10000
#define GOGC_DEFAULT 75

static const struct yaml_tree_node empty_node = {.kind = YAML_TREE_NULL, .line = 1, .column = 1};

/* A name that was taken. */
struct config_name {
    enum config_name_kind kind;
    struct slice name;
    const char *path; /* NULL = the main file */
};

static bool name_equal(const void *value, const void *key)
{
    const struct config_name *a = value;
    const struct config_name *b = key;
    return a->kind == b->kind && slice_eq(a->name, b->name);
}

void config_claim_name(struct binding *binding, const struct yaml_tree_node *node,
                       enum config_name_kind kind, const char *key, struct slice name)
{
    static const char *const sections[] = {"scrape", "remote write", "remote read"};
    struct config_reading *reading = config_reading(binding);
    struct config_name wanted = {kind, name, reading->in_included_file ? binding->path : NULL};
    uint64_t hash = hash_mix(hash_slice(name, 0), kind);
    if (name.len == 0)
        return;
    const struct config_name *other = table_get(&reading->names, hash, name_equal, &wanted);
    if (other == NULL) {
        struct config_name *taken = arena_alloc(binding->arena, sizeof(*taken));
        *taken = wanted;
        table_add(&reading->names, hash, taken);
        return;
    }
    const char *where = "";
    if (reading->in_included_file)
        where = other->path == NULL
                    ? ", first found in main config file"
                    : arena_printf(binding->arena, ", first found in \"%s\"", other->path);
    binding_problem(binding, binding_at(node, key),
                    "found multiple %s configs with job name %s%s; each needs a name of its own",
                    sections[kind], binding_quote(binding->arena, name), where);
}

/* A pattern with a star only in its last part. */
static bool pattern_valid(struct slice pattern)
{
    size_t star = slice_index(pattern, '*');
    return star == SLICE_NONE || slice_index(slice_from_index(pattern, star), '/') == SLICE_NONE;
}

/* Takes one character of a bracket expression, perhaps behind a backslash. */
static bool take_bracket_character(struct slice *rest)
{
    size_t len = rest->len > 0 && rest->ptr[0] == '\\' ? 2 : 1;
    if (rest->len <= len || rest->ptr[0] == '-' || rest->ptr[0] == ']')
        return false;
    *rest = slice_from_index(*rest, len);
    return true;
}

/* Every [ of a pattern is closed and has characters, every backslash has one behind it. */
static bool brackets_valid(struct slice rest)
{
    while (rest.len > 0) {
        char byte = rest.ptr[0];
        rest = slice_from_index(rest, 1);
        if (byte == '\\' && rest.len == 0)
            return false;
        if (byte == '\\')
            rest = slice_from_index(rest, 1);
        if (byte != '[')
            continue;
        if (rest.len > 0 && rest.ptr[0] == '^')
            rest = slice_from_index(rest, 1);
        for (bool first = true; first || rest.ptr[0] != ']'; first = false) {
            if (!take_bracket_character(&rest))
                return false;
            if (rest.ptr[0] == '-') {
                rest = slice_from_index(rest, 1);
                if (!take_bracket_character(&rest))
                    return false;
            }
        }
        rest = slice_from_index(rest, 1);
    }
    return true;
}

/* rule_files and scrape_config_files; `hint` of the row says which. */
static void read_patterns(struct binding *binding, const struct binding_field *field,
                          const struct yaml_tree_node *node, void *object)
{
    struct slice **out = (struct slice **)((char *)object + field->offset);
    size_t *count = (size_t *)((char *)object + field->count_offset);
    if (node->kind == YAML_TREE_NULL)
        return;
    if (node->kind != YAML_TREE_SEQUENCE) {
        binding_problem_type(binding, node, "[]string",
                             "write a list: each file on a line of its own that begins with \"- "
                             "\"");
        return;
    }
    *out = arena_alloc_array(binding->arena, node->count, sizeof(**out));
    for (size_t i = 0; i < node->count; i++) {
        struct slice pattern;
        if (!binding_read_text(binding, node->items[i], "write a path", &pattern))
            continue;
        if (!pattern_valid(pattern))
            binding_problem(binding, node->items[i],
                            "invalid %s %s; a * may stand only behind the last /", field->hint,
                            binding_quote(binding->arena, pattern));
        else if (!brackets_valid(pattern))
            binding_problem(binding, node->items[i],
                            "invalid %s %s: syntax error in pattern; a [ needs its ], and a \\ a "
                            "character behind it",
                            field->hint, binding_quote(binding->arena, pattern));
        (*out)[(*count)++] = binding_join_path(binding, pattern);
    }
}

static struct yaml_tree_node *print_patterns(const struct binding_printer *printer,
                                             const struct binding_field *field, const void *object)
{
    struct slice *const *texts = (struct slice *const *)((const char *)object + field->offset);
    size_t count = *(const size_t *)((const char *)object + field->count_offset);
    if (count == 0)
        return NULL;
    struct yaml_tree_node *list =
        yaml_tree_new_collection(printer->arena, YAML_TREE_SEQUENCE, count);
    for (size_t i = 0; i < count; i++)
        yaml_tree_add(list, NULL, yaml_tree_new_string(printer->arena, (*texts)[i]));
    return list;
}

/* gogc: of the section `runtime`, which has nothing else. */
static const struct binding_field runtime_fields[] = {
    {CONFIG_ROW("gogc", struct config, gogc, BINDING_INT)},
};
static const struct binding_schema runtime_schema = {
    .type = "config.RuntimeConfig",
    .fields = runtime_fields,
    .field_count = ARRAY_SIZE(runtime_fields),
    .size = sizeof(struct config),
};

static void read_runtime(struct binding *binding, const struct binding_field *field,
                         const struct yaml_tree_node *node, void *object)
{
    struct config *config = object;
    binding_read(binding, &runtime_schema, node, config);
    if (config->gogc == 0)
        config->gogc = GOGC_DEFAULT;
}

static struct yaml_tree_node *print_runtime(const struct binding_printer *printer,
                                            const struct binding_field *field, const void *object)
{
    return binding_print(printer, &runtime_schema, object);
}

static void init_config(struct binding *binding, void *object)
{
    struct config *config = object;
    config->gogc = GOGC_DEFAULT;
    binding_read(binding, &config_global_schema, &empty_node, &config->global);
    binding_read(binding, &config_storage_schema, &empty_node, &config->storage);
    binding_read(binding, &config_otlp_schema, &empty_node, &config->otlp);
}

/* A block that is there replaces the defaults; its labels were made by init. */
static void read_global(struct binding *binding, const struct binding_field *field,
                        const struct yaml_tree_node *node, void *object)
{
    struct config *config = object;
    labels_unref(config->global.external_labels);
    config->global.external_labels = NULL;
    binding_read(binding, &config_global_schema, node, &config->global);
}

static struct yaml_tree_node *print_global(const struct binding_printer *printer,
                                           const struct binding_field *field, const void *object)
{
    return binding_print(printer, &config_global_schema, &((const struct config *)object)->global);
}

static const struct binding_field config_fields[] = {
    {.key = "global", .kind = BINDING_CUSTOM, .schema = &config_global_schema,
     .read = read_global, .print = print_global},
    {.key = "runtime", .kind = BINDING_CUSTOM, .schema = &runtime_schema, .read = read_runtime,
     .print = print_runtime},
    {CONFIG_ROW("alerting", struct config, alerting, BINDING_STRUCT),
     .schema = &config_alerting_schema},
    {CONFIG_LIST("rule_files", struct config, rule_files, rule_file_count, BINDING_CUSTOM),
     .hint = "rule file path", .read = read_patterns,
     .print = print_patterns},
    {CONFIG_LIST("scrape_config_files", struct config, scrape_config_files,
                 scrape_config_file_count, BINDING_CUSTOM),
     .hint = "scrape config file path", .read = read_patterns, .print = print_patterns},
    {CONFIG_LIST("scrape_configs", struct config, scrapes, scrape_count, BINDING_STRUCT_LIST),
     .schema = &config_scrape_schema, .type = "[]*config.ScrapeConfig",
     .hint = "write a list of jobs, each beginning with \"- job_name: ...\"",
     .if_empty = "empty or null scrape config section"},
    {CONFIG_ROW("storage", struct config, storage, BINDING_STRUCT), .flags = BINDING_NULL_KEEPS,
     .schema = &config_storage_schema},
    {CONFIG_ROW("tracing", struct config, tracing, BINDING_STRUCT), .flags = BINDING_NO_EFFECT,
     .schema = &config_tracing_schema},
    {CONFIG_LIST("remote_write", struct config, remote_writes, remote_write_count,
                 BINDING_STRUCT_LIST),
     .flags = BINDING_NO_EFFECT, .schema = &config_remote_write_schema,
     .type = "[]*config.RemoteWriteConfig",
     .if_empty = "empty or null remote write config section"},
    {CONFIG_LIST("remote_read", struct config, remote_reads, remote_read_count,
                 BINDING_STRUCT_LIST),
     .flags = BINDING_NO_EFFECT, .schema = &config_remote_read_schema,
     .type = "[]*config.RemoteReadConfig",
     .if_empty = "empty or null remote read config section"},
    {CONFIG_ROW("otlp", struct config, otlp, BINDING_STRUCT),
     .flags = BINDING_NO_EFFECT | BINDING_NULL_KEEPS, .schema = &config_otlp_schema},
};
const struct binding_schema config_schema = {
    .type = "config.plain",
    .fields = config_fields,
    .field_count = ARRAY_SIZE(config_fields),
    .size = sizeof(struct config),
    .init = init_config,
};

/* A file of scrape_config_files. */
struct included {
    struct config_scrape *scrapes;
    size_t scrape_count;
};
static const struct binding_field included_fields[] = {
    {CONFIG_LIST("scrape_configs", struct included, scrapes, scrape_count, BINDING_STRUCT_LIST),
     .schema = &config_scrape_schema, .type = "[]*config.ScrapeConfig",
     .hint = "write a list of jobs, each beginning with \"- job_name: ...\"",
     .if_empty = "empty or null scrape config section"},
};
static const struct binding_schema included_schema = {
    .type = "config.ScrapeConfigs",
    .fields = included_fields,
    .field_count = ARRAY_SIZE(included_fields),
    .size = sizeof(struct included),
};

/* Parses a text into a tree that the configuration keeps, and binds it. */
static void read_document(struct binding *binding, struct config *config, struct slice text,
                          const struct binding_schema *schema, void *object)
{
    struct errbuf err = ERRBUF_INIT;
    struct yaml_tree tree;
    if (yaml_tree_parse(text, &tree, &err) != ERR_NONE) {
        binding_problem_syntax(binding, text, &err);
        return;
    }
    vec_push(&config->trees, tree);
    const struct yaml_tree_node *root = tree.root == NULL ? &empty_node : tree.root;
    if (root->kind == YAML_TREE_MAPPING || root->kind == YAML_TREE_NULL)
        binding_read(binding, schema, root, object);
    else
        binding_problem_type(binding, root, schema->type,
                             root->kind == YAML_TREE_SEQUENCE
                                 ? "a list of jobs stands below scrape_configs:, so write that "
                                   "line first"
                                 : "write sections such as global: and scrape_configs:");
}

static enum err read_file(const char *path, struct buf *out, struct errbuf *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0)
        return errbuf_set_errno(err, errno, "open %s", path);
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        (void)close(fd);
        return errbuf_set(err, ERR_INVALID, "read %s: is a directory", path);
    }
    for (;;) {
        char *room = buf_reserve(out, 65536);
        ssize_t got = room == NULL ? 0 : read(fd, room, 65536);
        if (room == NULL || got < 0) {
            int error_number = errno;
            (void)close(fd);
            return room == NULL ? errbuf_set(err, ERR_LIMIT, "%s is larger than %d bytes", path,
                                             YAML_BYTES_MAX)
                                : errbuf_set_errno(err, error_number, "read %s", path);
        }
        if (got == 0)
            break;
        buf_commit(out, (size_t)got);
    }
    (void)close(fd);
    return ERR_NONE;
}

/* Adds the jobs of one included file. */
static void read_included(struct binding *binding, struct config *config, const char *path)
{
    struct errbuf err = ERRBUF_INIT;
    struct included included = {0};
    struct buf text;
    binding_set_file(binding, arena_strdup(binding->arena, path));
    buf_init(&text, YAML_BYTES_MAX + 65536);
    if (read_file(path, &text, &err) != ERR_NONE)
        binding_problem_at(binding, 1, 1, "%s", err.text);
    else
        read_document(binding, config, buf_slice(&text), &included_schema, &included);
    buf_release(&text);
    if (included.scrape_count == 0)
        return;
    size_t total = config->scrape_count + included.scrape_count;
    struct config_scrape *all = arena_alloc_array(binding->arena, total, sizeof(*all));
    if (config->scrape_count > 0)
        memcpy(all, config->scrapes, config->scrape_count * sizeof(*all));
    memcpy(all + config->scrape_count, included.scrapes, included.scrape_count * sizeof(*all));
    config->scrapes = all;
    config->scrape_count = total;
}

static void read_all_included(struct binding *binding, struct config *config)
{
    config_reading(binding)->in_included_file = true;
    size_t file_count = 0;
    for (size_t i = 0; i < config->scrape_config_file_count; i++) {
        const char *pattern =
            arena_printf(binding->arena, "%.*s", SLICE_ARG(config->scrape_config_files[i]));
        glob_t found;
        if (glob(pattern, 0, NULL, &found) != 0)
            continue; /* none is fine */
        for (size_t j = 0; j < found.gl_pathc && file_count < INCLUDED_FILES_MAX; j++, file_count++)
            read_included(binding, config, found.gl_pathv[j]);
        globfree(&found);
    }
}

static enum err print_all(struct config *config, size_t own_count, struct errbuf *err)
{
    size_t all_count = config->scrape_count;
    config->scrape_count = own_count; /* included jobs are not part of the file */
    enum err error = config_print(config, err);
    config->scrape_count = all_count;
    for (size_t i = 0; i < all_count && error == ERR_NONE; i++)
        error = config_print_job(&config->arena, &config->scrapes[i], err);
    return error;
}

static struct config *config_new(const char *path)
{
    struct config *config = mem_zalloc(sizeof(*config));
    atomic_init(&config->reference_count, 1);
    arena_init(&config->arena, ARENA_SIZE_MAX);
    config->path = slice_str(arena_strdup(&config->arena, path));
    return config;
}

enum err config_parse_with(struct slice text, const char *path,
                           const struct config_defaults *defaults, struct config **out,
                           struct buf *out_errors, struct errbuf *err)
{
    struct config *config = config_new(path);
    struct config_reading reading = {.config = config, .defaults = defaults};
    struct binding binding;
    table_init(&reading.names);
    binding_init(&binding, &config->arena, config->path.ptr);
    binding.root = &config_schema;
    binding.context = &reading;
    read_document(&binding, config, text, &config_schema, config);
    if (config->global.external_labels == NULL)
        config->global.external_labels = labels_new(NULL, 0);
    size_t own_count = config->scrape_count;
    read_all_included(&binding, config);
    enum err error = ERR_NONE;
    if (binding.problem_count > 0) {
        binding_write_problems(&binding, out_errors);
        error = errbuf_set(err, ERR_INVALID, "parsing YAML file %s: %s", path,
                           buf_cstr(out_errors));
    } else {
        error = print_all(config, own_count, err);
    }
    binding_take_warnings(&binding, &config->warnings, &config->warning_count);
    binding_release(&binding);
    table_release(&reading.names);
    if (error != ERR_NONE) {
        config_unref(config);
        return error;
    }
    *out = config;
    return ERR_NONE;
}

enum err config_parse(struct slice text, const char *path, struct config **out,
                      struct buf *out_errors, struct errbuf *err)
{
    static const struct config_defaults defaults = {0};
    return config_parse_with(text, path, &defaults, out, out_errors, err);
}

enum err config_load_with(const char *path, const struct config_defaults *defaults,
                          struct config **out, struct buf *out_errors, struct errbuf *err)
{
    struct buf text;
    buf_init(&text, YAML_BYTES_MAX + 65536);
    enum err error = read_file(path, &text, err);
    if (error == ERR_NONE)
        error = config_parse_with(buf_slice(&text), path, defaults, out, out_errors, err);
    buf_release(&text);
    return error;
}

enum err config_load(const char *path, struct config **out, struct buf *out_errors,
                     struct errbuf *err)
{
    static const struct config_defaults defaults = {0};
    return config_load_with(path, &defaults, out, out_errors, err);
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&config->reference_count, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    if (config == NULL ||
        atomic_fetch_sub_explicit(&config->reference_count, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < config->compiled_rules.len; i++)
        relabel_rule_release(config->compiled_rules.items[i]);
    vec_release(&config->compiled_rules);
    labels_unref(config->global.external_labels);
    for (size_t i = 0; i < config->trees.len; i++)
        yaml_tree_release(&config->trees.items[i]);
    vec_release(&config->trees);
    arena_release(&config->arena);
    mem_free(config);
}
