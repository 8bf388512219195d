/*
 * alerting: where alerts are sent, and what is done to them before.
 */
#include "config/config_internal.h"

static void init_alertmanager(struct binding *binding, void *object)
{
    struct config_reading *reading = config_reading(binding);
    struct config_alertmanager *manager = object;
    manager->scheme = SLICE("http");
    manager->timeout_ms = 10 * 1000;
    manager->api_version = SLICE("v2");
    reading->target_rule_count = &manager->relabel_rule_count;
}

static void check_alertmanager(struct binding *binding, const struct yaml_tree_node *node,
                               void *object)
{
    const struct config_alertmanager *manager = object;
    const struct yaml_tree_node *version = yaml_tree_get(node, "api_version");
    if (version != NULL && !slice_eq_str(manager->api_version, "v2"))
        binding_problem(binding, version,
                        "expected Alertmanager api version to be one of [v2] but got %.*s; remove "
                        "the key, v2 is the default",
                        SLICE_ARG(manager->api_version));
}

static const struct binding_field alertmanager_fields[] = {
    {CONFIG_ROW("", struct config_alertmanager, http, BINDING_INLINE),
     .schema = &config_http_schema},
    {.key = "sigv4",
     .kind = BINDING_REFUSED,
     .hint = "sigv4 is not supported by this server; use basic_auth, authorization or oauth2"},
    {CONFIG_ROW("scheme", struct config_alertmanager, scheme, BINDING_TEXT)},
    {CONFIG_ROW("path_prefix", struct config_alertmanager, path_prefix, BINDING_TEXT)},
    {CONFIG_ROW("timeout", struct config_alertmanager, timeout_ms, BINDING_DURATION)},
    {CONFIG_ROW("api_version", struct config_alertmanager, api_version, BINDING_TEXT),
     .flags = BINDING_ALWAYS},
    {CONFIG_LIST("relabel_configs", struct config_alertmanager, relabel_rules, relabel_rule_count,
                 BINDING_STRUCT_LIST),
     .schema = &config_relabel_schema, .type = "[]*relabel.Config",
     .if_empty = "empty or null Alertmanager target relabeling rule"},
    {CONFIG_LIST("alert_relabel_configs", struct config_alertmanager, alert_relabel_rules,
                 alert_relabel_rule_count, BINDING_STRUCT_LIST),
     .schema = &config_relabel_schema, .type = "[]*relabel.Config",
     .if_empty = "empty or null Alertmanager alert relabeling rule"},
    {CONFIG_ROW("", struct config_alertmanager, discovery, BINDING_INLINE),
     .schema = &config_discovery_schema},
};
static const struct binding_schema alertmanager_schema = {
    .type = "config.AlertmanagerConfig",
    .fields = alertmanager_fields,
    .field_count = ARRAY_SIZE(alertmanager_fields),
    .size = sizeof(struct config_alertmanager),
    .init = init_alertmanager,
    .check = check_alertmanager,
};

static void init_alerting(struct binding *binding, void *object)
{
    struct config_reading *reading = config_reading(binding);
    reading->utf8_names = reading->config->global.utf8_names;
}

static const struct binding_field alerting_fields[] = {
    {CONFIG_LIST("alert_relabel_configs", struct config_alerting, alert_relabel_rules,
                 alert_relabel_rule_count, BINDING_STRUCT_LIST),
     .schema = &config_relabel_schema, .type = "[]*relabel.Config",
     .if_empty = "empty or null alert relabeling rule"},
    {CONFIG_LIST("alertmanagers", struct config_alerting, alertmanagers, alertmanager_count,
                 BINDING_STRUCT_LIST),
     .schema = &alertmanager_schema, .type = "config.AlertmanagerConfigs",
     .if_empty = "empty or null Alertmanager config section"},
};
const struct binding_schema config_alerting_schema = {
    .type = "config.plain",
    .fields = alerting_fields,
    .field_count = ARRAY_SIZE(alerting_fields),
    .size = sizeof(struct config_alerting),
    .init = init_alerting,
};
