#include "config/binding.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/duration.h"

/* Texts of users in messages are cut to this. */
#define QUOTED_BYTES_MAX 200

void binding_init(struct binding *binding, struct arena *arena, const char *path)
{
    *binding = (struct binding){.arena = arena};
    binding_set_file(binding, path);
    binding->file = 0;
}

void binding_release(struct binding *binding)
{
    vec_release(&binding->problems);
    vec_release(&binding->warnings);
    vec_release(&binding->no_effects);
}

void binding_set_file(struct binding *binding, const char *path)
{
    const char *slash = strrchr(path, '/');
    binding->path = path;
    binding->file++;
    if (slash == NULL)
        binding->directory = SLICE(".");
    else
        binding->directory = slice_from(path, slash == path ? 1 : (size_t)(slash - path));
}

static char *format_text(struct binding *binding, const char *format, va_list arguments)
{
    struct buf text;
    buf_init(&text, ERRBUF_TEXT_SIZE);
    buf_vprintf(&text, format, arguments);
    /* a problem is one line, whatever the user wrote */
    char *copy = arena_strdup(binding->arena, text.overflow ? format : buf_cstr(&text));
    for (char *at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ')
            *at = ' ';
    }
    buf_release(&text);
    return copy;
}

static void add_problem(struct binding *binding, uint32_t line, uint32_t column,
                        const char *format, va_list arguments)
{
    binding->problem_count++;
    if (binding->problems.len >= BINDING_PROBLEMS_MAX)
        return;
    char *text = format_text(binding, format, arguments);
    vec_push(&binding->problems, (struct binding_problem){.path = binding->path,
                                                          .line = line,
                                                          .column = column,
                                                          .text = text,
                                                          .file = binding->file});
}

void binding_problem(struct binding *binding, const struct yaml_tree_node *at, const char *format,
                     ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(binding, at == NULL ? 1 : at->line, at == NULL ? 1 : at->column, format, arguments);
    va_end(arguments);
}

void binding_problem_at(struct binding *binding, uint32_t line, uint32_t column,
                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(binding, line, column, format, arguments);
    va_end(arguments);
}

void binding_warn(struct binding *binding, const struct yaml_tree_node *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = format_text(binding, format, arguments);
    va_end(arguments);
    vec_push(&binding->warnings, (struct binding_problem){.path = binding->path,
                                                          .line = at == NULL ? 1 : at->line,
                                                          .column = at == NULL ? 1 : at->column,
                                                          .text = text,
                                                          .file = binding->file});
}

/* One warning a key, not one an occurrence: a hundred jobs may use it. */
static void warn_no_effect(struct binding *binding, const struct binding_field *field,
                           const struct yaml_tree_node *key)
{
    for (size_t i = 0; i < binding->no_effects.len; i++) {
        if (strcmp(binding->no_effects.items[i].key, field->key) == 0) {
            binding->no_effects.items[i].count++;
            return;
        }
    }
    struct binding_no_effect *entry = vec_add(&binding->no_effects);
    *entry = (struct binding_no_effect){.key = field->key, .warning = binding->warnings.len};
    binding_warn(binding, key, "%s is read but has no effect yet", field->key);
}

/* What users wrote, for a message: short, and no control characters. */
static const char *shown(struct binding *binding, struct slice text)
{
    return arena_printf(binding->arena, "%.*s%s", (int)MIN(text.len, (size_t)QUOTED_BYTES_MAX),
                        text.ptr, text.len > QUOTED_BYTES_MAX ? "..." : "");
}

void binding_problem_type(struct binding *binding, const struct yaml_tree_node *node,
                          const char *type, const char *hint)
{
    enum yaml_tree_type found = yaml_tree_resolve(node, binding->dialect).type;
    char value[32] = "";
    if (node->kind == YAML_TREE_SCALAR)
        snprintf(value, sizeof(value), " `%.*s%s`", (int)(node->text.len > 10 ? 7 : node->text.len),
                 node->text.ptr, node->text.len > 10 ? "..." : "");
    binding_problem(binding, node, "cannot unmarshal %s%s into %s; %s", yaml_tree_type_tag(found),
                    value, type, hint);
}

bool binding_read_text(struct binding *binding, const struct yaml_tree_node *node,
                       const char *hint, struct slice *out)
{
    if (node->kind == YAML_TREE_SEQUENCE || node->kind == YAML_TREE_MAPPING) {
        binding_problem_type(binding, node, "string", hint);
        return false;
    }
    *out = node->kind == YAML_TREE_NULL ? SLICE_EMPTY : node->text;
    return true;
}

const struct yaml_tree_node *binding_at(const struct yaml_tree_node *node, const char *key)
{
    const struct yaml_tree_node *value = yaml_tree_get(node, key);
    return value == NULL ? node : value;
}

struct slice binding_join_path(struct binding *binding, struct slice path)
{
    if (path.len == 0 || path.ptr[0] == '/')
        return path;
    /* every part is written behind a slash; .. takes the last one back */
    size_t size = binding->directory.len + path.len + 3;
    char *joined = arena_alloc(binding->arena, size);
    bool absolute = binding->directory.ptr[0] == '/';
    size_t len = 0;
    size_t floor = 0; /* leading .. of a relative path stay */
    for (int half = 0; half < 2; half++) {
        struct slice rest = half == 0 ? binding->directory : path;
        while (rest.len > 0) {
            size_t end = slice_index(rest, '/');
            struct slice part = slice_sub(rest, 0, end == SLICE_NONE ? rest.len : end);
            rest = slice_from_index(rest, end == SLICE_NONE ? rest.len : end + 1);
            if (part.len == 0 || slice_eq_str(part, "."))
                continue;
            if (slice_eq_str(part, "..") && len > floor) {
                while (joined[--len] != '/')
                    ;
                continue;
            }
            if (slice_eq_str(part, "..") && absolute)
                continue;
            joined[len++] = '/';
            memcpy(joined + len, part.ptr, part.len);
            len += part.len;
            if (slice_eq_str(part, ".."))
                floor = len;
        }
    }
    joined[len] = '\0';
    if (absolute)
        return len == 0 ? SLICE("/") : slice_from(joined, len);
    return len == 0 ? SLICE(".") : slice_from(joined + 1, len - 1);
}

static const char *hint_of(const struct binding_field *field, const char *otherwise)
{
    return field->hint == NULL ? otherwise : field->hint;
}

static const char *type_of(const struct binding_field *field, const char *otherwise)
{
    return field->type == NULL ? otherwise : field->type;
}

static void read_bool(struct binding *binding, const struct binding_field *field,
                      const struct yaml_tree_node *node, bool *out)
{
    struct yaml_tree_value value = yaml_tree_resolve(node, binding->dialect);
    if (value.type == YAML_TYPE_BOOL) {
        *out = value.boolean;
        return;
    }
    /* dialect 3 takes the old words where a boolean is wanted */
    struct yaml_tree_value old = yaml_tree_resolve(node, YAML_DIALECT_2);
    if (old.type == YAML_TYPE_BOOL) {
        *out = old.boolean;
        return;
    }
    binding_problem_type(binding, node, type_of(field, "bool"),
                         hint_of(field, node->quoted ? "write true or false, without quotes"
                                                     : "write true or false"));
}

/* A whole number from an integer or a float, whose fraction the reference drops. */
static bool whole_number(struct yaml_tree_value value, bool *negative, uint64_t *magnitude)
{
    if (value.type == YAML_TYPE_INT) {
        *negative = value.negative;
        *magnitude = value.magnitude;
        return true;
    }
    if (value.type != YAML_TYPE_FLOAT || isnan(value.number) || fabs(value.number) >= 0x1p64)
        return false;
    *magnitude = (uint64_t)fabs(value.number);
    *negative = value.number < 0 && *magnitude != 0;
    return true;
}

static void read_int(struct binding *binding, const struct binding_field *field,
                     const struct yaml_tree_node *node, int64_t *out)
{
    bool negative;
    uint64_t magnitude;
    if (!whole_number(yaml_tree_resolve(node, binding->dialect), &negative, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX) {
        binding_problem_type(binding, node, type_of(field, "int"),
                             hint_of(field, "write a whole number"));
        return;
    }
    *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
}

static void read_uint(struct binding *binding, const struct binding_field *field,
                      const struct yaml_tree_node *node, uint64_t *out)
{
    bool negative;
    uint64_t magnitude;
    if (!whole_number(yaml_tree_resolve(node, binding->dialect), &negative, &magnitude) ||
        negative) {
        binding_problem_type(binding, node, type_of(field, "uint"),
                             hint_of(field, "write a whole number, 0 or more"));
        return;
    }
    *out = magnitude;
}

static void read_float(struct binding *binding, const struct binding_field *field,
                       const struct yaml_tree_node *node, double *out)
{
    struct yaml_tree_value value = yaml_tree_resolve(node, binding->dialect);
    if (value.type != YAML_TYPE_INT && value.type != YAML_TYPE_FLOAT) {
        binding_problem_type(binding, node, type_of(field, "float64"),
                             hint_of(field, "write a number"));
        return;
    }
    *out = value.number;
}

static void read_duration(struct binding *binding, const struct binding_field *field,
                          const struct yaml_tree_node *node, int64_t *out)
{
    const char *hint = hint_of(field, "write a duration such as 15s, 1m30s or 2h");
    struct slice text;
    struct errbuf err = ERRBUF_INIT;
    if (!binding_read_text(binding, node, hint, &text))
        return;
    if (duration_parse(text, out, &err) == ERR_NONE)
        return;
    struct yaml_tree_value value = yaml_tree_resolve(node, binding->dialect);
    if (value.type == YAML_TYPE_INT && !value.negative)
        binding_problem(binding, node, "%s; write the unit too: %ss", err.text,
                        shown(binding, text));
    else
        binding_problem(binding, node, "%s; %s", err.text, hint);
}

static void read_size(struct binding *binding, const struct binding_field *field,
                      const struct yaml_tree_node *node, uint64_t *out)
{
    const char *hint = hint_of(field, "write a size with its unit, such as 512MB or 1GB");
    struct slice text;
    struct errbuf err = ERRBUF_INIT;
    int64_t size;
    if (!binding_read_text(binding, node, hint, &text))
        return;
    if (binding_parse_size(text, &size, &err) != ERR_NONE)
        binding_problem(binding, node, "%s; %s", err.text, hint);
    else if (size < 0)
        binding_problem(binding, node, "a size must not be negative; %s", hint);
    else
        *out = (uint64_t)size;
}

/* Items of a list; `text` alone where a list was expected is a frequent slip. */
static bool expect_list(struct binding *binding, const struct binding_field *field,
                        const struct yaml_tree_node *node, const char *type)
{
    if (node->kind == YAML_TREE_SEQUENCE)
        return true;
    const char *hint = "write a list: each item on a line of its own that begins with \"- \"";
    if (node->kind == YAML_TREE_SCALAR && field->hint == NULL)
        hint = arena_printf(binding->arena, "write a list: ['%s']", shown(binding, node->text));
    binding_problem_type(binding, node, type_of(field, type), hint_of(field, hint));
    return false;
}

static void read_text_list(struct binding *binding, const struct binding_field *field,
                           const struct yaml_tree_node *node, struct slice **out, size_t *out_count)
{
    if (!expect_list(binding, field, node, "[]string"))
        return;
    struct slice *texts = arena_alloc_array(binding->arena, node->count, sizeof(*texts));
    size_t count = 0;
    for (size_t i = 0; i < node->count; i++) {
        struct slice text;
        if (!binding_read_text(binding, node->items[i], hint_of(field, "write a text"), &text))
            continue;
        if (field->kind == BINDING_PATH_LIST)
            text = binding_join_path(binding, text);
        texts[count++] = text;
    }
    *out = texts;
    *out_count = count;
}

static int compare_pairs(const void *a, const void *b)
{
    return slice_cmp(((const struct config_label *)a)->name, ((const struct config_label *)b)->name);
}

static void read_pairs(struct binding *binding, const struct binding_field *field,
                       const struct yaml_tree_node *node, struct config_label **out,
                       size_t *out_count)
{
    if (node->kind != YAML_TREE_MAPPING) {
        binding_problem_type(binding, node, type_of(field, "map[string]string"),
                             hint_of(field, "write pairs: each on a line, name: value"));
        return;
    }
    struct config_label *pairs = arena_alloc_array(binding->arena, node->count, sizeof(*pairs));
    size_t count = 0;
    for (size_t i = 0; i < node->count; i++) {
        struct slice value;
        if (node->keys[i]->duplicate) {
            binding_problem(binding, node->keys[i], "key %s already set in map; remove one of them",
                            binding_quote(binding->arena, node->keys[i]->text));
            continue;
        }
        if (binding_read_text(binding, node->items[i],
                              "write a text, in quotes if it is special to YAML", &value))
            pairs[count++] = (struct config_label){node->keys[i]->text, value};
    }
    qsort(pairs, count, sizeof(*pairs), compare_pairs);
    *out = pairs;
    *out_count = count;
}

static const char *list_type(struct binding *binding, const struct binding_field *field)
{
    if (field->type != NULL)
        return field->type;
    return arena_printf(binding->arena, "[]*%s", field->schema->type);
}

static void read_struct_list(struct binding *binding, const struct binding_field *field,
                             const struct yaml_tree_node *node, void **out, size_t *out_count)
{
    const struct binding_schema *schema = field->schema;
    if (node->kind != YAML_TREE_SEQUENCE) {
        binding_problem_type(
            binding, node, list_type(binding, field),
            hint_of(field, "write a list: each item begins on a line of its own with \"- \""));
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
        if (item->kind == YAML_TREE_NULL) {
            binding_problem(binding, item, "%s; remove the \"-\" or write the item behind it",
                            field->if_empty == NULL ? "empty or null item" : field->if_empty);
            continue;
        }
        binding_read(binding, schema, item, objects + count * schema->size);
        count++;
    }
    *out = objects;
    *out_count = count;
}

/* Structs of the kinds that hold one. */
static void read_struct(struct binding *binding, const struct binding_field *field,
                        const struct yaml_tree_node *node, char *object)
{
    char *address = object + field->offset;
    if (field->kind == BINDING_STRUCT_POINTER) {
        void *target = arena_zalloc(binding->arena, field->schema->size);
        *(void **)address = target;
        address = target;
    } else if (field->kind == BINDING_STRUCT_PRESENT) {
        *(bool *)(object + field->count_offset) = true;
    }
    binding_read(binding, field->schema, node, address);
    if (field->kind == BINDING_STRUCT_PRESENT)
        *(bool *)(object + field->count_offset) = true;
}

static void zero_field(const struct binding_field *field, char *object)
{
    switch (field->kind) {
    case BINDING_TEXT:
    case BINDING_SECRET:
    case BINDING_PATH:
    case BINDING_URL:
        *(struct slice *)(object + field->offset) = SLICE_EMPTY;
        break;
    case BINDING_BOOL:
        *(bool *)(object + field->offset) = false;
        break;
    case BINDING_INT:
    case BINDING_UINT:
    case BINDING_DURATION:
    case BINDING_SIZE:
        *(uint64_t *)(object + field->offset) = 0;
        break;
    case BINDING_FLOAT:
        *(double *)(object + field->offset) = 0;
        break;
    case BINDING_TEXT_LIST:
    case BINDING_SECRET_LIST:
    case BINDING_PATH_LIST:
    case BINDING_PAIRS:
    case BINDING_STRUCT_LIST:
        *(size_t *)(object + field->count_offset) = 0;
        break;
    case BINDING_STRUCT:
        memset(object + field->offset, 0, field->schema->size);
        break;
    case BINDING_STRUCT_PRESENT:
        memset(object + field->offset, 0, field->schema->size);
        *(bool *)(object + field->count_offset) = false;
        break;
    case BINDING_STRUCT_POINTER:
    case BINDING_OPAQUE:
        *(void **)(object + field->offset) = NULL;
        break;
    case BINDING_INLINE:
    case BINDING_CUSTOM:
    case BINDING_REFUSED:
        break;
    }
}

static void read_field(struct binding *binding, const struct binding_field *field,
                       const struct yaml_tree_node *node, char *object)
{
    void *address = object + field->offset;
    void *count = object + field->count_offset;
    if (node->kind == YAML_TREE_NULL && field->kind != BINDING_CUSTOM &&
        field->kind != BINDING_REFUSED) {
        if (!(field->flags & BINDING_NULL_KEEPS))
            zero_field(field, object);
        return;
    }
    switch (field->kind) {
    case BINDING_TEXT:
    case BINDING_SECRET:
    case BINDING_URL:
        (void)binding_read_text(binding, node, hint_of(field, "write a text"), address);
        break;
    case BINDING_PATH:
        if (binding_read_text(binding, node, hint_of(field, "write a path"), address))
            *(struct slice *)address = binding_join_path(binding, *(struct slice *)address);
        break;
    case BINDING_BOOL:
        read_bool(binding, field, node, address);
        break;
    case BINDING_INT:
        read_int(binding, field, node, address);
        break;
    case BINDING_UINT:
        read_uint(binding, field, node, address);
        break;
    case BINDING_FLOAT:
        read_float(binding, field, node, address);
        break;
    case BINDING_DURATION:
        read_duration(binding, field, node, address);
        break;
    case BINDING_SIZE:
        read_size(binding, field, node, address);
        break;
    case BINDING_TEXT_LIST:
    case BINDING_SECRET_LIST:
    case BINDING_PATH_LIST:
        read_text_list(binding, field, node, address, count);
        break;
    case BINDING_PAIRS:
        read_pairs(binding, field, node, address, count);
        break;
    case BINDING_STRUCT:
    case BINDING_STRUCT_PRESENT:
    case BINDING_STRUCT_POINTER:
        read_struct(binding, field, node, object);
        break;
    case BINDING_STRUCT_LIST:
        read_struct_list(binding, field, node, address, count);
        break;
    case BINDING_CUSTOM:
        field->read(binding, field, node, object);
        break;
    case BINDING_OPAQUE:
        *(const struct yaml_tree_node **)address = node;
        break;
    case BINDING_INLINE:
    case BINDING_REFUSED:
        break;
    }
}

/* The keys of a mapping that were met by some row; the others are unknown. */
struct key_use {
    bool *known;
};

/* Reads the rows of a schema, and of those that it has inline, in the order of the table: so what
 * comes first, as `global`, is there for what follows. */
static void read_fields(struct binding *binding, const struct binding_schema *schema,
                        const struct yaml_tree_node *node, char *object, struct key_use *use)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE) {
            read_fields(binding, field->schema, node, object + field->offset, use);
            continue;
        }
        for (size_t j = 0; j < node->count; j++) {
            const struct yaml_tree_node *key = node->keys[j];
            if (use->known[j] || key->duplicate || !slice_eq_str(key->text, field->key))
                continue;
            use->known[j] = true;
            if (field->kind == BINDING_REFUSED)
                binding_problem(binding, key, "%s", field->hint);
            if (field->flags & BINDING_NO_EFFECT)
                warn_no_effect(binding, field, key);
            read_field(binding, field, node->items[j], object);
            break;
        }
    }
}

static void run_inits(struct binding *binding, const struct binding_schema *schema, char *object)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE)
            run_inits(binding, field->schema, object + field->offset);
    }
    if (schema->init != NULL)
        schema->init(binding, object);
}

static void run_checks(struct binding *binding, const struct binding_schema *schema,
                       const struct yaml_tree_node *node, char *object)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE)
            run_checks(binding, field->schema, node, object + field->offset);
    }
    if (schema->check != NULL)
        schema->check(binding, node, object);
}

static void report_keys(struct binding *binding, const struct binding_schema *schema,
                        const struct yaml_tree_node *node, const struct key_use *use)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_tree_node *key = node->keys[i];
        if (key->duplicate)
            binding_problem(binding, key,
                            "field %s already set in type %s; remove one of them or join their "
                            "contents",
                            shown(binding, key->text), schema->type);
        else if (!use->known[i])
            binding_problem(binding, key, "field %s not found in type %s%s",
                            shown(binding, key->text), schema->type,
                            binding_suggest(binding, schema, key->text));
    }
}

void binding_read(struct binding *binding, const struct binding_schema *schema,
                  const struct yaml_tree_node *node, void *object)
{
    run_inits(binding, schema, object);
    if (node->kind != YAML_TREE_MAPPING && node->kind != YAML_TREE_NULL) {
        binding_problem_type(binding, node, schema->type,
                             "write key: value lines, indented by two spaces more");
        return;
    }
    size_t problems_before = binding->problem_count;
    if (node->kind == YAML_TREE_MAPPING) {
        struct key_use use = {arena_zalloc(binding->arena, node->count)};
        read_fields(binding, schema, node, object, &use);
        report_keys(binding, schema, node, &use);
    }
    if (binding->problem_count == problems_before)
        run_checks(binding, schema, node, object);
}

static int compare_problems(const void *a, const void *b)
{
    const struct binding_problem *first = a;
    const struct binding_problem *second = b;
    if (first->file != second->file)
        return first->file < second->file ? -1 : 1;
    if (first->line != second->line)
        return first->line < second->line ? -1 : 1;
    return first->column < second->column ? -1 : first->column > second->column;
}

void binding_write_problems(struct binding *binding, struct buf *out)
{
    if (binding->problems.len > 0)
        qsort(binding->problems.items, binding->problems.len, sizeof(*binding->problems.items),
              compare_problems);
    for (size_t i = 0; i < binding->problems.len; i++) {
        const struct binding_problem *problem = &binding->problems.items[i];
        buf_printf(out, "%s%s:%u:%u: %s", i == 0 ? "" : "\n", problem->path, problem->line,
                   problem->column, problem->text);
    }
}

void binding_take_warnings(struct binding *binding, struct slice **out, size_t *out_count)
{
    for (size_t i = 0; i < binding->no_effects.len; i++) {
        const struct binding_no_effect *entry = &binding->no_effects.items[i];
        struct binding_problem *warning = &binding->warnings.items[entry->warning];
        if (entry->count > 0)
            warning->text = arena_printf(binding->arena, "%s (and in %zu more place%s)",
                                         warning->text, entry->count, entry->count == 1 ? "" : "s");
    }
    size_t count = binding->warnings.len;
    if (count > 0)
        qsort(binding->warnings.items, count, sizeof(*binding->warnings.items), compare_problems);
    struct slice *texts = arena_alloc_array(binding->arena, count, sizeof(*texts));
    for (size_t i = 0; i < count; i++) {
        const struct binding_problem *warning = &binding->warnings.items[i];
        texts[i] = slice_str(arena_printf(binding->arena, "%s:%u:%u: %s", warning->path,
                                          warning->line, warning->column, warning->text));
    }
    *out = texts;
    *out_count = count;
}
