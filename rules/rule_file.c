/* Reading of rule files: the schema, the file as a whole, and its end. */
#include "rules/rule_file.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/hash.h"
#include "rules/rule_file_check.h"

#define ARENA_SIZE_MAX ((size_t)1 << 30)

/* Only a rule that was read without a problem is looked at further. */
static void check_rule(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    struct rule_definition *rule = object;
    rule->node = node;
}

static void init_group(struct binding *binding, void *object)
{
    struct rule_group_definition *group = object;
    group->query_offset_ms = -1;
}

#define ROW(name, struct_type, member, value_kind)                                                 \
    .key = (name), .kind = (value_kind), .offset = offsetof(struct_type, member)
#define LIST(name, struct_type, member, member_count, value_kind)                                  \
    .key = (name), .kind = (value_kind), .offset = offsetof(struct_type, member),                  \
    .count_offset = offsetof(struct_type, member_count)

static const struct binding_field rule_fields[] = {
    {ROW("record", struct rule_definition, record, BINDING_TEXT)},
    {ROW("alert", struct rule_definition, alert, BINDING_TEXT)},
    {ROW("expr", struct rule_definition, expression_text, BINDING_TEXT)},
    {ROW("for", struct rule_definition, for_ms, BINDING_DURATION)},
    {ROW("keep_firing_for", struct rule_definition, keep_firing_for_ms, BINDING_DURATION)},
    {LIST("labels", struct rule_definition, labels, label_count, BINDING_PAIRS)},
    {LIST("annotations", struct rule_definition, annotations, annotation_count, BINDING_PAIRS)},
};
static const struct binding_schema rule_schema = {
    .type = "rulefmt.Rule",
    .fields = rule_fields,
    .field_count = ARRAY_SIZE(rule_fields),
    .size = sizeof(struct rule_definition),
    .if_unknown = "; labels and annotations stand below labels: and annotations:",
    .check = check_rule,
};

static const struct binding_field group_fields[] = {
    {ROW("name", struct rule_group_definition, name, BINDING_TEXT)},
    {ROW("interval", struct rule_group_definition, interval_ms, BINDING_DURATION)},
    {ROW("query_offset", struct rule_group_definition, query_offset_ms, BINDING_DURATION),
     .flags = BINDING_NULL_KEEPS},
    {ROW("limit", struct rule_group_definition, limit, BINDING_INT)},
    {LIST("labels", struct rule_group_definition, labels, label_count, BINDING_PAIRS)},
    {LIST("rules", struct rule_group_definition, rules, rule_count, BINDING_STRUCT_LIST),
     .schema = &rule_schema, .type = "[]rulefmt.Rule",
     .hint = "write a list of rules, each beginning with \"- alert: ...\" or \"- record: ...\""},
};
static const struct binding_schema group_schema = {
    .type = "rulefmt.RuleGroup",
    .fields = group_fields,
    .field_count = ARRAY_SIZE(group_fields),
    .size = sizeof(struct rule_group_definition),
    .init = init_group,
};

static const struct binding_field file_fields[] = {
    {LIST("groups", struct rule_file, groups, group_count, BINDING_STRUCT_LIST),
     .schema = &group_schema, .type = "[]rulefmt.RuleGroup",
     .hint = "write a list of groups, each beginning with \"- name: ...\""},
};
static const struct binding_schema file_schema = {
    .type = "rulefmt.RuleGroups",
    .fields = file_fields,
    .field_count = ARRAY_SIZE(file_fields),
    .size = sizeof(struct rule_file),
};

/* The frequent slip: rules or groups as they stand in a manual, without what goes around them. */
static void report_bare_list(struct binding *binding, const struct yaml_tree_node *root)
{
    const struct yaml_tree_node *first = root->count > 0 ? root->items[0] : NULL;
    const char *how = "this is a list";
    if (yaml_tree_get(first, "alert") != NULL || yaml_tree_get(first, "record") != NULL)
        how = "this is a bare list of rules; wrap it: write the lines \"groups:\", \"- name: "
              "NAME\" and \"  rules:\" above it and indent the list by 2 spaces";
    else if (yaml_tree_get(first, "name") != NULL || yaml_tree_get(first, "rules") != NULL)
        how = "this is a bare list of groups; wrap it: write the line \"groups:\" above it";
    binding_problem(binding, root,
                    "cannot unmarshal !!seq into rulefmt.RuleGroups; a rule file begins with "
                    "\"groups:\", but %s",
                    how);
}

/* A line of three dashes behind the first content begins a second document. */
static void warn_second_document(struct binding *binding, struct slice text)
{
    bool has_content = false;
    uint32_t line = 0;
    while (text.len > 0) {
        size_t end = slice_index(text, '\n');
        struct slice row = slice_sub(text, 0, end == SLICE_NONE ? text.len : end);
        text = slice_from_index(text, end == SLICE_NONE ? text.len : end + 1);
        line++;
        bool marker = slice_has_prefix(row, SLICE("---")) &&
                      (row.len == 3 || row.ptr[3] == ' ' || row.ptr[3] == '\r' ||
                       row.ptr[3] == '\t');
        if (marker && has_content) {
            const struct yaml_tree_node at = {.line = line, .column = 1};
            binding_warn(binding, &at,
                         "Multiple document yaml rules files are not supported, only the first "
                         "document is processed");
            return;
        }
        struct slice trimmed = slice_trim(row);
        if (marker || (trimmed.len > 0 && trimmed.ptr[0] != '#' && trimmed.ptr[0] != '%'))
            has_content = true;
    }
}

/* Items that are nothing do not count, as in the reference. */
static void drop_null_items(struct binding *binding, struct yaml_tree_node *list)
{
    size_t kept = 0;
    for (size_t i = 0; list != NULL && list->kind == YAML_TREE_SEQUENCE && i < list->count; i++) {
        if (list->items[i]->kind != YAML_TREE_NULL)
            list->items[kept++] = list->items[i];
        else
            binding_warn(binding, list->items[i], "an item with nothing in it is left out");
    }
    if (list != NULL && list->kind == YAML_TREE_SEQUENCE)
        list->count = kept;
}

static void drop_null_groups(struct binding *binding, struct yaml_tree_node *root)
{
    for (size_t i = 0; root->kind == YAML_TREE_MAPPING && i < root->count; i++) {
        struct yaml_tree_node *groups = root->items[i];
        if (!slice_eq_str(root->keys[i]->text, "groups"))
            continue;
        drop_null_items(binding, groups);
        for (size_t j = 0; groups->kind == YAML_TREE_SEQUENCE && j < groups->count; j++) {
            struct yaml_tree_node *group = groups->items[j];
            for (size_t k = 0; group->kind == YAML_TREE_MAPPING && k < group->count; k++) {
                if (slice_eq_str(group->keys[k]->text, "rules"))
                    drop_null_items(binding, group->items[k]);
            }
        }
    }
}

static void read_file(struct rule_file *file, struct slice text,
                      const struct rule_file_options *options, struct binding *binding)
{
    struct errbuf err = ERRBUF_INIT;
    if (yaml_tree_parse(text, &file->tree, &err) != ERR_NONE) {
        binding_problem_syntax(binding, text, &err);
        return;
    }
    struct yaml_tree_node *root = file->tree.root;
    if (root == NULL)
        return;
    if (root->kind == YAML_TREE_SEQUENCE) {
        report_bare_list(binding, root);
        return;
    }
    drop_null_groups(binding, root);
    binding_read(binding, &file_schema, root, file);
    if (root->kind == YAML_TREE_MAPPING)
        rule_file_check(file, options, text, binding);
    warn_second_document(binding, text);
}

enum err rule_file_parse(struct slice text, const char *path,
                         const struct rule_file_options *options, struct rule_file **out,
                         struct buf *out_errors, struct errbuf *err)
{
    struct rule_file *file = mem_zalloc(sizeof(*file));
    file->reference_count = 1;
    arena_init(&file->arena, ARENA_SIZE_MAX);
    file->path = arena_slice(&file->arena, slice_str(path));
    struct binding binding;
    binding_init(&binding, &file->arena, file->path.ptr);
    binding.dialect = YAML_DIALECT_3;
    binding.root = &file_schema;
    read_file(file, text, options, &binding);
    size_t problem_count = binding.problem_count;
    if (problem_count > 0) {
        if (out_errors->len > 0)
            buf_append_byte(out_errors, '\n');
        binding_write_problems(&binding, out_errors);
        errbuf_set(err, ERR_INVALID, "%s: %zu problem%s", path, problem_count,
                   problem_count == 1 ? "" : "s");
    }
    binding_take_warnings(&binding, &file->warnings, &file->warning_count);
    binding_release(&binding);
    if (problem_count > 0) {
        rule_file_unref(file);
        return ERR_INVALID;
    }
    *out = file;
    return ERR_NONE;
}

enum err rule_file_load(const char *path, const struct rule_file_options *options,
                        struct rule_file **out, struct buf *out_errors, struct errbuf *err)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, RULE_FILE_BYTES_MAX);
    struct errbuf why = ERRBUF_INIT;
    enum err code = fs_read_file(fs_system, path, &text, &why);
    if (code != ERR_NONE) {
        buf_printf(out_errors, "%s%s:1:1: %s", out_errors->len > 0 ? "\n" : "", path, why.text);
        return errbuf_set(err, code, "%s", why.text);
    }
    return rule_file_parse(buf_slice(&text), path, options, out, out_errors, err);
}

struct rule_file *rule_file_ref(struct rule_file *file)
{
    atomic_fetch_add_explicit(&file->reference_count, 1, memory_order_relaxed);
    return file;
}

static void free_templates(struct template **templates, size_t count)
{
    for (size_t i = 0; templates != NULL && i < count; i++)
        template_free(templates[i]);
}

void rule_file_unref(struct rule_file *file)
{
    if (file == NULL ||
        atomic_fetch_sub_explicit(&file->reference_count, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < file->group_count; i++) {
        const struct rule_group_definition *group = &file->groups[i];
        for (size_t j = 0; j < group->rule_count; j++) {
            const struct rule_definition *rule = &group->rules[j];
            promql_expression_free(rule->expression);
            free_templates(rule->label_templates, rule->label_count);
            free_templates(rule->annotation_templates, rule->annotation_count);
        }
    }
    yaml_tree_release(&file->tree);
    arena_release(&file->arena);
    mem_free(file);
}

static void print_text(struct slice text, struct buf *out)
{
    /* with its length before it, so that no two lists of texts print the same */
    buf_printf(out, "%zu:", text.len);
    buf_append_slice(out, text);
}

static void print_pairs(const struct config_label *pairs, size_t count, struct buf *out)
{
    buf_printf(out, "{%zu}", count);
    for (size_t i = 0; i < count; i++) {
        print_text(pairs[i].name, out);
        print_text(pairs[i].value, out);
    }
}

void rule_group_definition_print(const struct rule_group_definition *group, int64_t interval_ms,
                                 struct buf *out)
{
    print_text(group->name, out);
    buf_printf(out, "|%lld|%lld|%lld\n", (long long)interval_ms, (long long)group->limit,
               (long long)group->query_offset_ms);
    for (size_t i = 0; i < group->rule_count; i++) {
        const struct rule_definition *rule = &group->rules[i];
        print_text(rule->record, out);
        print_text(rule->alert, out);
        print_text(rule->query, out);
        buf_printf(out, "|%lld|%lld", (long long)rule->for_ms, (long long)rule->keep_firing_for_ms);
        print_pairs(rule->labels, rule->label_count, out);
        print_pairs(rule->annotations, rule->annotation_count, out);
        buf_append_byte(out, '\n');
    }
}

int64_t rule_group_definition_phase_ms(const struct rule_file *file,
                                       const struct rule_group_definition *group,
                                       int64_t interval_ms)
{
    struct buf key CLEANUP(buf_release);
    buf_init(&key, BUF_SIZE_ANY);
    buf_printf(&key, "%.*s;%.*s", SLICE_ARG(file->path), SLICE_ARG(group->name));
    return (int64_t)(hash_slice(buf_slice(&key), 0) % (uint64_t)interval_ms);
}
