/*
 * What is negotiated with targets: exposition formats, the scheme of names, how names are escaped.
 */
#include <string.h>
#include <strings.h>

#include "config/config_internal.h"

static const struct {
    const char *name;
    const char *media_type;
} protocols[] = {
    [SCRAPE_PROTOCOL_NONE] = {"", ""},
    [SCRAPE_PROTOCOL_PROTOBUF] = {"PrometheusProto",
                                  "application/vnd.google.protobuf;proto=io.prometheus.client."
                                  "MetricFamily;encoding=delimited"},
    [SCRAPE_PROTOCOL_OPENMETRICS_0] = {"OpenMetricsText0.0.1",
                                       "application/openmetrics-text;version=0.0.1"},
    [SCRAPE_PROTOCOL_OPENMETRICS_1] = {"OpenMetricsText1.0.0",
                                       "application/openmetrics-text;version=1.0.0"},
    [SCRAPE_PROTOCOL_TEXT_0] = {"PrometheusText0.0.4", "text/plain;version=0.0.4"},
    [SCRAPE_PROTOCOL_TEXT_1] = {"PrometheusText1.0.0", "text/plain;version=1.0.0"},
};

static const char *const names[] = {"OpenMetricsText0.0.1", "OpenMetricsText1.0.0",
                                    "PrometheusProto",      "PrometheusText0.0.4",
                                    "PrometheusText1.0.0",  NULL};

const char *config_scrape_protocol_name(enum config_scrape_protocol protocol)
{
    ASSERT((size_t)protocol < ARRAY_SIZE(protocols));
    return protocols[protocol].name;
}

const char *config_scrape_protocol_media_type(enum config_scrape_protocol protocol)
{
    ASSERT((size_t)protocol < ARRAY_SIZE(protocols));
    return protocols[protocol].media_type;
}

bool config_protocol_parse(struct slice name, enum config_scrape_protocol *out)
{
    for (size_t i = SCRAPE_PROTOCOL_NONE + 1; i < ARRAY_SIZE(protocols); i++) {
        if (slice_eq_str(name, protocols[i].name)) {
            *out = (enum config_scrape_protocol)i;
            return true;
        }
    }
    return false;
}

void config_problem_protocol(struct binding *binding, const struct yaml_tree_node *node,
                             struct slice name, const char *where)
{
    const char *near = binding_nearest(name, names);
    binding_problem(binding, node,
                    "%s: unknown scrape protocol %.*s, supported: [OpenMetricsText0.0.1 "
                    "OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 "
                    "PrometheusText1.0.0]%s%s%s",
                    where, SLICE_ARG(name), near == NULL ? "" : "; did you mean ",
                    near == NULL ? "" : near, near == NULL ? "" : "?");
}

void config_default_protocols(bool protobuf_first, enum config_scrape_protocol *out,
                              size_t *out_count)
{
    size_t count = 0;
    if (protobuf_first)
        out[count++] = SCRAPE_PROTOCOL_PROTOBUF;
    out[count++] = SCRAPE_PROTOCOL_OPENMETRICS_1;
    out[count++] = SCRAPE_PROTOCOL_OPENMETRICS_0;
    out[count++] = SCRAPE_PROTOCOL_TEXT_1;
    out[count++] = SCRAPE_PROTOCOL_TEXT_0;
    *out_count = count;
}

/* [a b c], as the reference shows lists in messages */
static const char *list_text(struct binding *binding, const struct yaml_tree_node *node)
{
    const char *text = "";
    for (size_t i = 0; i < node->count && i < 2 * CONFIG_SCRAPE_PROTOCOLS_MAX; i++)
        text = arena_printf(binding->arena, "%s%s%.*s", text, i == 0 ? "" : " ",
                            SLICE_ARG(node->items[i]->text));
    return text;
}

static bool listed_before(const struct yaml_tree_node *node, size_t index)
{
    struct slice text = node->items[index]->text;
    for (size_t i = 0; i < index && i < 2 * CONFIG_SCRAPE_PROTOCOLS_MAX; i++) {
        struct slice other = node->items[i]->text;
        if (other.len == text.len && strncasecmp(other.ptr, text.ptr, text.len) == 0)
            return true;
    }
    return false;
}

void config_read_protocols(struct binding *binding, const struct binding_field *field,
                           const struct yaml_tree_node *node, void *object)
{
    enum config_scrape_protocol *out =
        (enum config_scrape_protocol *)((char *)object + field->offset);
    size_t *count = (size_t *)((char *)object + field->count_offset);
    if (node->kind == YAML_TREE_NULL)
        return;
    if (node->kind != YAML_TREE_SEQUENCE) {
        binding_problem_type(binding, node, "[]config.ScrapeProtocol",
                             "write a list: [OpenMetricsText1.0.0, PrometheusText0.0.4]");
        return;
    }
    *count = 0;
    if (node->count == 0)
        binding_problem(binding, node,
                        "scrape_protocols cannot be empty; remove the key to have the defaults");
    for (size_t i = 0; i < node->count; i++) {
        struct slice text;
        enum config_scrape_protocol protocol;
        if (!binding_read_text(binding, node->items[i], "write a name of a protocol", &text))
            return;
        if (listed_before(node, i)) {
            binding_problem(binding, node->items[i],
                            "duplicated protocol in scrape_protocols, got [%s]; remove one of them",
                            list_text(binding, node));
            return;
        }
        if (!config_protocol_parse(text, &protocol)) {
            config_problem_protocol(binding, node->items[i], text, field->key);
            return;
        }
        out[(*count)++] = protocol; /* without repetition there are no more than there is room for */
    }
}

struct yaml_tree_node *config_print_protocols(const struct binding_printer *printer,
                                              const struct binding_field *field,
                                              const void *object)
{
    const enum config_scrape_protocol *items =
        (const enum config_scrape_protocol *)((const char *)object + field->offset);
    size_t count = *(const size_t *)((const char *)object + field->count_offset);
    if (count == 0)
        return NULL;
    struct yaml_tree_node *list =
        yaml_tree_new_collection(printer->arena, YAML_TREE_SEQUENCE, count);
    for (size_t i = 0; i < count; i++)
        yaml_tree_add(list, NULL,
                      yaml_tree_new_string(printer->arena,
                                           slice_str(config_scrape_protocol_name(items[i]))));
    return list;
}

void config_read_name_scheme(struct binding *binding, const struct binding_field *field,
                             const struct yaml_tree_node *node, void *object)
{
    bool *utf8 = (bool *)((char *)object + field->offset);
    struct slice text;
    if (!binding_read_text(binding, node, "write utf8 or legacy", &text))
        return;
    if (slice_eq_str(text, "utf8") || slice_eq_str(text, "legacy"))
        *utf8 = slice_eq_str(text, "utf8");
    else if (text.len > 0)
        binding_problem(binding, node, "unrecognized ValidationScheme: %s; write utf8 or legacy",
                        binding_quote(binding->arena, text));
    config_reading(binding)->utf8_names = *utf8;
}

struct yaml_tree_node *config_print_name_scheme(const struct binding_printer *printer,
                                                const struct binding_field *field,
                                                const void *object)
{
    bool utf8 = *(const bool *)((const char *)object + field->offset);
    return yaml_tree_new_string(printer->arena, utf8 ? SLICE("utf8") : SLICE("legacy"));
}

bool config_escaping_scheme_valid(struct slice scheme)
{
    return slice_eq_str(scheme, "allow-utf-8") || slice_eq_str(scheme, "underscores") ||
           slice_eq_str(scheme, "dots") || slice_eq_str(scheme, "values");
}
