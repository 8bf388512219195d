/*
 * remote_write and remote_read: other storages that samples go to and come from.
 */
#include "config/config_internal.h"

#define NOT_SUPPORTED(name)                                                                        \
    {                                                                                              \
        .key = name, .kind = BINDING_REFUSED,                                                      \
        .hint = name " is not supported by this server; use basic_auth, authorization or oauth2"   \
    }
#define AUTHORIZATION_HEADER                                                                       \
    "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, "      \
    "azuread or google_iam parameter"

static void check_url(struct binding *binding, const struct yaml_tree_node *node,
                      struct slice text, const char *section)
{
    if (text.len == 0)
        binding_problem(binding, binding_at(node, "url"),
                        "url for %s is empty; write url: http://host:port/path", section);
    config_check_url(binding, node, "url", text);
}

static void init_queue(struct binding *binding, void *object)
{
    *(struct config_remote_queue *)object =
        (struct config_remote_queue){
        .capacity = 10000,
        .shards_max = 50,
        .shards_min = 1,
        .samples_per_send_max = 2000,
        .batch_send_deadline_ms = 5000,
        .backoff_min_ms = 30,
        .backoff_max_ms = 5000,
    };
}

static void check_positive(struct binding *binding, const struct yaml_tree_node *node,
                           const char *key, int64_t value)
{
    if (value <= 0)
        binding_problem(binding, binding_at(node, key),
                        "remote write queue %s must be positive", key);
}

static void check_queue(struct binding *binding, const struct yaml_tree_node *node,
                        const struct config_remote_queue *queue)
{
    check_positive(binding, node, "max_shards", queue->shards_max);
    check_positive(binding, node, "min_shards", queue->shards_min);
    if (queue->shards_min > queue->shards_max)
        binding_problem(binding, binding_at(node, "min_shards"),
                        "remote write queue min_shards must not be greater than max_shards");
    check_positive(binding, node, "max_samples_per_send", queue->samples_per_send_max);
    check_positive(binding, node, "capacity", queue->capacity);
    if (queue->backoff_max_ms < queue->backoff_min_ms)
        binding_problem(binding, binding_at(node, "max_backoff"),
                        "remote write queue max_backoff must not be less than min_backoff");
}

static const struct binding_field queue_fields[] = {
    {CONFIG_ROW("capacity", struct config_remote_queue, capacity, BINDING_INT)},
    {CONFIG_ROW("max_shards", struct config_remote_queue, shards_max, BINDING_INT)},
    {CONFIG_ROW("min_shards", struct config_remote_queue, shards_min, BINDING_INT)},
    {CONFIG_ROW("max_samples_per_send", struct config_remote_queue, samples_per_send_max,
                BINDING_INT)},
    {CONFIG_ROW("batch_send_deadline", struct config_remote_queue, batch_send_deadline_ms,
                BINDING_DURATION)},
    {CONFIG_ROW("min_backoff", struct config_remote_queue, backoff_min_ms, BINDING_DURATION)},
    {CONFIG_ROW("max_backoff", struct config_remote_queue, backoff_max_ms, BINDING_DURATION)},
    {CONFIG_ROW("retry_on_http_429", struct config_remote_queue, retry_on_http_429,
                BINDING_BOOL)},
    {CONFIG_ROW("sample_age_limit", struct config_remote_queue, sample_age_limit_ms,
                BINDING_DURATION)},
};
static const struct binding_schema queue_schema = {
    .type = "config.QueueConfig",
    .fields = queue_fields,
    .field_count = ARRAY_SIZE(queue_fields),
    .size = sizeof(struct config_remote_queue),
    .init = init_queue,
};

static const struct binding_field metadata_fields[] = {
    {CONFIG_ROW("send", struct config_remote_metadata, send, BINDING_BOOL),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("send_interval", struct config_remote_metadata, send_interval_ms,
                BINDING_DURATION),
     .flags = BINDING_ALWAYS},
    {CONFIG_ROW("max_samples_per_send", struct config_remote_metadata, samples_per_send_max,
                BINDING_INT)},
};
static const struct binding_schema metadata_schema = {
    .type = "config.MetadataConfig",
    .fields = metadata_fields,
    .field_count = ARRAY_SIZE(metadata_fields),
    .size = sizeof(struct config_remote_metadata),
};

static void init_remote_write(struct binding *binding, void *object)
{
    struct config_reading *reading = config_reading(binding);
    struct config_remote_write *remote = object;
    remote->timeout_ms = 30 * 1000;
    remote->protobuf_message = SLICE("prometheus.WriteRequest");
    remote->http.enable_http2 = false;
    init_queue(binding, &remote->queue);
    remote->metadata =
        (struct config_remote_metadata){.send = true, .send_interval_ms = 60 * 1000,
                                        .samples_per_send_max = 2000};
    reading->utf8_names = reading->config->global.utf8_names;
}

static void check_remote_write(struct binding *binding, const struct yaml_tree_node *node,
                               void *object)
{
    struct config_remote_write *remote = object;
    struct slice message = remote->protobuf_message;
    check_url(binding, node, remote->url, "remote_write");
    config_claim_name(binding, node, CONFIG_NAME_REMOTE_WRITE, "name", remote->name);
    config_check_headers(binding, node, "headers", remote->headers, remote->header_count,
                         AUTHORIZATION_HEADER);
    if (!slice_eq_str(message, "prometheus.WriteRequest") &&
        !slice_eq_str(message, "io.prometheus.write.v2.Request"))
        binding_problem(binding, binding_at(node, "protobuf_message"),
                        "invalid protobuf_message value: unknown type for remote write protobuf "
                        "message %.*s, supported: prometheus.WriteRequest, "
                        "io.prometheus.write.v2.Request",
                        SLICE_ARG(message));
    check_queue(binding, binding_at(node, "queue_config"), &remote->queue);
}

static const struct binding_field remote_write_fields[] = {
    {CONFIG_ROW("url", struct config_remote_write, url, BINDING_URL), .flags = BINDING_ALWAYS},
    {CONFIG_ROW("remote_timeout", struct config_remote_write, timeout_ms, BINDING_DURATION)},
    {CONFIG_LIST("headers", struct config_remote_write, headers, header_count, BINDING_PAIRS)},
    {CONFIG_LIST("write_relabel_configs", struct config_remote_write, relabel_rules,
                 relabel_rule_count, BINDING_STRUCT_LIST),
     .schema = &config_relabel_schema, .type = "[]*relabel.Config",
     .if_empty = "empty or null relabeling rule in remote write config"},
    {CONFIG_ROW("name", struct config_remote_write, name, BINDING_TEXT)},
    {CONFIG_ROW("send_exemplars", struct config_remote_write, send_exemplars, BINDING_BOOL)},
    {CONFIG_ROW("send_native_histograms", struct config_remote_write, send_native_histograms,
                BINDING_BOOL)},
    {CONFIG_ROW("round_robin_dns", struct config_remote_write, round_robin_dns, BINDING_BOOL)},
    {CONFIG_ROW("protobuf_message", struct config_remote_write, protobuf_message, BINDING_TEXT)},
    {CONFIG_ROW("failed_request_logging", struct config_remote_write, failed_request_logging,
                BINDING_BOOL)},
    {CONFIG_ROW("", struct config_remote_write, http, BINDING_INLINE),
     .schema = &config_http_schema},
    {CONFIG_ROW("queue_config", struct config_remote_write, queue, BINDING_STRUCT),
     .schema = &queue_schema},
    {CONFIG_ROW("metadata_config", struct config_remote_write, metadata, BINDING_STRUCT),
     .schema = &metadata_schema},
    NOT_SUPPORTED("sigv4"),
    NOT_SUPPORTED("azuread"),
    NOT_SUPPORTED("google_iam"),
};
const struct binding_schema config_remote_write_schema = {
    .type = "config.plain",
    .fields = remote_write_fields,
    .field_count = ARRAY_SIZE(remote_write_fields),
    .size = sizeof(struct config_remote_write),
    .init = init_remote_write,
    .check = check_remote_write,
};

static void init_remote_read(struct binding *binding, void *object)
{
    struct config_remote_read *remote = object;
    remote->timeout_ms = 60 * 1000;
    remote->chunked_read_limit = 50000000;
    remote->filter_external_labels = true;
}

static void check_remote_read(struct binding *binding, const struct yaml_tree_node *node,
                              void *object)
{
    const struct config_remote_read *remote = object;
    check_url(binding, node, remote->url, "remote_read");
    config_claim_name(binding, node, CONFIG_NAME_REMOTE_READ, "name", remote->name);
    config_check_headers(binding, node, "headers", remote->headers, remote->header_count,
                         AUTHORIZATION_HEADER);
}

static const struct binding_field remote_read_fields[] = {
    {CONFIG_ROW("url", struct config_remote_read, url, BINDING_URL), .flags = BINDING_ALWAYS},
    {CONFIG_ROW("remote_timeout", struct config_remote_read, timeout_ms, BINDING_DURATION)},
    {CONFIG_ROW("chunked_read_limit", struct config_remote_read, chunked_read_limit,
                BINDING_UINT),
     .type = "uint64"},
    {CONFIG_LIST("headers", struct config_remote_read, headers, header_count, BINDING_PAIRS)},
    {CONFIG_ROW("read_recent", struct config_remote_read, read_recent, BINDING_BOOL)},
    {CONFIG_ROW("name", struct config_remote_read, name, BINDING_TEXT)},
    {CONFIG_ROW("", struct config_remote_read, http, BINDING_INLINE),
     .schema = &config_http_schema},
    {CONFIG_LIST("required_matchers", struct config_remote_read, required_matchers,
                 required_matcher_count, BINDING_CUSTOM),
     .read = config_read_labels, .print = config_print_labels},
    {CONFIG_ROW("filter_external_labels", struct config_remote_read, filter_external_labels,
                BINDING_BOOL)},
};
const struct binding_schema config_remote_read_schema = {
    .type = "config.plain",
    .fields = remote_read_fields,
    .field_count = ARRAY_SIZE(remote_read_fields),
    .size = sizeof(struct config_remote_read),
    .init = init_remote_read,
    .check = check_remote_read,
};
