#include "config/binding.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/binding_internal.h"

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

PRINTF_LIKE(2, 0)
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

PRINTF_LIKE(4, 0)
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

const char *binding_shown(struct binding *binding, struct slice text)
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

struct yaml_tree_node binding_hide(const struct yaml_tree_node *node)
{
    struct yaml_tree_node hidden = *node;
    if (node->kind == YAML_TREE_SCALAR) {
        hidden.text = SLICE("...");
        hidden.quoted = true;
    }
    return hidden;
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

/* What null makes of a field. */
static void clear_field(const struct binding_field *field, char *object)
{
    const struct binding_operations *operations = &binding_operations[field->kind];
    void *address = binding_address(field, object);
    switch (operations->zero) {
    case BINDING_ZERO_TEXT:
        *(struct slice *)address = SLICE_EMPTY;
        break;
    case BINDING_ZERO_BYTES:
        memset(address, 0, operations->size);
        break;
    case BINDING_ZERO_COUNT:
        *binding_count(field, object) = 0;
        break;
    case BINDING_ZERO_PRESENT:
        *(bool *)(object + field->count_offset) = false;
        memset(address, 0, field->schema->size);
        break;
    case BINDING_ZERO_STRUCT:
        memset(address, 0, field->schema->size);
        break;
    case BINDING_ZERO_NEVER:
    case BINDING_ZERO_ALWAYS:
        break;
    }
}

static void read_field(struct binding *binding, const struct binding_field *field,
                       const struct yaml_tree_node *node, char *object)
{
    const struct binding_operations *operations = &binding_operations[field->kind];
    if (operations->read == NULL)
        return;
    if (node->kind != YAML_TREE_NULL || operations->zero == BINDING_ZERO_NEVER)
        operations->read(binding, field, node, object);
    else if (!(field->flags & BINDING_NULL_KEEPS))
        clear_field(field, object);
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
            bool off = field->kind == BINDING_BOOL && slice_eq_str(node->items[j]->text, "false");
            if ((field->flags & BINDING_NO_EFFECT) && node->items[j]->kind != YAML_TREE_NULL && !off)
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

void binding_problem_repeated(struct binding *binding, const struct yaml_tree_node *mapping,
                              const struct yaml_tree_node *key)
{
    size_t first = 0;
    while (!slice_eq(mapping->keys[first]->text, key->text))
        first++;
    binding_problem(binding, key,
                    "mapping key %s already defined at line %u; remove one of them or join their "
                    "contents",
                    binding_quote(binding->arena, key->text), mapping->keys[first]->line);
}

static void report_keys(struct binding *binding, const struct binding_schema *schema,
                        const struct yaml_tree_node *node, const struct key_use *use)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_tree_node *key = node->keys[i];
        if (key->duplicate && binding->dialect == YAML_DIALECT_3)
            binding_problem_repeated(binding, node, key);
        else if (key->duplicate)
            binding_problem(binding, key,
                            "field %s already set in type %s; remove one of them or join their "
                            "contents",
                            binding_shown(binding, key->text), schema->type);
        else if (!use->known[i])
            binding_problem(binding, key, "field %s not found in type %s%s",
                            binding_shown(binding, key->text), schema->type,
                            binding_suggest(binding, schema, key->text));
    }
}

static bool has_secrets(const struct binding_schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].kind == BINDING_SECRET || schema->fields[i].kind == BINDING_SECRET_LIST)
            return true;
    }
    return false;
}

static const char *first_key(const struct binding_schema *schema)
{
    while (schema->fields[0].kind == BINDING_INLINE)
        schema = schema->fields[0].schema;
    return schema->fields[0].key;
}

void binding_read(struct binding *binding, const struct binding_schema *schema,
                  const struct yaml_tree_node *node, void *object)
{
    run_inits(binding, schema, object);
    if (node->kind != YAML_TREE_MAPPING && node->kind != YAML_TREE_NULL) {
        struct yaml_tree_node hidden = binding_hide(node);
        binding_problem_type(binding, has_secrets(schema) ? &hidden : node, schema->type,
                             arena_printf(binding->arena,
                                          "write lines of the form key: value, such as %s: ...",
                                          first_key(schema)));
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
    if (binding->problem_count > binding->problems.len)
        buf_printf(out, " (and %zu more problems)", binding->problem_count - binding->problems.len);
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
