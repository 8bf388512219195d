/* Series and their labels for remote write. */
#include "bench/feed.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/compiler.h"
#include "base/protobuf_wire.h"
#include "bench/node_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_MAX 16

struct label_list {
    size_t count;
    struct node_label labels[LABELS_MAX];
};

static void label_add(struct label_list *list, const char *name, const char *value)
{
    ASSERT(list->count < LABELS_MAX);
    list->labels[list->count++] = (struct node_label){name, value};
}

static int label_order(const void *a, const void *b)
{
    return strcmp(((const struct node_label *)a)->name, ((const struct node_label *)b)->name);
}

/* Adds a series; the list is sorted, as senders must. */
static struct feed_series *feed_add(struct feed *feed, struct label_list *list, struct walk walk,
                                    uint64_t seed)
{
    struct feed_series *series = &feed->series[feed->series_count++];
    qsort(list->labels, list->count, sizeof(list->labels[0]), label_order);
    series->labels_offset = (uint32_t)feed->labels.len;
    for (size_t i = 0; i < list->count; i++) {
        struct buf label CLEANUP(buf_release);
        buf_init(&label, 4096);
        protobuf_write_bytes(&label, 1, slice_str(list->labels[i].name));
        protobuf_write_bytes(&label, 2, slice_str(list->labels[i].value));
        protobuf_write_bytes(&feed->labels, 1, buf_slice(&label));
    }
    series->labels_len = (uint32_t)(feed->labels.len - series->labels_offset);
    series->walk = walk;
    series->bucket = -1;
    rand_init(&series->rand, seed);
    return series;
}

static void feed_start(struct feed *feed, size_t series_count, double interval_s)
{
    *feed = (struct feed){.interval_s = interval_s};
    feed->series = mem_zalloc_array(series_count, sizeof(*feed->series));
    buf_init(&feed->labels, UINT32_MAX);
}

void feed_init_node(struct feed *feed, size_t target_count, double interval_s)
{
    feed_start(feed, target_count * NODE_SERIES_COUNT, interval_s);
    struct node_shape *shape = node_shape_new();
    struct node_target *target = mem_alloc(sizeof(*target));
    for (size_t at = 0; at < target_count; at++) {
        node_target_init(target, shape, at + 1);
        char instance[40];
        snprintf(instance, sizeof(instance), "node-%03zu.example.org:9100", at);
        for (size_t i = 0; i < NODE_SERIES_COUNT; i++) {
            struct label_list list = {0};
            label_add(&list, "__name__", shape->series[i].family);
            label_add(&list, "instance", instance);
            label_add(&list, "job", "node");
            for (size_t k = 0; k < shape->series[i].label_count; k++)
                label_add(&list, shape->series[i].labels[k].name, shape->series[i].labels[k].value);
            feed_add(feed, &list, target->walks[i], at * NODE_SERIES_COUNT + i);
        }
    }
    mem_free(target);
    node_shape_free(shape);
}

/* The tags of a host; the texts live in the struct. */
struct host_tags {
    char hostname[16];
    char region[24];
    char datacenter[32];
    char rack[16];
    char service[16];
    char service_version[16];
};

static void host_tags_fill(struct host_tags *tags, size_t host)
{
    static const char *const regions[] = {"us-east-1",    "us-west-1",      "us-west-2",
                                          "eu-west-1",    "eu-central-1",   "ap-southeast-1",
                                          "ap-southeast-2", "ap-northeast-1", "sa-east-1"};
    const char *region = regions[host * 7 % ARRAY_SIZE(regions)];
    snprintf(tags->hostname, sizeof(tags->hostname), "host_%zu", host);
    snprintf(tags->region, sizeof(tags->region), "%s", region);
    snprintf(tags->datacenter, sizeof(tags->datacenter), "%s%c", region, (int)('a' + host % 3));
    snprintf(tags->rack, sizeof(tags->rack), "%zu", host * 13 % 100);
    snprintf(tags->service, sizeof(tags->service), "%zu", host * 3 % 20);
    snprintf(tags->service_version, sizeof(tags->service_version), "%zu", host % 2);
}

static void feed_host_cpu(struct feed *feed, const struct host_tags *tags, size_t host,
                          struct rand *rand)
{
    static const char *const names[] = {
        "cpu_usage_user",    "cpu_usage_system", "cpu_usage_idle",  "cpu_usage_nice",
        "cpu_usage_iowait",  "cpu_usage_irq",    "cpu_usage_softirq", "cpu_usage_steal",
        "cpu_usage_guest",   "cpu_usage_guest_nice"};
    static const char *const systems[] = {"Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"};
    static const char *const teams[] = {"SF", "NYC", "LON", "CHI"};
    static const char *const environments[] = {"production", "staging", "test"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct label_list list = {0};
        label_add(&list, "__name__", names[i]);
        label_add(&list, "hostname", tags->hostname);
        label_add(&list, "region", tags->region);
        label_add(&list, "datacenter", tags->datacenter);
        label_add(&list, "rack", tags->rack);
        label_add(&list, "os", systems[host % 3]);
        label_add(&list, "arch", host % 2 == 0 ? "x64" : "x86");
        label_add(&list, "team", teams[host % 4]);
        label_add(&list, "service", tags->service);
        label_add(&list, "service_version", tags->service_version);
        label_add(&list, "service_environment", environments[host % 3]);
        feed_add(feed, &list, walk_start(WALK_PERCENT, 0, rand), host * 100 + i);
    }
}

/* What so many observations add to a part of a histogram: most fall into the middle buckets. */
static double feed_part(int32_t part, double observed)
{
    static const unsigned share[FEED_BUCKETS] = {2, 5, 15, 40, 70, 88, 95, 98, 99, 100, 100, 100};
    if (part < FEED_BUCKETS)
        return (double)(uint64_t)(observed * share[part] / 100);
    return part == FEED_BUCKETS ? observed * 0.1375 : observed;
}

/* All parts of a histogram have one seed, so that each sees the same observations. */
static void feed_host_histogram(struct feed *feed, const struct host_tags *tags, size_t host)
{
    static const char *const bounds[FEED_BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                     "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
    for (int part = 0; part < FEED_BUCKETS + 2; part++) {
        struct label_list list = {0};
        label_add(&list, "__name__",
                  part < FEED_BUCKETS    ? "http_request_duration_seconds_bucket"
                  : part == FEED_BUCKETS ? "http_request_duration_seconds_sum"
                                         : "http_request_duration_seconds_count");
        label_add(&list, "hostname", tags->hostname);
        label_add(&list, "region", tags->region);
        if (part < FEED_BUCKETS)
            label_add(&list, "le", bounds[part]);
        struct feed_series *series =
            feed_add(feed, &list, (struct walk){WALK_EVENTS, feed_part(part, 1e6)}, 1000000 + host);
        series->bucket = part;
    }
}

static void feed_host_network(struct feed *feed, const struct host_tags *tags, size_t host,
                              struct rand *rand)
{
    for (size_t i = 0; i < 4; i++) {
        struct label_list list = {0};
        label_add(&list, "__name__", i < 2 ? "net_bytes_total" : "net_packets_total");
        label_add(&list, "hostname", tags->hostname);
        label_add(&list, "region", tags->region);
        label_add(&list, "direction", i % 2 == 0 ? "in" : "out");
        feed_add(feed, &list, walk_start(i < 2 ? WALK_BYTES : WALK_EVENTS, 0, rand),
                 host * 100 + 20 + i);
    }
    struct label_list list = {0};
    label_add(&list, "__name__", "host_info");
    label_add(&list, "hostname", tags->hostname);
    label_add(&list, "version", tags->service_version);
    feed_add(feed, &list, (struct walk){WALK_CONSTANT, 1}, 0);
}

void feed_init_tsbs(struct feed *feed, size_t host_count, double interval_s)
{
    feed_start(feed, host_count * FEED_TSBS_SERIES_PER_HOST, interval_s);
    struct rand rand;
    rand_init(&rand, 42);
    for (size_t host = 0; host < host_count; host++) {
        struct host_tags tags;
        host_tags_fill(&tags, host);
        feed_host_cpu(feed, &tags, host, &rand);
        feed_host_histogram(feed, &tags, host);
        feed_host_network(feed, &tags, host, &rand);
    }
}

void feed_release(struct feed *feed)
{
    mem_free(feed->series);
    buf_release(&feed->labels);
}

static double feed_observe(struct feed_series *series)
{
    series->walk.value += feed_part(series->bucket, (double)rand_below(&series->rand, 400));
    return series->walk.value;
}

double feed_next(const struct feed *feed, struct feed_series *series)
{
    if (series->bucket >= 0)
        return feed_observe(series);
    return walk_next(&series->walk, feed->interval_s, &series->rand);
}
