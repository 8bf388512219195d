/*
 * global: values that jobs inherit, and the labels that are added when samples leave this server.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config_internal.h"
#include "model/labels_builder.h"

#define MINUTE_MS 60000
#define SCRAPE_TIMEOUT_MS 10000
/* An expanded value is bounded by this. */
#define EXPANDED_BYTES_MAX ((size_t)1 << 20)

static void init_global(struct binding *binding, void *object)
{
    struct config_global *global = object;
    const struct config_defaults *defaults = config_reading(binding)->defaults;
    *global = (struct config_global){
        .scrape_interval_ms = MINUTE_MS,
        .evaluation_interval_ms = MINUTE_MS,
        .utf8_names = true,
        .extra_scrape_metrics = defaults->extra_scrape_metrics,
    };
    if (defaults->protobuf_first)
        config_default_protocols(true, global->protocols, &global->protocol_count);
    config_reading(binding)->utf8_names = true;
}

/* The name that a $ stands before: ${NAME} or $NAME; `text` is what follows the $ and is moved on. As
 * the reference expands, so that odd forms (a lone $, ${}) come out the same. */
static struct slice take_variable(struct slice *text)
{
    static const char special[] = "*#$@!?-0123456789";
    struct slice rest = *text;
    size_t len = 0;
    if (rest.len == 0)
        return SLICE_EMPTY;
    if (rest.ptr[0] == '{') {
        size_t end = slice_index(rest, '}');
        if (end == SLICE_NONE) {
            /* not a variable: only ${ is eaten */
            *text = slice_from_index(rest, 1);
            return SLICE_EMPTY;
        }
        *text = slice_from_index(rest, end + 1);
        return slice_sub(rest, 1, end - 1);
    }
    if (memchr(special, rest.ptr[0], sizeof(special) - 1) != NULL) {
        *text = slice_from_index(rest, 1);
        return slice_sub(rest, 0, 1);
    }
    while (len < rest.len &&
           (rest.ptr[len] == '_' || (rest.ptr[len] >= '0' && rest.ptr[len] <= '9') ||
            ((rest.ptr[len] | 0x20) >= 'a' && (rest.ptr[len] | 0x20) <= 'z')))
        len++;
    *text = slice_from_index(rest, len);
    return slice_sub(rest, 0, len);
}

static struct slice expand(struct binding *binding, const struct yaml_tree_node *at,
                           struct slice text)
{
    if (slice_index(text, '$') == SLICE_NONE)
        return text;
    struct buf out;
    buf_init(&out, EXPANDED_BYTES_MAX);
    while (text.len > 0) {
        size_t dollar = slice_index(text, '$');
        buf_append_slice(&out, slice_sub(text, 0, dollar == SLICE_NONE ? text.len : dollar));
        if (dollar == SLICE_NONE)
            break;
        text = slice_from_index(text, dollar + 1);
        size_t before = text.len;
        struct slice name = take_variable(&text);
        if (slice_eq_str(name, "$")) {
            buf_append_byte(&out, '$');
        } else if (name.len > 0) {
            const char *value = getenv(arena_printf(binding->arena, "%.*s", SLICE_ARG(name)));
            if (value == NULL || value[0] == '\0')
                binding_warn(binding, at, "the environment variable %.*s is empty or not set",
                             SLICE_ARG(name));
            else
                buf_append_str(&out, value);
        } else if (text.len == before) {
            buf_append_byte(&out, '$'); /* a $ before something else stands for itself */
        }
    }
    if (out.overflow)
        binding_problem(binding, at, "the expanded value is longer than %zu bytes",
                        EXPANDED_BYTES_MAX);
    struct slice copy = arena_slice(binding->arena, buf_slice(&out));
    buf_release(&out);
    return copy;
}

static void read_external_labels(struct binding *binding, const struct binding_field *field,
                                 const struct yaml_tree_node *node, void *object)
{
    struct config_global *global = object;
    config_read_labels(binding, field, node, object);
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < global->external_label_count; i++) {
        struct config_label *label = &global->external_label_pairs[i];
        const char *name = arena_printf(binding->arena, "%.*s", SLICE_ARG(label->name));
        label->value = expand(binding, binding_at(node, name), label->value);
        labels_builder_set(&builder, label->name, label->value);
    }
    global->external_labels = labels_builder_build(&builder);
    labels_builder_release(&builder);
}

static void check_global(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    struct config_global *global = object;
    if (global->scrape_interval_ms == 0)
        global->scrape_interval_ms = MINUTE_MS;
    if (global->scrape_timeout_ms > global->scrape_interval_ms)
        binding_problem(binding, binding_at(node, "scrape_timeout"),
                        "global scrape timeout greater than scrape interval; lower scrape_timeout "
                        "or raise scrape_interval");
    if (global->scrape_timeout_ms == 0)
        global->scrape_timeout_ms = MIN((int64_t)SCRAPE_TIMEOUT_MS, global->scrape_interval_ms);
    if (global->evaluation_interval_ms == 0)
        global->evaluation_interval_ms = MINUTE_MS;
    for (size_t i = 0; i < global->external_label_count && !global->utf8_names; i++) {
        struct slice name = global->external_label_pairs[i].name;
        if (!labels_name_valid_legacy(name))
            binding_problem(binding, binding_at(node, "external_labels"),
                            "%s is not a valid label name", binding_quote(binding->arena, name));
    }
    if (global->escaping_scheme.len > 0 && !config_escaping_scheme_valid(global->escaping_scheme))
        binding_problem(binding, binding_at(node, "metric_name_escaping_scheme"),
                        "unknown global name escaping method specified, must be one of "
                        "'allow-utf-8', 'underscores', 'dots', or 'values', got %s",
                        binding_quote(binding->arena, global->escaping_scheme));
    /* a block that says nothing is as no block at all */
    if (node->kind == YAML_TREE_NULL)
        global->escaping_scheme = SLICE("allow-utf-8");
}

static const struct binding_field global_fields[] = {
    {CONFIG_ROW("scrape_interval", struct config_global, scrape_interval_ms, BINDING_DURATION)},
    {CONFIG_ROW("scrape_timeout", struct config_global, scrape_timeout_ms, BINDING_DURATION)},
    {CONFIG_LIST("scrape_protocols", struct config_global, protocols, protocol_count,
                 BINDING_CUSTOM),
     .read = config_read_protocols, .print = config_print_protocols},
    {CONFIG_ROW("evaluation_interval", struct config_global, evaluation_interval_ms,
                BINDING_DURATION)},
    {CONFIG_ROW("rule_query_offset", struct config_global, rule_query_offset_ms,
                BINDING_DURATION)},
    {CONFIG_ROW("query_log_file", struct config_global, query_log_file, BINDING_PATH),
     .flags = BINDING_NO_EFFECT},
    {CONFIG_ROW("scrape_failure_log_file", struct config_global, scrape_failure_log_file,
                BINDING_PATH)},
    {CONFIG_LIST("external_labels", struct config_global, external_label_pairs,
                 external_label_count, BINDING_CUSTOM),
     .read = read_external_labels, .print = config_print_labels},
    {CONFIG_ROW("body_size_limit", struct config_global, limits.body_size, BINDING_SIZE)},
    {CONFIG_ROW("sample_limit", struct config_global, limits.samples, BINDING_UINT)},
    {CONFIG_ROW("target_limit", struct config_global, limits.targets, BINDING_UINT)},
    {CONFIG_ROW("label_limit", struct config_global, limits.labels, BINDING_UINT)},
    {CONFIG_ROW("label_name_length_limit", struct config_global, limits.label_name_length,
                BINDING_UINT)},
    {CONFIG_ROW("label_value_length_limit", struct config_global, limits.label_value_length,
                BINDING_UINT)},
    {CONFIG_ROW("keep_dropped_targets", struct config_global, limits.keep_dropped_targets,
                BINDING_UINT)},
    {CONFIG_ROW("metric_name_validation_scheme", struct config_global, utf8_names, BINDING_CUSTOM),
     .read = config_read_name_scheme, .print = config_print_name_scheme},
    {CONFIG_ROW("metric_name_escaping_scheme", struct config_global, escaping_scheme,
                BINDING_TEXT)},
    {CONFIG_ROW("scrape_native_histograms", struct config_global, scrape_native_histograms,
                BINDING_BOOL),
     .flags = BINDING_ALWAYS | BINDING_NULL_KEEPS},
    {CONFIG_ROW("convert_classic_histograms_to_nhcb", struct config_global,
                convert_classic_histograms_to_nhcb, BINDING_BOOL),
     .flags = BINDING_NO_EFFECT},
    {CONFIG_ROW("always_scrape_classic_histograms", struct config_global,
                always_scrape_classic_histograms, BINDING_BOOL)},
    {CONFIG_ROW("extra_scrape_metrics", struct config_global, extra_scrape_metrics, BINDING_BOOL),
     .flags = BINDING_ALWAYS | BINDING_NULL_KEEPS},
};
const struct binding_schema config_global_schema = {
    .type = "config.plain",
    .fields = global_fields,
    .field_count = ARRAY_SIZE(global_fields),
    .size = sizeof(struct config_global),
    .init = init_global,
    .check = check_global,
};
