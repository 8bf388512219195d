/*
 * Relabelling rules. They are compiled as soon as they are read, so that a bad expression is reported
 * together with everything else.
 */
#include <string.h>

#include "base/regex.h"
#include "config/config_internal.h"

/* Does the rule still have the default expression? By address: to write (.*) is to set it. */
static bool regex_is_default(const struct relabel_rule *rule)
{
    struct relabel_rule fresh;
    relabel_rule_init(&fresh);
    return rule->regex_text.ptr == fresh.regex_text.ptr;
}

static void init_rule(struct binding *binding, void *object)
{
    struct relabel_rule *rule = object;
    relabel_rule_init(rule);
    rule->utf8_names = config_reading(binding)->utf8_names;
}

static void read_action(struct binding *binding, const struct binding_field *field,
                        const struct yaml_tree_node *node, void *object)
{
    static const char *const names[] = {"replace",   "keep",     "drop",      "keepequal",
                                        "dropequal", "hashmod",  "labelmap",  "labeldrop",
                                        "labelkeep", "lowercase", "uppercase", NULL};
    struct relabel_rule *rule = object;
    struct slice text;
    if (node->kind == YAML_TREE_NULL) {
        binding_problem(binding, node, "relabel action cannot be empty; write %s",
                        "replace, keep, drop or another action, or remove the key");
        return;
    }
    if (!binding_read_text(binding, node, "write the name of an action, such as replace", &text) ||
        relabel_action_parse(text, &rule->action))
        return;
    const char *near = binding_nearest(text, names);
    binding_problem(binding, node,
                    near == NULL ? "unknown relabel action %s; there are replace, keep, drop, "
                                   "keepequal, dropequal, hashmod, labelmap, labeldrop, "
                                   "labelkeep, lowercase and uppercase%s"
                                 : "unknown relabel action %s; did you mean %s?",
                    binding_quote(binding->arena, text), near == NULL ? "" : near);
}

static struct yaml_tree_node *print_action(const struct binding_printer *printer,
                                           const struct binding_field *field, const void *object)
{
    const struct relabel_rule *rule = object;
    return yaml_tree_new_string(printer->arena, slice_str(relabel_action_name(rule->action)));
}

static struct yaml_tree_node *print_regex(const struct binding_printer *printer,
                                          const struct binding_field *field, const void *object)
{
    const struct relabel_rule *rule = object;
    return regex_is_default(rule) ? NULL : yaml_tree_new_string(printer->arena, rule->regex_text);
}

static void read_regex(struct binding *binding, const struct binding_field *field,
                       const struct yaml_tree_node *node, void *object)
{
    struct relabel_rule *rule = object;
    (void)binding_read_text(binding, node, "write a regular expression, in quotes",
                            &rule->regex_text);
}

/* The key that an error of the compiler is about. */
static const char *key_of_error(const char *text)
{
    if (strstr(text, "regexp") != NULL)
        return "regex";
    if (strstr(text, "modulus") != NULL)
        return "modulus";
    if (strstr(text, "invalid 'target_label'") != NULL)
        return "target_label";
    return strstr(text, "'replacement'") != NULL ? "replacement" : "action";
}

/* What to do about an error of the compiler. */
static const char *advice_of_error(const char *text)
{
    static const struct {
        const char *problem;
        const char *advice;
    } advices[] = {
        {"requires 'target_label'", "; write target_label: and the label to set"},
        {"non-zero modulus", "; write modulus: and the number of parts"},
        {"missing closing )", "; close the group, or write \\( for the character itself"},
        {"unexpected )", "; open a group, or write \\) for the character itself"},
        {"missing closing ]", "; close the class, or write \\[ for the character itself"},
        {"repetition operator", "; .* is any text, and \\* the character itself"},
        {"Perl syntax", "; RE2 has neither look-around nor back references"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
        if (strstr(text, advices[i].problem) != NULL)
            return advices[i].advice;
    }
    return "";
}

/* The expression of a rule that was refused for something else may be wrong as well. */
static void check_regex(struct binding *binding, const struct yaml_tree_node *node,
                        const struct relabel_rule *rule)
{
    struct errbuf err = ERRBUF_INIT;
    struct regex *regex = NULL;
    if (regex_new(rule->regex_text, &regex, &err) != ERR_NONE)
        binding_problem(binding, binding_at(node, "regex"), "%s%s", err.text,
                        advice_of_error(err.text));
    else
        regex_free(regex);
}

static void check_rule(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    struct relabel_rule *rule = object;
    struct errbuf err = ERRBUF_INIT;
    bool equal = rule->action == RELABEL_KEEP_EQUAL || rule->action == RELABEL_DROP_EQUAL;
    if (equal && !regex_is_default(rule)) {
        binding_problem(binding, binding_at(node, "regex"),
                        "%s action requires only 'source_labels' and `target_label`, and no other "
                        "fields",
                        relabel_action_name(rule->action));
        return;
    }
    for (size_t i = 0; i < rule->source_label_count; i++) {
        if (!labels_name_valid_utf8(rule->source_labels[i]))
            binding_problem(binding, binding_at(node, "source_labels"),
                            "%s is not a valid label name",
                            binding_quote(binding->arena, rule->source_labels[i]));
    }
    if (relabel_rule_compile(rule, &err) != ERR_NONE) {
        const char *key = key_of_error(err.text);
        binding_problem(binding, binding_at(node, key), "%s%s", err.text,
                        advice_of_error(err.text));
        if (strcmp(key, "regex") != 0)
            check_regex(binding, node, rule);
        return;
    }
    vec_push(&config_reading(binding)->config->compiled_rules, rule);
}

static const struct binding_field relabel_fields[] = {
    {CONFIG_LIST("source_labels", struct relabel_rule, source_labels, source_label_count,
                 BINDING_TEXT_LIST),
     .flags = BINDING_FLOW, .type = "model.LabelNames"},
    {CONFIG_ROW("separator", struct relabel_rule, separator, BINDING_TEXT),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("regex", struct relabel_rule, regex_text, BINDING_CUSTOM), .read = read_regex,
     .print = print_regex},
    {CONFIG_ROW("modulus", struct relabel_rule, modulus, BINDING_UINT), .type = "uint64"},
    {CONFIG_ROW("target_label", struct relabel_rule, target_label, BINDING_TEXT)},
    {CONFIG_ROW("replacement", struct relabel_rule, replacement, BINDING_TEXT),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("action", struct relabel_rule, action, BINDING_CUSTOM), .read = read_action,
     .print = print_action},
};
const struct binding_schema config_relabel_schema = {
    .type = "relabel.plain",
    .fields = relabel_fields,
    .field_count = ARRAY_SIZE(relabel_fields),
    .size = sizeof(struct relabel_rule),
    .init = init_rule,
    .check = check_rule,
};
