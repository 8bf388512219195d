#include "rules/notification.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/json_writer.h"
#include "model/labels_builder.h"
#include "model/timestamp.h"

static const struct labels *labels_keep(const struct labels *labels)
{
    return labels->reference_count > 0 ? labels_ref(labels) : labels_copy(labels);
}

static struct notification *notification_make(const struct labels *labels,
                                              const struct labels *annotations,
                                              int64_t starts_at_ms, int64_t ends_at_ms,
                                              struct slice generator_url)
{
    struct notification *made = mem_zalloc(sizeof(*made));
    made->reference_count = 1;
    made->labels = labels;
    made->annotations = annotations;
    made->starts_at_ms = starts_at_ms;
    made->ends_at_ms = ends_at_ms;
    made->generator_url = mem_strndup(generator_url.ptr, generator_url.len);
    return made;
}

struct notification *notification_new(const struct notifier_alert *alert)
{
    return notification_make(labels_keep(alert->labels), labels_keep(alert->annotations),
                             alert->starts_at_ms, alert->ends_at_ms, alert->generator_url);
}

struct notification *notification_ref(struct notification *notification)
{
    notification->reference_count++;
    return notification;
}

void notification_unref(struct notification *notification)
{
    if (notification == NULL || --notification->reference_count > 0)
        return;
    labels_unref(notification->labels);
    labels_unref(notification->annotations);
    mem_free(notification->generator_url);
    mem_free(notification);
}

struct notification *notification_relabel(struct notification *notification,
                                          const struct labels *external,
                                          const struct relabel_rule *rules, size_t rule_count)
{
    if ((external == NULL || external->count == 0) && rule_count == 0)
        return notification_ref(notification);
    CLEANUP(labels_builder_release) struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_start(&builder, notification->labels);
    for (uint32_t i = 0; external != NULL && i < external->count; i++) {
        const struct label_pair *pair = &external->pairs[i];
        if (labels_value(notification->labels, pair->name) == SYMBOL_EMPTY)
            labels_builder_set_symbols(&builder, pair->name, pair->value);
    }
    if (!relabel_apply(rules, rule_count, &builder))
        return NULL;
    return notification_make(labels_builder_take(&builder), labels_ref(notification->annotations),
                             notification->starts_at_ms, notification->ends_at_ms,
                             slice_str(notification->generator_url));
}

static void print_labels(struct json_writer *json, const struct labels *labels)
{
    json_object_begin(json);
    for (uint32_t i = 0; i < labels->count; i++) {
        json_key_slice(json, symbols_text(labels->pairs[i].name));
        json_string(json, symbols_text(labels->pairs[i].value));
    }
    json_object_end(json);
}

/* RFC 3339 with always three digits of a second, unlike the other times of the API. */
static void print_time(struct json_writer *json, int64_t time_ms)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 64);
    int64_t fraction_ms = ((time_ms % 1000) + 1000) % 1000;
    timestamp_print_rfc3339(time_ms - fraction_ms, &text);
    struct slice whole = buf_slice(&text);
    char line[80];
    int len =
        snprintf(line, sizeof(line), "%.*s.%03dZ", (int)whole.len - 1, whole.ptr, (int)fraction_ms);
    json_string(json, slice_from(line, (size_t)len));
}

bool notifications_print(struct notification *const *notifications, size_t count, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_array_begin(&json);
    for (size_t i = 0; i < count && !out->overflow; i++) {
        const struct notification *notification = notifications[i];
        json_object_begin(&json);
        if (notification->annotations->count > 0) {
            json_key(&json, "annotations");
            print_labels(&json, notification->annotations);
        }
        json_key(&json, "endsAt");
        print_time(&json, notification->ends_at_ms);
        json_key(&json, "startsAt");
        print_time(&json, notification->starts_at_ms);
        if (notification->generator_url[0] != '\0')
            json_key_cstring(&json, "generatorURL", notification->generator_url);
        json_key(&json, "labels");
        print_labels(&json, notification->labels);
        json_object_end(&json);
    }
    json_array_end(&json);
    return !out->overflow;
}
