/* The checks of a rule file, and the place of an error inside of an expression. */
#include "rules/rule_file_check.h"

#include "model/labels.h"
#include "rules/template_functions.h"

struct check {
    struct binding *binding;
    const struct rule_file_options *options;
    struct slice text; /* of the file */
    /* what is looked at */
    const struct rule_group_definition *group;
    const struct rule_definition *rule;
    size_t rule_number;
};

PRINTF_LIKE(3, 4)
static void rule_problem(struct check *check, const struct yaml_tree_node *at, const char *format,
                         ...)
{
    struct binding *binding = check->binding;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, ERRBUF_TEXT_SIZE);
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    binding_problem(binding, at, "group %s, rule %zu, %s: %s",
                    binding_quote(binding->arena, check->group->name), check->rule_number,
                    binding_quote(binding->arena, rule_definition_name(check->rule)),
                    buf_cstr(&text));
}

/* The key itself, where a map of names and values stands under `map`. */
static const struct yaml_tree_node *key_node(const struct yaml_tree_node *node, const char *map,
                                             struct slice name)
{
    const struct yaml_tree_node *pairs = binding_at(node, map);
    for (size_t i = 0; pairs->kind == YAML_TREE_MAPPING && i < pairs->count; i++) {
        if (slice_eq(pairs->keys[i]->text, name))
            return pairs->keys[i];
    }
    return pairs;
}

static bool label_name_valid(const struct check *check, struct slice name)
{
    if (slice_eq_str(name, LABEL_METRIC_NAME))
        return false;
    return check->options->utf8_names ? labels_name_valid_utf8(name)
                                      : labels_name_valid_legacy(name);
}

static const char *label_advice(struct slice name)
{
    return slice_eq_str(name, LABEL_METRIC_NAME)
               ? "; the name of the series is what record: says, alerts are ALERTS"
           : name.len == 0 ? "; write the name before the colon"
                           : "; letters, digits and _ make a name, no digit first";
}

/* The n-th line of a text, 1-based, without its end. */
static struct slice text_line(struct slice text, uint32_t number)
{
    for (uint32_t line = 1; line < number; line++) {
        size_t end = slice_index(text, '\n');
        if (end == SLICE_NONE)
            return SLICE_EMPTY;
        text = slice_from_index(text, end + 1);
    }
    size_t end = slice_index(text, '\n');
    struct slice line = slice_sub(text, 0, end == SLICE_NONE ? text.len : end);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Byte offset of a column that is counted in characters. */
static size_t line_offset(struct slice line, uint32_t column)
{
    size_t at = 0;
    for (uint32_t character = 1; character < column && at < line.len; character++) {
        at++;
        while (at < line.len && ((unsigned char)line.ptr[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

/* Where in the file a place of the expression is: exactly, where the expression stands in the file as
 * it is read (on one line, or in a block behind |), else where it begins. */
static void expression_place(const struct check *check, const struct yaml_tree_node *node,
                             const struct errbuf *err, uint32_t *out_line, uint32_t *out_column)
{
    *out_line = node->line;
    *out_column = node->column;
    if (err->line == 0 || err->column == 0)
        return;
    struct slice first = text_line(check->text, node->line);
    struct slice rest = slice_from_index(first, line_offset(first, node->column));
    if (rest.len > 0 && rest.ptr[0] == '|') {
        uint32_t line = err->line;
        uint32_t column = err->column;
        /* the end of the input is behind the last line's end, where the block is over */
        if (line > 1 && column == 1 && text_line(node->text, line).len == 0)
            column = (uint32_t)text_line(node->text, --line).len + 1;
        struct slice wanted = text_line(node->text, line);
        struct slice found = text_line(check->text, node->line + line);
        if (slice_has_suffix(found, wanted)) {
            *out_line = node->line + line;
            *out_column = (uint32_t)(found.len - wanted.len) + column;
        }
        return;
    }
    uint32_t quote = rest.len > 0 && (rest.ptr[0] == '"' || rest.ptr[0] == '\'');
    rest = slice_from_index(rest, MIN((size_t)quote, rest.len));
    if (err->line == 1 && slice_has_prefix(rest, node->text))
        *out_column = node->column + quote + err->column - 1;
}

static void check_expression(struct check *check, struct rule_definition *rule)
{
    if (rule->expression_text.len == 0) {
        rule_problem(check, binding_at(rule->node, "expr"), "field 'expr' must be set in rule; write expr: and a PromQL expression");
        return;
    }
    struct errbuf err = ERRBUF_INIT;
    if (promql_parse(rule->expression_text, check->options->promql_features, &rule->expression,
                     &err) == ERR_NONE) {
        struct buf query CLEANUP(buf_release);
        buf_init(&query, BUF_SIZE_ANY);
        promql_print(rule->expression, &query);
        rule->query = arena_slice(check->binding->arena, buf_slice(&query));
        return;
    }
    struct buf text CLEANUP(buf_release);
    buf_init(&text, ERRBUF_TEXT_SIZE);
    promql_error_text(&err, &text);
    struct yaml_tree_node at = *binding_at(rule->node, "expr");
    expression_place(check, binding_at(rule->node, "expr"), &err, &at.line, &at.column);
    rule_problem(check, &at, "could not parse expression: %s", buf_cstr(&text));
}

static void check_recording(struct check *check, const struct rule_definition *rule)
{
    const struct yaml_tree_node *node = rule->node;
    if (rule->annotation_count > 0)
        rule_problem(check, binding_at(node, "annotations"),
                     "invalid field 'annotations' in recording rule; only alerting rules have it");
    if (rule->for_ms != 0)
        rule_problem(check, binding_at(node, "for"), "invalid field 'for' in recording rule; only alerting rules have it");
    if (rule->keep_firing_for_ms != 0)
        rule_problem(check, binding_at(node, "keep_firing_for"),
                     "invalid field 'keep_firing_for' in recording rule; only alerting rules have it");
    bool valid = check->options->utf8_names ? labels_name_valid_utf8(rule->record)
                                            : labels_metric_name_valid_legacy(rule->record);
    if (!valid)
        rule_problem(check, binding_at(node, "record"), "invalid recording rule name: %.*s",
                     SLICE_ARG(rule->record));
    if (slice_index(rule->record, '{') != SLICE_NONE ||
        slice_index(rule->record, '}') != SLICE_NONE)
        rule_problem(check, binding_at(node, "record"),
                     "braces present in the recording rule name; should it be in expr?: %.*s",
                     SLICE_ARG(rule->record));
}

/* What to do about an error of a template: mostly a slip in one of its words. */
static const char *template_advice(struct arena *arena, const char *problem)
{
    static const char *const variables[] = {"$labels", "$value", "$externalLabels", "$externalURL",
                                            NULL};
    static const char undefined[] = "undefined variable \"";
    static const char function[] = "function \"";
    bool is_variable = strstr(problem, undefined) != NULL;
    const char *word = is_variable ? strstr(problem, undefined) + strlen(undefined)
                                   : strstr(problem, function);
    if (strstr(problem, "unclosed action") != NULL)
        return "; a {{ needs its }}";
    if (word == NULL)
        return "";
    word += is_variable ? 0 : strlen(function);
    struct slice wrong = slice_from(word, strcspn(word, "\""));
    const char *near = is_variable ? binding_nearest(wrong, variables)
                                   : template_function_nearest(wrong);
    return near == NULL ? "" : arena_printf(arena, "; did you mean %s?", near);
}

/* The templates of labels or annotations, parsed; NULL for what is plain text. */
static struct template **check_templates(struct check *check, const char *map, const char *kind,
                                         const struct config_label *pairs, size_t count)
{
    const struct rule_definition *rule = check->rule;
    struct arena *arena = check->binding->arena;
    struct template **templates = arena_zalloc_array(arena, count, sizeof(*templates));
    struct slice name =
        slice_str(arena_printf(arena, "__alert_%.*s", SLICE_ARG(rule_definition_name(rule))));
    for (size_t i = 0; i < count; i++) {
        struct errbuf err = ERRBUF_INIT;
        if (slice_find(pairs[i].value, SLICE("{{")) == SLICE_NONE)
            continue;
        if (template_parse(name, pairs[i].value, &templates[i], &err) == ERR_NONE)
            continue;
        templates[i] = NULL;
        const struct yaml_tree_node *pairs_node = binding_at(rule->node, map);
        rule_problem(check, binding_at(pairs_node, arena_slice(arena, pairs[i].name).ptr),
                     "%s %s: %s%s", kind, binding_quote(arena, pairs[i].name), err.text,
                     template_advice(arena, err.text));
    }
    return templates;
}

static void check_names(struct check *check, const struct rule_definition *rule)
{
    for (size_t i = 0; i < rule->label_count; i++) {
        if (!label_name_valid(check, rule->labels[i].name))
            rule_problem(check, key_node(rule->node, "labels", rule->labels[i].name),
                         "invalid label name: %.*s%s", SLICE_ARG(rule->labels[i].name),
                         label_advice(rule->labels[i].name));
    }
    for (size_t i = 0; i < rule->annotation_count; i++) {
        struct slice name = rule->annotations[i].name;
        bool valid = check->options->utf8_names ? labels_name_valid_utf8(name)
                                                : labels_name_valid_legacy(name);
        if (!valid)
            rule_problem(check, key_node(rule->node, "annotations", name),
                         "invalid annotation name: %.*s", SLICE_ARG(name));
    }
}

/* The group's labels where the rule has none of that name; both lists are sorted. */
static void merge_labels(struct check *check, struct rule_definition *rule)
{
    const struct rule_group_definition *group = check->group;
    if (group->label_count == 0)
        return;
    struct config_label *merged = arena_alloc_array(
        check->binding->arena, group->label_count + rule->label_count, sizeof(*merged));
    size_t count = 0;
    for (size_t i = 0, j = 0; i < group->label_count || j < rule->label_count;) {
        int order = i == group->label_count  ? 1
                    : j == rule->label_count ? -1
                                             : slice_cmp(group->labels[i].name,
                                                         rule->labels[j].name);
        if (order == 0)
            i++;
        else
            merged[count++] = order < 0 ? group->labels[i++] : rule->labels[j++];
    }
    rule->labels = merged;
    rule->label_count = count;
}

static void check_rule(struct check *check, struct rule_definition *rule)
{
    if (rule->record.len > 0 && rule->alert.len > 0)
        rule_problem(check, binding_at(rule->node, "record"),
                     "only one of 'record' and 'alert' must be set; make two rules of it");
    if (rule->record.len == 0 && rule->alert.len == 0)
        rule_problem(check, rule->node, "one of 'record' or 'alert' must be set; write record: or alert: and a name");
    check_expression(check, rule);
    if (rule->record.len > 0)
        check_recording(check, rule);
    check_names(check, rule);
    merge_labels(check, rule);
    if (rule->alert.len > 0) {
        rule->label_templates =
            check_templates(check, "labels", "label", rule->labels, rule->label_count);
        rule->annotation_templates = check_templates(check, "annotations", "annotation",
                                                     rule->annotations, rule->annotation_count);
    }
}

/* Is the name that of an earlier group? */
static bool group_is_repeated(const struct rule_file *file, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (slice_eq(file->groups[i].name, file->groups[index].name))
            return true;
    }
    return false;
}

static void check_group(struct check *check, const struct rule_file *file, size_t index,
                        const struct yaml_tree_node *node)
{
    struct rule_group_definition *group = &file->groups[index];
    check->group = group;
    if (node->kind != YAML_TREE_MAPPING)
        return;
    if (group->name.len == 0)
        binding_problem(check->binding, node, "Groupname must not be empty; write name: and a name of its own");
    if (group_is_repeated(file, index))
        binding_problem(check->binding, binding_at(node, "name"),
                        "groupname: \"%.*s\" is repeated in the same file; each group needs a name of its own", SLICE_ARG(group->name));
    for (size_t i = 0; i < group->label_count; i++) {
        if (!label_name_valid(check, group->labels[i].name))
            binding_problem(check->binding, key_node(node, "labels", group->labels[i].name),
                            "invalid label name: %.*s%s", SLICE_ARG(group->labels[i].name),
                            label_advice(group->labels[i].name));
    }
    for (size_t i = 0; i < group->rule_count; i++) {
        check->rule = &group->rules[i];
        check->rule_number = i + 1;
        if (check->rule->node != NULL)
            check_rule(check, &group->rules[i]);
    }
}

void rule_file_check(struct rule_file *file, const struct rule_file_options *options,
                     struct slice text, struct binding *binding)
{
    struct check check = {.binding = binding, .options = options, .text = text};
    const struct yaml_tree_node *groups = yaml_tree_get(file->tree.root, "groups");
    if (groups == NULL || groups->kind != YAML_TREE_SEQUENCE)
        return;
    for (size_t i = 0; i < groups->count && i < file->group_count; i++)
        check_group(&check, file, i, groups->items[i]);
}
