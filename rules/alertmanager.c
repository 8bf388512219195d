#include "rules/alertmanager.h"

#include "base/alloc.h"
#include "base/log.h"
#include "model/labels_builder.h"
#include "net/url.h"

#define ALERTS_PATH_LABEL "__alerts_path__"
#define URL_SIZE_MAX (16 << 10)
/* A batch that is larger is one that no Alertmanager takes. */
#define BODY_SIZE_MAX (64 << 20)
#define ANSWER_SIZE_MAX (1 << 20)
#define NS_PER_S 1e9
#define BUFFER_KEPT_MAX (1 << 20)

/* -- sections -- */

struct alertmanager_section *alertmanager_section_new(struct config *config, size_t index,
                                                      void (*changed)(void *context), void *context)
{
    struct alertmanager_section *section = mem_zalloc(sizeof(*section));
    section->index = index;
    section->config = config_ref(config);
    section->alertmanager = &config->alerting.alertmanagers[index];
    section->profile = client_profile_new(config, &section->alertmanager->http);
    section->discovery = discovery_new(&section->alertmanager->discovery, changed, context);
    return section;
}

static void section_reset(struct alertmanager_section *section)
{
    for (size_t i = 0; i < section->active.len; i++)
        mem_free(section->active.items[i]);
    for (size_t i = 0; i < section->dropped.len; i++)
        mem_free(section->dropped.items[i]);
    vec_reset(&section->active);
    vec_reset(&section->dropped);
}

void alertmanager_section_free(struct alertmanager_section *section)
{
    if (section == NULL)
        return;
    discovery_free(section->discovery);
    client_profile_unref(section->profile);
    section_reset(section);
    vec_release(&section->active);
    vec_release(&section->dropped);
    config_unref(section->config);
    mem_free(section);
}

/* "/" + prefix + "/api/v2/alerts" without empty parts, "." and "..", as path.Join makes it. */
static void path_append(struct slice path, struct buf *out)
{
    while (path.len > 0) {
        size_t end = slice_index(path, '/');
        struct slice part = end == SLICE_NONE ? path : slice_sub(path, 0, end);
        path = end == SLICE_NONE ? SLICE_EMPTY : slice_from_index(path, end + 1);
        if (part.len == 0 || slice_eq_str(part, "."))
            continue;
        if (!slice_eq_str(part, "..")) {
            buf_append_byte(out, '/');
            buf_append_slice(out, part);
            continue;
        }
        while (out->len > 0 && out->data[--out->len] != '/') {
        }
    }
}

static void section_default_labels(const struct alertmanager_section *section,
                                   const struct target_group *group, const struct labels *target,
                                   struct labels_builder *out)
{
    const struct config_alertmanager *config = section->alertmanager;
    labels_builder_start(out, target);
    labels_builder_set(out, SLICE("__scheme__"), config->scheme);
    CLEANUP(buf_release) struct buf path;
    buf_init(&path, URL_SIZE_MAX);
    path_append(config->path_prefix, &path);
    buf_append_str(&path, "/api/");
    buf_append_slice(&path, config->api_version);
    buf_append_str(&path, "/alerts");
    labels_builder_set(out, SLICE(ALERTS_PATH_LABEL), buf_slice(&path));
    for (uint32_t i = 0; group->labels != NULL && i < group->labels->count; i++) {
        const struct label_pair *pair = &group->labels->pairs[i];
        if (labels_value(target, pair->name) == SYMBOL_EMPTY)
            labels_builder_set_symbols(out, pair->name, pair->value);
    }
}

static char *section_url(const struct labels_builder *labels)
{
    CLEANUP(buf_release) struct buf url;
    buf_init(&url, URL_SIZE_MAX);
    url_print(labels_builder_get(labels, SLICE("__scheme__")),
              labels_builder_get(labels, SLICE("__address__")),
              labels_builder_get(labels, SLICE(ALERTS_PATH_LABEL)), &url);
    return mem_strdup(buf_cstr(&url));
}

static bool section_has(const struct alertmanager_section *section, const char *url)
{
    for (size_t i = 0; i < section->active.len; i++) {
        if (strcmp(section->active.items[i], url) == 0)
            return true;
    }
    return false;
}

static void section_add_target(struct alertmanager_section *section,
                               const struct target_group *group, const struct labels *target,
                               struct labels_builder *builder)
{
    section_default_labels(section, group, target, builder);
    CLEANUP(mem_cleanup) char *url_before = section_url(builder);
    if (!relabel_apply(section->alertmanager->relabel_rules,
                       section->alertmanager->relabel_rule_count, builder)) {
        vec_push(&section->dropped, TAKE(url_before));
        return;
    }
    struct slice address = labels_builder_get(builder, SLICE("__address__"));
    if (slice_index(address, '/') != SLICE_NONE) {
        log_error("Creating discovered Alertmanagers failed", log_slice("address", address),
                  log_str("err", "not a valid hostname"));
        return;
    }
    CLEANUP(mem_cleanup) char *url = section_url(builder);
    if (!section_has(section, url))
        vec_push(&section->active, TAKE(url));
}

void alertmanager_section_sync(struct alertmanager_section *section)
{
    CLEANUP(discovery_groups_free) struct discovery_groups groups;
    discovery_groups(section->discovery, &groups);
    section_reset(section);
    CLEANUP(labels_builder_release) struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < groups.items.len; i++) {
        const struct target_group *group = groups.items.items[i];
        for (size_t j = 0; j < group->targets.len; j++) {
            labels_builder_reset(&builder);
            section_add_target(section, group, group->targets.items[j], &builder);
        }
    }
}

/* -- metrics -- */

enum alertmanager_family {
    FAMILY_SENT,
    FAMILY_ERRORS,
    FAMILY_DROPPED,
    FAMILY_QUEUE_LENGTH,
    FAMILY_LATENCY,
    FAMILY_LATENCY_HISTOGRAM,
    FAMILY_COUNT,
};

static const double latency_quantiles[] = {0.5, 0.9, 0.99};
static const double latency_buckets[] = {0.01, 0.1, 1, 10};

static const struct counters_description families[FAMILY_COUNT] = {
    [FAMILY_SENT] = {.name = "prometheus_notifications_sent_total",
                     .help = "Total number of alerts sent.",
                     .type = COUNTERS_COUNTER,
                     .label_names = {"alertmanager"}},
    [FAMILY_ERRORS] = {.name = "prometheus_notifications_errors_total",
                       .help = "Total number of sent alerts affected by errors.",
                       .type = COUNTERS_COUNTER,
                       .label_names = {"alertmanager"}},
    [FAMILY_DROPPED] = {.name = "prometheus_notifications_dropped_total",
                        .help = "Total number of alerts dropped due to errors when sending to "
                                "Alertmanager.",
                        .type = COUNTERS_COUNTER,
                        .label_names = {"alertmanager"}},
    [FAMILY_QUEUE_LENGTH] = {.name = "prometheus_notifications_queue_length",
                             .help = "The number of alert notifications in the queue.",
                             .type = COUNTERS_GAUGE,
                             .label_names = {"alertmanager"}},
    [FAMILY_LATENCY] = {.name = "prometheus_notifications_latency_seconds",
                        .help = "Latency quantiles for sending alert notifications.",
                        .type = COUNTERS_SUMMARY,
                        .label_names = {"alertmanager"},
                        .bounds = latency_quantiles,
                        .bound_count = ARRAY_SIZE(latency_quantiles)},
    [FAMILY_LATENCY_HISTOGRAM] = {.name = "prometheus_notifications_latency_histogram_seconds",
                                  .help = "Latency histogram for sending alert notifications.",
                                  .type = COUNTERS_HISTOGRAM,
                                  .label_names = {"alertmanager"},
                                  .bounds = latency_buckets,
                                  .bound_count = ARRAY_SIZE(latency_buckets)},
};

static struct counter *alertmanager_counter(const struct alertmanager *alertmanager,
                                            enum alertmanager_family family)
{
    struct slice url = slice_str(alertmanager->url);
    return counters_get(counters_family(&families[family]), &url);
}

void alertmanager_forget_counters(const struct alertmanager *alertmanager)
{
    struct slice url = slice_str(alertmanager->url);
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        counters_remove(counters_family(&families[i]), &url);
}

/* -- endpoints -- */

struct alertmanager *alertmanager_new(const char *url, size_t queue_count_max)
{
    struct alertmanager *alertmanager = mem_zalloc(sizeof(*alertmanager));
    alertmanager->url = mem_strdup(url);
    alertmanager->queue_count_max = queue_count_max;
    alertmanager->sent = alertmanager_counter(alertmanager, FAMILY_SENT);
    alertmanager->errors = alertmanager_counter(alertmanager, FAMILY_ERRORS);
    alertmanager->dropped = alertmanager_counter(alertmanager, FAMILY_DROPPED);
    alertmanager->queue_length = alertmanager_counter(alertmanager, FAMILY_QUEUE_LENGTH);
    buf_init(&alertmanager->body, BODY_SIZE_MAX);
    return alertmanager;
}

static void batch_reset(struct alertmanager *alertmanager)
{
    for (size_t i = 0; i < alertmanager->batch.len; i++)
        notification_unref(alertmanager->batch.items[i]);
    vec_reset(&alertmanager->batch);
    client_profile_unref(TAKE(alertmanager->flight_profile));
    alertmanager->in_flight = false;
    /* one burst must not keep its memory for good */
    if (alertmanager->body.len > BUFFER_KEPT_MAX) {
        buf_release(&alertmanager->body);
        buf_init(&alertmanager->body, BODY_SIZE_MAX);
    }
    buf_reset(&alertmanager->body);
}

static struct notification *queue_pop(struct alertmanager *alertmanager)
{
    struct notification *oldest = alertmanager->ring[alertmanager->queue_first];
    alertmanager->queue_first = (alertmanager->queue_first + 1) % alertmanager->queue_count_max;
    alertmanager->queue_count--;
    return oldest;
}

void alertmanager_free(struct alertmanager *alertmanager)
{
    if (alertmanager == NULL)
        return;
    while (alertmanager->queue_count > 0)
        notification_unref(queue_pop(alertmanager));
    batch_reset(alertmanager);
    vec_release(&alertmanager->batch);
    buf_release(&alertmanager->body);
    client_profile_unref(alertmanager->profile);
    mem_free(alertmanager->ring);
    mem_free(alertmanager->url);
    mem_free(alertmanager);
}

void alertmanager_claim(struct alertmanager *alertmanager,
                        const struct alertmanager_section *section)
{
    alertmanager->claimed = true;
    alertmanager->section = section;
    alertmanager->timeout_ms = section->alertmanager->timeout_ms;
    struct client_profile *before = alertmanager->profile;
    alertmanager->profile = client_profile_ref(section->profile);
    client_profile_unref(before);
}

void alertmanager_push(struct alertmanager *alertmanager, struct notification *const *notifications,
                       size_t count)
{
    size_t dropped = 0;
    size_t count_max = alertmanager->queue_count_max;
    if (count > count_max) {
        dropped = count - count_max;
        log_warn("Alert batch larger than queue capacity, dropping alerts",
                 log_str("alertmanager", alertmanager->url), log_uint("count", dropped));
        notifications += dropped;
        count = count_max;
    }
    if (alertmanager->queue_count + count > count_max) {
        size_t excess = alertmanager->queue_count + count - count_max;
        log_warn("Alert notification queue full, dropping alerts",
                 log_str("alertmanager", alertmanager->url), log_uint("count", excess));
        dropped += excess;
        for (; excess > 0; excess--)
            notification_unref(queue_pop(alertmanager));
    }
    if (alertmanager->ring == NULL)
        alertmanager->ring = mem_alloc_array(count_max, sizeof(struct notification *));
    for (size_t i = 0; i < count; i++) {
        size_t place = (alertmanager->queue_first + alertmanager->queue_count++) % count_max;
        alertmanager->ring[place] = notification_ref(notifications[i]);
    }
    counter_set(alertmanager->queue_length, (double)alertmanager->queue_count);
    counter_add(alertmanager->dropped, (double)dropped);
}

size_t alertmanager_drop_queue(struct alertmanager *alertmanager)
{
    size_t count = alertmanager->queue_count;
    while (alertmanager->queue_count > 0)
        notification_unref(queue_pop(alertmanager));
    counter_add(alertmanager->dropped, (double)count);
    counter_set(alertmanager->queue_length, 0);
    return count;
}

void alertmanager_take_batch(struct alertmanager *alertmanager, size_t count_max)
{
    for (size_t i = 0; i < count_max && alertmanager->queue_count > 0; i++)
        vec_push(&alertmanager->batch, queue_pop(alertmanager));
    counter_set(alertmanager->queue_length, (double)alertmanager->queue_count);
    alertmanager->flight_profile = client_profile_ref(alertmanager->profile);
    alertmanager->flight_timeout_ms = alertmanager->timeout_ms;
}

/* -- requests -- */

static void batch_fail(struct alertmanager *alertmanager, const char *message, const char *text)
{
    log_error(message, log_str("alertmanager", alertmanager->url),
              log_uint("count", alertmanager->batch.len), log_str("err", text));
    counter_add(alertmanager->errors, (double)alertmanager->batch.len);
    counter_add(alertmanager->dropped, (double)alertmanager->batch.len);
}

bool alertmanager_start(struct alertmanager *alertmanager, struct http_client *client,
                        const char *user_agent, http_client_done done)
{
    if (!notifications_print(alertmanager->batch.items, alertmanager->batch.len,
                             &alertmanager->body)) {
        batch_fail(alertmanager, "Encoding alerts for Alertmanager API v2 failed",
                   "the body is too large");
        batch_reset(alertmanager);
        return false;
    }
    const struct http_client_header headers[] = {
        {.name = SLICE("User-Agent"), .value = slice_str(user_agent)},
        {.name = SLICE("Content-Type"), .value = SLICE("application/json")},
    };
    alertmanager->in_flight = true;
    http_client_start(client, &(struct http_client_request){
                                  .method = "POST",
                                  .url = alertmanager->url,
                                  .profile = &alertmanager->flight_profile->http,
                                  .headers = headers,
                                  .header_count = ARRAY_SIZE(headers),
                                  .body = buf_slice(&alertmanager->body),
                                  .timeout_ms = alertmanager->flight_timeout_ms,
                                  .body_size_max = ANSWER_SIZE_MAX,
                                  .done = done,
                                  .context = alertmanager,
                              });
    return true;
}

void alertmanager_finish(struct alertmanager *alertmanager,
                         const struct http_client_response *response)
{
    /* the status decides; what follows it in the answer is of no interest */
    if (response->status / 100 == 2) {
        double seconds = (double)response->duration_ns / NS_PER_S;
        counter_observe(alertmanager_counter(alertmanager, FAMILY_LATENCY), seconds);
        counter_observe(alertmanager_counter(alertmanager, FAMILY_LATENCY_HISTOGRAM), seconds);
        counter_add(alertmanager->sent, (double)alertmanager->batch.len);
    } else if (response->status == 0) {
        batch_fail(alertmanager, "Error sending alerts", response->error_text);
    } else {
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, 256);
        buf_printf(&text, "bad response status %s", response->status_text);
        batch_fail(alertmanager, "Error sending alerts", buf_cstr(&text));
    }
    batch_reset(alertmanager);
}
