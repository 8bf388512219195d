/*
 * tracing and otlp: known and checked, so that a file which has them loads; printed as they are in
 * force.
 */
#include "config/config_internal.h"

static void init_tracing(struct binding *binding, void *object)
{
    ((struct config_tracing *)object)->client_type = SLICE("grpc");
}

static void check_tracing(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    const struct config_tracing *tracing = object;
    if (node->kind == YAML_TREE_NULL)
        return;
    if (!slice_eq_str(tracing->client_type, "grpc") && !slice_eq_str(tracing->client_type, "http"))
        binding_problem(binding, binding_at(node, "client_type"),
                        "expected tracing client type to be to be http or grpc, but got %.*s",
                        SLICE_ARG(tracing->client_type));
    config_check_headers(binding, node, "headers", tracing->headers, tracing->header_count,
                         "custom authorization header configuration is not yet supported");
    if (tracing->endpoint.len == 0)
        binding_problem(binding, node, "tracing endpoint must be set");
    if (tracing->compression.len > 0 && !slice_eq_str(tracing->compression, "gzip"))
        binding_problem(binding, binding_at(node, "compression"),
                        "invalid compression type %.*s provided, valid options: gzip",
                        SLICE_ARG(tracing->compression));
}

static const struct binding_field tracing_fields[] = {
    {CONFIG_ROW("client_type", struct config_tracing, client_type, BINDING_TEXT)},
    {CONFIG_ROW("endpoint", struct config_tracing, endpoint, BINDING_TEXT)},
    {CONFIG_ROW("sampling_fraction", struct config_tracing, sampling_fraction, BINDING_FLOAT)},
    {CONFIG_ROW("insecure", struct config_tracing, insecure, BINDING_BOOL)},
    {CONFIG_ROW("tls_config", struct config_tracing, tls, BINDING_STRUCT),
     .schema = &config_tls_schema},
    {CONFIG_LIST("headers", struct config_tracing, headers, header_count, BINDING_PAIRS)},
    {CONFIG_ROW("compression", struct config_tracing, compression, BINDING_TEXT)},
    {CONFIG_ROW("timeout", struct config_tracing, timeout_ms, BINDING_DURATION)},
};
const struct binding_schema config_tracing_schema = {
    .type = "config.plain",
    .fields = tracing_fields,
    .field_count = ARRAY_SIZE(tracing_fields),
    .size = sizeof(struct config_tracing),
    .init = init_tracing,
    .check = check_tracing,
};

static void init_otlp(struct binding *binding, void *object)
{
    struct config_otlp *otlp = object;
    otlp->translation_strategy = SLICE("UnderscoreEscapingWithSuffixes");
    otlp->label_name_underscore_sanitization = true;
    otlp->label_name_preserve_multiple_underscores = true;
}

static void check_attributes(struct binding *binding, const struct yaml_tree_node *node,
                             const char *key, const char *adjective, struct slice *attributes,
                             size_t count)
{
    const struct yaml_tree_node *list = yaml_tree_get(node, key);
    for (size_t i = 0; i < count; i++) {
        attributes[i] = slice_trim(attributes[i]);
        if (attributes[i].len == 0)
            binding_problem(binding, list->items[i],
                            "invalid '%s': empty %s OTel resource attribute", key, adjective);
        for (size_t j = 0; j < i; j++) {
            if (attributes[i].len > 0 && slice_eq(attributes[i], attributes[j])) {
                binding_problem(binding, list->items[i],
                                "invalid '%s': duplicated %s OTel resource attribute %s", key,
                                adjective, binding_quote(binding->arena, attributes[i]));
                return;
            }
        }
    }
}

static void check_strategy(struct binding *binding, const struct yaml_tree_node *node,
                           const struct config_otlp *otlp)
{
    static const char *const strategies[] = {
        "UnderscoreEscapingWithSuffixes", "UnderscoreEscapingWithoutSuffixes",
        "NoUTF8EscapingWithSuffixes",     "NoTranslation",
        NULL,
    };
    struct slice strategy = otlp->translation_strategy;
    const char *quoted = binding_quote(binding->arena, strategy);
    const struct yaml_tree_node *at = binding_at(node, "translation_strategy");
    for (size_t i = 0; strategies[i] != NULL; i++) {
        if (!slice_eq_str(strategy, strategies[i]))
            continue;
        if (i >= 2 && !config_reading(binding)->config->global.utf8_names)
            binding_problem(binding, at,
                            "OTLP translation strategy %s is not allowed when UTF8 is disabled",
                            quoted);
        return;
    }
    if (strategy.len == 0)
        return;
    const char *near = binding_nearest(strategy, strategies);
    binding_problem(binding, at, "unsupported OTLP translation strategy %s; did you mean %s?",
                    quoted, near == NULL ? strategies[0] : near);
}

static void check_otlp(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    struct config_otlp *otlp = object;
    check_strategy(binding, node, otlp);
    if (otlp->promote_all_resource_attributes) {
        if (otlp->promoted_attribute_count > 0)
            binding_problem(binding, binding_at(node, "promote_resource_attributes"),
                            "'promote_all_resource_attributes' and 'promote_resource_attributes' "
                            "cannot be configured simultaneously");
        check_attributes(binding, node, "ignore_resource_attributes", "ignored",
                         otlp->ignored_attributes, otlp->ignored_attribute_count);
        return;
    }
    if (otlp->ignored_attribute_count > 0)
        binding_problem(binding, binding_at(node, "ignore_resource_attributes"),
                        "'ignore_resource_attributes' cannot be configured unless "
                        "'promote_all_resource_attributes' is true");
    check_attributes(binding, node, "promote_resource_attributes", "promoted",
                     otlp->promoted_attributes, otlp->promoted_attribute_count);
}

static const struct binding_field otlp_fields[] = {
    {CONFIG_ROW("promote_all_resource_attributes", struct config_otlp,
                promote_all_resource_attributes, BINDING_BOOL)},
    {CONFIG_LIST("promote_resource_attributes", struct config_otlp, promoted_attributes,
                 promoted_attribute_count, BINDING_TEXT_LIST)},
    {CONFIG_LIST("ignore_resource_attributes", struct config_otlp, ignored_attributes,
                 ignored_attribute_count, BINDING_TEXT_LIST)},
    {CONFIG_ROW("translation_strategy", struct config_otlp, translation_strategy, BINDING_TEXT)},
    {CONFIG_ROW("keep_identifying_resource_attributes", struct config_otlp,
                keep_identifying_resource_attributes, BINDING_BOOL)},
    {CONFIG_ROW("convert_histograms_to_nhcb", struct config_otlp, convert_histograms_to_nhcb,
                BINDING_BOOL)},
    {CONFIG_ROW("promote_scope_metadata", struct config_otlp, promote_scope_metadata,
                BINDING_BOOL)},
    {CONFIG_ROW("label_name_underscore_sanitization", struct config_otlp,
                label_name_underscore_sanitization, BINDING_BOOL)},
    {CONFIG_ROW("label_name_preserve_multiple_underscores", struct config_otlp,
                label_name_preserve_multiple_underscores, BINDING_BOOL)},
};
const struct binding_schema config_otlp_schema = {
    .type = "config.plain",
    .fields = otlp_fields,
    .field_count = ARRAY_SIZE(otlp_fields),
    .size = sizeof(struct config_otlp),
    .init = init_otlp,
    .check = check_otlp,
};
