#include "bench/sample_set.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "bench/capture.h"
#include "bench/codec_sets.h"
#include "bench/node_shape.h"
#include "model/labels_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS 15000
#define SECOND_MS 1000
#define JITTER_MS 21
#define GAUGES 1000
#define TOLERANCE_MS 2 /* scrapes that are late by no more are stored as if they were in time */
#define DECIMALS_MAX 9
#define EXACT_MAX 9007199254740992.0
#define BUCKETS 12 /* of codec_sets */

static void set_times(struct sample_set *set, struct rand *rand, bool late)
{
    for (size_t i = 0; i < set->row_count; i++)
        set->times_ms[i] = SAMPLE_SET_START_MS + (int64_t)i * INTERVAL_MS +
                           (late ? (int64_t)rand_below(rand, JITTER_MS) : 0);
}

static void set_init(struct sample_set *set, size_t series_count, size_t row_count)
{
    set->series_count = series_count;
    set->row_count = row_count;
    set->labels = mem_zalloc_array(series_count, sizeof(*set->labels));
    set->values = mem_zalloc_array(series_count, sizeof(*set->values));
    set->times_ms = mem_zalloc_array(row_count, sizeof(*set->times_ms));
    for (size_t i = 0; i < series_count; i++)
        set->values[i] = mem_zalloc_array(row_count, sizeof(double));
}

void sample_set_release(struct sample_set *set)
{
    for (size_t i = 0; i < set->series_count; i++) {
        labels_unref(set->labels[i]);
        mem_free(set->values[i]);
    }
    mem_free(set->labels);
    mem_free(set->values);
    mem_free(set->times_ms);
}

struct sort_item {
    struct labels *labels;
    double *values;
};

static int compare_items(const void *a, const void *b)
{
    return labels_compare(((const struct sort_item *)a)->labels,
                          ((const struct sort_item *)b)->labels);
}

static void set_sort(struct sample_set *set)
{
    struct sort_item *items = mem_zalloc_array(set->series_count, sizeof(*items));
    for (size_t i = 0; i < set->series_count; i++)
        items[i] = (struct sort_item){set->labels[i], set->values[i]};
    qsort(items, set->series_count, sizeof(*items), compare_items);
    for (size_t i = 0; i < set->series_count; i++) {
        set->labels[i] = items[i].labels;
        set->values[i] = items[i].values;
    }
    mem_free(items);
}

static void make_node(struct sample_set *set, size_t row_count, bool late)
{
    struct node_shape *shape = node_shape_new();
    struct node_target *target = mem_zalloc(sizeof(*target));
    struct labels_builder builder;
    set_init(set, NODE_SERIES_COUNT, row_count);
    node_target_init(target, shape, 7);
    labels_builder_init(&builder);
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++) {
        const struct node_series *series = &shape->series[i];
        labels_builder_reset(&builder);
        labels_builder_set(&builder, SLICE("__name__"), slice_str(series->family));
        labels_builder_set(&builder, SLICE("instance"), SLICE("host-1:9100"));
        labels_builder_set(&builder, SLICE("job"), SLICE("node"));
        for (size_t k = 0; k < series->label_count; k++)
            labels_builder_set(&builder, slice_str(series->labels[k].name),
                               slice_str(series->labels[k].value));
        set->labels[i] = labels_builder_build(&builder);
    }
    for (size_t row = 0; row < row_count; row++) {
        for (size_t i = 0; i < NODE_SERIES_COUNT; i++)
            set->values[i][row] = target->walks[i].value;
        node_target_advance(target, INTERVAL_MS / 1000);
    }
    set_times(set, &target->rand, late);
    labels_builder_release(&builder);
    mem_free(target);
    node_shape_free(shape);
}

static void make_gauges(struct sample_set *set, size_t row_count)
{
    struct rand rand;
    struct labels_builder builder;
    rand_init(&rand, 11);
    set_init(set, GAUGES, row_count);
    labels_builder_init(&builder);
    for (size_t i = 0; i < GAUGES; i++) {
        char host[32];
        struct walk walk = walk_start(WALK_PERCENT, 0, &rand);
        snprintf(host, sizeof(host), "host_%zu", i);
        labels_builder_reset(&builder);
        labels_builder_set(&builder, SLICE("__name__"), SLICE("cpu_usage_user"));
        labels_builder_set(&builder, SLICE("hostname"), slice_str(host));
        set->labels[i] = labels_builder_build(&builder);
        for (size_t row = 0; row < row_count; row++)
            set->values[i][row] = walk_next(&walk, INTERVAL_MS / 1000, &rand);
    }
    set_times(set, &rand, false);
    labels_builder_release(&builder);
}

/* --- the sets of the codec benchmark --- */

static void label_histogram(struct labels_builder *builder, size_t series)
{
    static const char *const bounds[BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
    static const char *const names[] = {"http_request_duration_seconds_bucket",
                                        "http_request_duration_seconds_sum",
                                        "http_request_duration_seconds_count"};
    char service[32];
    size_t part = series % (BUCKETS + 2);
    snprintf(service, sizeof(service), "s%zu", series / (BUCKETS + 2));
    labels_builder_set(builder, SLICE("svc"), slice_str(service));
    if (part < BUCKETS)
        labels_builder_set(builder, SLICE("le"), slice_str(bounds[part]));
    labels_builder_set(builder, SLICE("__name__"),
                       slice_str(names[part < BUCKETS ? 0 : part - BUCKETS + 1]));
}

static void label_gauge(struct labels_builder *builder, size_t series)
{
    static const char *const names[] = {
        "cpu_usage_user",    "cpu_usage_system",   "cpu_usage_idle",  "cpu_usage_nice",
        "cpu_usage_iowait",  "cpu_usage_irq",      "cpu_usage_steal", "cpu_usage_guest",
        "cpu_usage_softirq", "cpu_usage_guestnice"};
    char host[32];
    snprintf(host, sizeof(host), "host_%zu", series / ARRAY_SIZE(names));
    labels_builder_set(builder, SLICE("__name__"), slice_str(names[series % ARRAY_SIZE(names)]));
    labels_builder_set(builder, SLICE("hostname"), slice_str(host));
}

static void make_codec_set(struct sample_set *set, enum codec_shape shape, size_t series_count,
                           size_t row_count)
{
    struct codec_set *made = codec_set_made(shape, series_count, row_count);
    struct labels_builder builder;
    set_init(set, made->series_count, row_count);
    labels_builder_init(&builder);
    for (size_t i = 0; i < made->series_count; i++) {
        labels_builder_reset(&builder);
        (shape == CODEC_HISTOGRAMS ? label_histogram : label_gauge)(&builder, i);
        set->labels[i] = labels_builder_build(&builder);
        memcpy(set->values[i], made->values[i], row_count * sizeof(double));
    }
    for (size_t i = 0; i < row_count; i++)
        set->times_ms[i] = SAMPLE_SET_START_MS + JITTER_MS + made->times_ms[i] - made->times_ms[0];
    labels_builder_release(&builder);
    codec_set_free(made);
}

/* --- captures --- */

/* name{label="value",...}; escapes stay as they are, since they are printed the same way */
static struct labels *parse_name(const char *text)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    size_t name_len = strcspn(text, "{");
    labels_builder_set(&builder, SLICE("__name__"), slice_from(text, name_len));
    labels_builder_set(&builder, SLICE("instance"), SLICE("host-1:9100"));
    labels_builder_set(&builder, SLICE("job"), SLICE("node"));
    const char *at = text + name_len + (text[name_len] == '{');
    while (*at != '\0' && *at != '}') {
        size_t label_len = strcspn(at, "=");
        if (at[label_len] != '=' || at[label_len + 1] != '"')
            abort();
        const char *value = at + label_len + 2, *end = value;
        while (*end != '"' && *end != '\0')
            end += 1 + (end[0] == '\\' && end[1] != '\0');
        labels_builder_set(&builder, slice_from(at, label_len),
                           slice_from(value, (size_t)(end - value)));
        at = end + (*end == '"');
        at += *at == ',';
    }
    struct labels *labels = labels_builder_build(&builder);
    labels_builder_release(&builder);
    return labels;
}

/* 10^d for the least d with which all values are d decimals; 0 = they are not decimals */
static double decimal_scale(const double *values, size_t count)
{
    double scale = 1;
    size_t decimals = 0;
    for (size_t i = 0; i < count; i++) {
        if (capture_absent(values[i]))
            continue;
        while (round(values[i] * scale) / scale != values[i]) {
            scale *= 10;
            if (++decimals > DECIMALS_MAX || !(fabs(values[i]) * scale < EXACT_MAX))
                return 0;
        }
    }
    return scale;
}

static bool only_rises(const double *values, size_t count)
{
    double first = NAN, last = NAN;
    for (size_t i = 0; i < count; i++) {
        if (capture_absent(values[i]))
            continue;
        if (values[i] < last || isnan(values[i]))
            return false;
        last = values[i];
        first = isnan(first) ? last : first;
    }
    return last > first;
}

struct replay {
    size_t stride;
    size_t stretch_rows;
};

/* Which row of the capture is shown in a row of the set. */
static size_t replay_row(const struct replay *replay, size_t row)
{
    size_t stretch = row / replay->stretch_rows, at = row % replay->stretch_rows;
    if (stretch % 2 != 0)
        at = replay->stretch_rows - 1 - at;
    return stretch % replay->stride + at * replay->stride;
}

static void replay_series(const struct replay *replay, const double *values, size_t count,
                          size_t row_count, double *out)
{
    bool rises = only_rises(values, count);
    double scale = rises ? decimal_scale(values, count) : 0;
    double base = NAN, start = NAN, last = NAN;
    for (size_t row = 0; row < row_count; row++) {
        double value = values[replay_row(replay, row)];
        if (row % replay->stretch_rows == 0) {
            base = last;
            start = NAN;
        }
        out[row] = value;
        if (!rises || capture_absent(value))
            continue;
        start = isnan(start) ? value : start;
        base = isnan(base) ? value : base;
        if (row >= replay->stretch_rows) {
            out[row] = base + fabs(value - start);
            if (scale != 0)
                out[row] = round(out[row] * scale) / scale;
        }
        last = out[row];
    }
}

/* When a row was scraped: as late as it was in the capture, or, with jitter, as late as any. */
static void set_capture_times(struct sample_set *set, const struct capture *capture,
                              const struct replay *replay, bool jitter)
{
    struct rand rand;
    rand_init(&rand, 13);
    for (size_t row = 0; row < set->row_count; row++) {
        size_t from = replay_row(replay, row);
        int64_t late_ms =
            capture->times_ms[from] - capture->times_ms[0] - (int64_t)from * SECOND_MS;
        if (jitter)
            late_ms = (int64_t)rand_below(&rand, JITTER_MS);
        set->times_ms[row] = SAMPLE_SET_START_MS + (int64_t)row * set->interval_ms +
                             (late_ms > TOLERANCE_MS || jitter ? late_ms : 0);
    }
}

static bool make_capture(struct sample_set *set, const char *name, size_t stride, size_t row_count,
                         bool jitter)
{
    struct capture *capture = capture_open(name, true);
    if (capture == NULL)
        return false;
    const struct replay replay = {stride, (capture->row_count - stride + 1) / stride};
    set->interval_ms = (int64_t)stride * SECOND_MS;
    set_init(set, capture->series_count, row_count);
    for (size_t i = 0; i < capture->series_count; i++) {
        set->labels[i] = parse_name(capture->names[i]);
        replay_series(&replay, capture->values + i * capture->row_count, capture->row_count,
                      row_count, set->values[i]);
    }
    set_capture_times(set, capture, &replay, jitter);
    capture_free(capture);
    return true;
}

/* --- shapes --- */

static const char *const shapes[] = {"node", "jitter",     "integers", "node-15s",       "node-1s",
                                     "hist", "gauge-2dec", "tsbs-int", "node-15s-jitter"};

size_t sample_set_shape_count(void)
{
    return ARRAY_SIZE(shapes);
}

const char *sample_set_shape_name(size_t shape)
{
    return shapes[shape];
}

static bool make_shape(struct sample_set *set, size_t shape, size_t row_count)
{
    switch (shape) {
    case 0:
    case 1:
        make_node(set, row_count, shape == 1);
        return true;
    case 2:
        make_gauges(set, row_count);
        return true;
    case 3:
    case 4:
        return make_capture(set, "node-1s", shape == 3 ? INTERVAL_MS / SECOND_MS : 1, row_count,
                            false);
    case 5:
        make_codec_set(set, CODEC_HISTOGRAMS, 224, row_count);
        return true;
    case 8:
        return make_capture(set, "node-1s", INTERVAL_MS / SECOND_MS, row_count, true);
    default:
        make_codec_set(set, shape == 6 ? CODEC_DECIMALS : CODEC_INTEGERS, 200, row_count);
        return true;
    }
}

bool sample_set_make(struct sample_set *set, size_t shape, size_t row_count)
{
    *set = (struct sample_set){.name = shapes[shape], .interval_ms = INTERVAL_MS};
    if (!make_shape(set, shape, row_count))
        return false;
    set_sort(set);
    for (size_t i = 0; i < set->series_count; i++)
        for (size_t row = 0; row < row_count; row++)
            set->sample_count += !capture_absent(set->values[i][row]);
    return true;
}
