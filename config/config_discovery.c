/*
 * Where targets come from: *_sd_configs and static_configs, inline in a scrape job and in an
 * Alertmanager. Those that this server will have are read strictly; of the others the names are
 * known, so that the message can say more than "unknown key".
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config_internal.h"

#define NOT_SUPPORTED(name)                                                                        \
    {                                                                                              \
        .key = name, .kind = BINDING_REFUSED,                                                      \
        .hint = "service discovery " name " is not supported by this server; write the targets "   \
                "into static_configs, and reload when they change"                                 \
    }

static int compare_labels(const void *a, const void *b)
{
    return slice_cmp(((const struct config_label *)a)->name, ((const struct config_label *)b)->name);
}

void config_read_labels(struct binding *binding, const struct binding_field *field,
                        const struct yaml_tree_node *node, void *object)
{
    struct config_label **out = (struct config_label **)((char *)object + field->offset);
    size_t *out_count = (size_t *)((char *)object + field->count_offset);
    *out_count = 0;
    if (node->kind == YAML_TREE_NULL)
        return;
    if (node->kind != YAML_TREE_MAPPING) {
        binding_problem_type(binding, node, "model.LabelSet",
                             "write labels: each on a line, name: value");
        return;
    }
    struct config_label *labels = arena_alloc_array(binding->arena, node->count, sizeof(*labels));
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_tree_node *key = node->keys[i];
        struct slice value;
        if (key->duplicate)
            binding_problem(binding, key, "key %s already set in map; remove one of them",
                            binding_quote(binding->arena, key->text));
        else if (!labels_name_valid_utf8(key->text))
            binding_problem(binding, key, "%s is not a valid label name",
                            binding_quote(binding->arena, key->text));
        else if (binding_read_text(binding, node->items[i], "write a text as the label's value",
                                   &value))
            labels[(*out_count)++] = (struct config_label){key->text, value};
    }
    qsort(labels, *out_count, sizeof(*labels), compare_labels);
    *out = labels;
}

struct yaml_tree_node *config_print_labels(const struct binding_printer *printer,
                                           const struct binding_field *field, const void *object)
{
    struct config_label *const *labels =
        (struct config_label *const *)((const char *)object + field->offset);
    const size_t *count = (const size_t *)((const char *)object + field->count_offset);
    return *count == 0 ? NULL : binding_print_pairs(printer, *labels, *count);
}

static void check_static(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    const struct config_static *group = object;
    const struct config_reading *reading = config_reading(binding);
    if (reading->target_rule_count != NULL && *reading->target_rule_count > 0)
        return; /* rules may make an address of anything */
    const struct yaml_tree_node *targets = yaml_tree_get(node, "targets");
    for (size_t i = 0; i < group->target_count; i++) {
        struct slice target = group->targets[i];
        if (slice_index(target, '/') == SLICE_NONE)
            continue;
        struct slice rest = target;
        size_t scheme = slice_find(target, SLICE("://"));
        if (scheme != SLICE_NONE)
            rest = slice_from_index(target, scheme + 3);
        size_t slash = slice_index(rest, '/');
        const char *host = arena_printf(binding->arena, "%.*s",
                                        (int)(slash == SLICE_NONE ? rest.len : slash), rest.ptr);
        binding_problem(binding, targets->items[i],
                        "%s is not a valid hostname; write only host and port, '%s': the path "
                        "goes to metrics_path and http or https to scheme",
                        binding_quote(binding->arena, target), host);
    }
}

static const struct binding_field static_fields[] = {
    {CONFIG_LIST("targets", struct config_static, targets, target_count, BINDING_TEXT_LIST),
     .flags = BINDING_ALWAYS},
    {CONFIG_LIST("labels", struct config_static, labels, label_count, BINDING_CUSTOM),
     .read = config_read_labels, .print = config_print_labels},
};
static const struct binding_schema static_schema = {
    .type = "targetgroup.Group",
    .fields = static_fields,
    .field_count = ARRAY_SIZE(static_fields),
    .size = sizeof(struct config_static),
    .check = check_static,
};

static void init_file(struct binding *binding, void *object)
{
    ((struct config_file_discovery *)object)->refresh_interval_ms = 5 * 60 * 1000;
}

/* A star only in the last part, and a name that ends in .json, .yml or .yaml. */
static bool file_pattern_valid(struct slice pattern)
{
    static const char *const endings[] = {".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"};
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        if (!slice_has_suffix(pattern, slice_str(endings[i])))
            continue;
        size_t star = slice_index(pattern, '*');
        return star == SLICE_NONE ||
               slice_index(slice_from_index(pattern, star), '/') == SLICE_NONE;
    }
    return false;
}

static void check_file(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    const struct config_file_discovery *discovery = object;
    const struct yaml_tree_node *files = yaml_tree_get(node, "files");
    if (discovery->file_count == 0)
        binding_problem(binding, node,
                        "file service discovery config must contain at least one path name");
    for (size_t i = 0; i < discovery->file_count; i++) {
        struct slice pattern = files->items[i]->text;
        if (!file_pattern_valid(pattern))
            binding_problem(binding, files->items[i],
                            "path name %s is not valid for file discovery; it must end in .json, "
                            ".yml or .yaml and have a * only behind the last /",
                            binding_quote(binding->arena, pattern));
    }
}

static const struct binding_field file_fields[] = {
    {CONFIG_LIST("files", struct config_file_discovery, files, file_count, BINDING_PATH_LIST),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("refresh_interval", struct config_file_discovery, refresh_interval_ms,
                BINDING_DURATION)},
};
static const struct binding_schema file_schema = {
    .type = "file.plain",
    .fields = file_fields,
    .field_count = ARRAY_SIZE(file_fields),
    .size = sizeof(struct config_file_discovery),
    .init = init_file,
    .check = check_file,
};

static void init_http_discovery(struct binding *binding, void *object)
{
    ((struct config_http_discovery *)object)->refresh_interval_ms = 60 * 1000;
}

static void check_http_discovery(struct binding *binding, const struct yaml_tree_node *node,
                                 void *object)
{
    const struct config_http_discovery *discovery = object;
    const struct yaml_tree_node *at = binding_at(node, "url");
    size_t scheme = slice_find(discovery->url, SLICE("://"));
    struct slice name = slice_sub(discovery->url, 0, scheme == SLICE_NONE ? 0 : scheme);
    if (discovery->url.len == 0)
        binding_problem(binding, at, "URL is missing; write url: http://host:port/path");
    else if (!slice_eq_str(name, "http") && !slice_eq_str(name, "https"))
        binding_problem(binding, at, "URL scheme must be 'http' or 'https'");
    else if (scheme + 3 == discovery->url.len || discovery->url.ptr[scheme + 3] == '/')
        binding_problem(binding, at, "host is missing in URL");
    else
        config_check_url(binding, node, "url", discovery->url);
}

static const struct binding_field http_fields[] = {
    {CONFIG_ROW("", struct config_http_discovery, http, BINDING_INLINE),
     .schema = &config_http_schema},
    {CONFIG_ROW("refresh_interval", struct config_http_discovery, refresh_interval_ms,
                BINDING_DURATION)},
    {CONFIG_ROW("url", struct config_http_discovery, url, BINDING_URL), .flags = BINDING_ALWAYS},
};
static const struct binding_schema http_discovery_schema = {
    .type = "http.plain",
    .fields = http_fields,
    .field_count = ARRAY_SIZE(http_fields),
    .size = sizeof(struct config_http_discovery),
    .init = init_http_discovery,
    .check = check_http_discovery,
};

static void init_dns(struct binding *binding, void *object)
{
    struct config_dns_discovery *discovery = object;
    discovery->refresh_interval_ms = 30 * 1000;
    discovery->type = SLICE("SRV");
}

static void check_dns(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    static const char *const types[] = {"A", "AAAA", "MX", "NS", NULL};
    const struct config_dns_discovery *discovery = object;
    if (discovery->name_count == 0)
        binding_problem(binding, node,
                        "DNS-SD config must contain at least one SRV record name");
    if (discovery->type.len == 3 && strncasecmp(discovery->type.ptr, "SRV", 3) == 0)
        return;
    for (const char *const *word = types; *word != NULL; word++) {
        if (strlen(*word) == discovery->type.len &&
            strncasecmp(discovery->type.ptr, *word, discovery->type.len) == 0) {
            if (discovery->port == 0)
                binding_problem(binding, node,
                                "a port is required in DNS-SD configs for all record types except "
                                "SRV");
            return;
        }
    }
    binding_problem(binding, binding_at(node, "type"),
                    "invalid DNS-SD records type %.*s; write SRV, A, AAAA, MX or NS",
                    SLICE_ARG(discovery->type));
}

static const struct binding_field dns_fields[] = {
    {CONFIG_LIST("names", struct config_dns_discovery, names, name_count, BINDING_TEXT_LIST),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("refresh_interval", struct config_dns_discovery, refresh_interval_ms,
                BINDING_DURATION)},
    {CONFIG_ROW("type", struct config_dns_discovery, type, BINDING_TEXT), .flags = BINDING_ALWAYS},
    {CONFIG_ROW("port", struct config_dns_discovery, port, BINDING_INT), .flags = BINDING_ALWAYS},
};
static const struct binding_schema dns_schema = {
    .type = "dns.plain",
    .fields = dns_fields,
    .field_count = ARRAY_SIZE(dns_fields),
    .size = sizeof(struct config_dns_discovery),
    .init = init_dns,
    .check = check_dns,
};

static const struct binding_field filter_fields[] = {
    {CONFIG_ROW("name", struct config_docker_filter, name, BINDING_TEXT), .flags = BINDING_ALWAYS},
    {CONFIG_LIST("values", struct config_docker_filter, values, value_count, BINDING_TEXT_LIST),
     .flags = BINDING_ALWAYS},
};
static const struct binding_schema filter_schema = {
    .type = "moby.Filter",
    .fields = filter_fields,
    .field_count = ARRAY_SIZE(filter_fields),
    .size = sizeof(struct config_docker_filter),
};

static void init_docker(struct binding *binding, void *object)
{
    struct config_docker_discovery *discovery = object;
    discovery->port = 80;
    discovery->host_networking_host = SLICE("localhost");
    discovery->refresh_interval_ms = 60 * 1000;
    discovery->match_first_network = true;
}

static void check_docker(struct binding *binding, const struct yaml_tree_node *node, void *object)
{
    if (((const struct config_docker_discovery *)object)->host.len == 0)
        binding_problem(binding, node,
                        "host missing; write host: unix:///var/run/docker.sock or "
                        "tcp://host:port");
}

static const struct binding_field docker_fields[] = {
    {CONFIG_ROW("", struct config_docker_discovery, http, BINDING_INLINE),
     .schema = &config_http_schema},
    {CONFIG_ROW("host", struct config_docker_discovery, host, BINDING_TEXT),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("port", struct config_docker_discovery, port, BINDING_INT),
     .flags = BINDING_ALWAYS},
    {CONFIG_LIST("filters", struct config_docker_discovery, filters, filter_count,
                 BINDING_STRUCT_LIST),
     .flags = BINDING_ALWAYS, .schema = &filter_schema, .type = "[]moby.Filter"},
    {CONFIG_ROW("host_networking_host", struct config_docker_discovery, host_networking_host,
                BINDING_TEXT),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("refresh_interval", struct config_docker_discovery, refresh_interval_ms,
                BINDING_DURATION),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("match_first_network", struct config_docker_discovery, match_first_network,
                BINDING_BOOL),
     .flags = BINDING_ALWAYS},
};
static const struct binding_schema docker_schema = {
    .type = "moby.plain",
    .fields = docker_fields,
    .field_count = ARRAY_SIZE(docker_fields),
    .size = sizeof(struct config_docker_discovery),
    .init = init_docker,
    .check = check_docker,
};

/* In the alphabetical order in which the reference prints them. */
static const struct binding_field discovery_fields[] = {
    NOT_SUPPORTED("aws_sd_configs"),
    NOT_SUPPORTED("azure_sd_configs"),
    {CONFIG_ROW("consul_sd_configs", struct config_discovery, consul, BINDING_OPAQUE),
     .flags = BINDING_NO_EFFECT},
    NOT_SUPPORTED("digitalocean_sd_configs"),
    {CONFIG_LIST("dns_sd_configs", struct config_discovery, dnses, dns_count, BINDING_STRUCT_LIST),
     .flags = BINDING_NO_EFFECT, .schema = &dns_schema,
     .if_empty = "empty or null section in dns_sd_configs"},
    {CONFIG_LIST("docker_sd_configs", struct config_discovery, dockers, docker_count,
                 BINDING_STRUCT_LIST),
     .flags = BINDING_NO_EFFECT, .schema = &docker_schema,
     .if_empty = "empty or null section in docker_sd_configs"},
    {CONFIG_ROW("dockerswarm_sd_configs", struct config_discovery, dockerswarm, BINDING_OPAQUE),
     .flags = BINDING_NO_EFFECT},
    NOT_SUPPORTED("ec2_sd_configs"),
    NOT_SUPPORTED("ecs_sd_configs"),
    NOT_SUPPORTED("elasticache_sd_configs"),
    NOT_SUPPORTED("eureka_sd_configs"),
    {CONFIG_LIST("file_sd_configs", struct config_discovery, files, file_count,
                 BINDING_STRUCT_LIST),
     .flags = BINDING_NO_EFFECT, .schema = &file_schema,
     .if_empty = "empty or null section in file_sd_configs"},
    NOT_SUPPORTED("gce_sd_configs"),
    NOT_SUPPORTED("hetzner_sd_configs"),
    {CONFIG_LIST("http_sd_configs", struct config_discovery, https, http_count,
                 BINDING_STRUCT_LIST),
     .flags = BINDING_NO_EFFECT, .schema = &http_discovery_schema,
     .if_empty = "empty or null section in http_sd_configs"},
    NOT_SUPPORTED("ionos_sd_configs"),
    {CONFIG_ROW("kubernetes_sd_configs", struct config_discovery, kubernetes, BINDING_OPAQUE),
     .flags = BINDING_NO_EFFECT},
    NOT_SUPPORTED("kuma_sd_configs"),
    NOT_SUPPORTED("lightsail_sd_configs"),
    NOT_SUPPORTED("linode_sd_configs"),
    NOT_SUPPORTED("marathon_sd_configs"),
    NOT_SUPPORTED("msk_sd_configs"),
    NOT_SUPPORTED("nerve_sd_configs"),
    {CONFIG_ROW("nomad_sd_configs", struct config_discovery, nomad, BINDING_OPAQUE),
     .flags = BINDING_NO_EFFECT},
    NOT_SUPPORTED("oci_sd_configs"),
    NOT_SUPPORTED("openstack_sd_configs"),
    NOT_SUPPORTED("outscale_sd_configs"),
    NOT_SUPPORTED("ovhcloud_sd_configs"),
    NOT_SUPPORTED("puppetdb_sd_configs"),
    NOT_SUPPORTED("rds_sd_configs"),
    NOT_SUPPORTED("scaleway_sd_configs"),
    NOT_SUPPORTED("serverset_sd_configs"),
    NOT_SUPPORTED("stackit_sd_configs"),
    {CONFIG_LIST("static_configs", struct config_discovery, statics, static_count,
                 BINDING_STRUCT_LIST),
     .schema = &static_schema, .type = "[]*targetgroup.Group",
     .hint = "write a list: - targets: ['host:port']",
     .if_empty = "empty or null section in static_configs"},
    NOT_SUPPORTED("triton_sd_configs"),
    NOT_SUPPORTED("uyuni_sd_configs"),
    NOT_SUPPORTED("vultr_sd_configs"),
};
const struct binding_schema config_discovery_schema = {
    .type = "discovery.Configs",
    .fields = discovery_fields,
    .field_count = ARRAY_SIZE(discovery_fields),
    .size = sizeof(struct config_discovery),
};
