/*
 * The scrape path without fetching: bodies of a node_exporter, of whose series 46 % move, go
 * through parser, series cache and storage; the same once with every series new.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bench/harness.h"
#include "bench/node_shape.h"
#include "scrape/ingest.h"

#define BODIES 16
#define BODY_BYTES_MAX ((size_t)64 << 20)
#define SCRAPE_EVERY_MS 5000

struct ingest_state {
    char folder[40];
    struct tsdb *db;
    struct sample_group *group;
    struct ingest ingest;
    struct series_cache cache;
    struct metadata_cache metadata;
    struct mutex lock;
    struct labels *target;
    struct config_scrape scrape;
    struct buf bodies[BODIES];
    size_t scrape_count; /* a run */
    size_t next_body;
    int64_t now_ms;
};

static void ingest_open(struct ingest_state *state)
{
    struct errbuf err = ERRBUF_INIT;
    snprintf(state->folder, sizeof(state->folder), "/tmp/micro-ingest-XXXXXX");
    if (mkdtemp(state->folder) == NULL ||
        tsdb_open(&(struct tsdb_options){.path = state->folder}, &state->db, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        exit(EXIT_FAILURE);
    }
    state->group = sample_group_new(state->db);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void ingest_close(struct ingest_state *state)
{
    sample_group_free(state->group);
    tsdb_close(state->db);
    nftw(state->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void ingest_scrape(struct ingest_state *state)
{
    struct errbuf err = ERRBUF_INIT;
    struct appender *appender;
    struct ingest_result result;
    state->now_ms += SCRAPE_EVERY_MS;
    if (appender_begin(state->db, state->group, state->now_ms, &appender, &err) != ERR_NONE)
        abort();
    struct ingest_job job = {.scrape = &state->scrape,
                             .target = state->target,
                             .cache = &state->cache,
                             .metadata = &state->metadata,
                             .appender = appender,
                             .row_ms = state->now_ms,
                             .now_ms = state->now_ms};
    const struct buf *body = &state->bodies[state->next_body++ % BODIES];
    if (ingest_body(&state->ingest, &job, EXPOSITION_TEXT, buf_slice(body), &result, &err) !=
            ERR_NONE ||
        result.scraped != NODE_SERIES_COUNT || appender_commit(appender, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

static void *ingest_setup(size_t size)
{
    struct ingest_state *state = mem_zalloc(sizeof(*state));
    state->scrape_count = size;
    state->scrape = (struct config_scrape){.honor_timestamps = true, .utf8_names = true};
    state->now_ms = INT64_C(1700000000000);
    mutex_init(&state->lock, LOCK_RANK_SCRAPE_METADATA);
    ingest_init(&state->ingest, 1);
    state->ingest.metadata_scan.lock = &state->lock;
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("job"), SLICE("node"));
    labels_builder_set(&builder, SLICE("instance"), SLICE("127.0.0.1:9100"));
    state->target = labels_builder_build(&builder);
    labels_builder_release(&builder);
    struct node_shape *shape = node_shape_new();
    struct node_target *target = mem_alloc(sizeof(*target));
    node_target_init(target, shape, 1);
    for (size_t i = 0; i < BODIES; i++) {
        buf_init(&state->bodies[i], BODY_BYTES_MAX);
        node_target_write(target, &state->bodies[i]);
        node_target_advance(target, 5);
    }
    mem_free(target);
    node_shape_free(shape);
    ingest_open(state);
    return state;
}

static void *ingest_setup_known(size_t size)
{
    struct ingest_state *state = ingest_setup(size);
    ingest_scrape(state);
    return state;
}

static void ingest_teardown(void *context)
{
    struct ingest_state *state = context;
    ingest_close(state);
    ingest_release(&state->ingest);
    series_cache_release(&state->cache);
    metadata_cache_release(&state->metadata);
    labels_unref(state->target);
    mutex_release(&state->lock);
    for (size_t i = 0; i < BODIES; i++)
        buf_release(&state->bodies[i]);
    mem_free(state);
}

static uint64_t ingest_known(void *context, uint64_t *out_units)
{
    struct ingest_state *state = context;
    for (size_t i = 0; i < state->scrape_count; i++)
        ingest_scrape(state);
    *out_units = state->scrape_count * NODE_SERIES_COUNT;
    return state->cache.count;
}

/* Every scrape is the first of another target. */
static uint64_t ingest_new(void *context, uint64_t *out_units)
{
    struct ingest_state *state = context;
    for (size_t i = 0; i < state->scrape_count; i++) {
        char instance[32];
        int len = snprintf(instance, sizeof(instance), "10.0.0.%zu:9100", state->next_body);
        struct labels_builder builder;
        labels_builder_init(&builder);
        labels_builder_start(&builder, state->target);
        labels_builder_set(&builder, SLICE("instance"), slice_from(instance, (size_t)len));
        labels_unref(state->target);
        state->target = labels_builder_build(&builder);
        labels_builder_release(&builder);
        series_cache_release(&state->cache);
        sample_group_free(state->group);
        state->group = sample_group_new(state->db);
        ingest_scrape(state);
    }
    *out_units = state->scrape_count * NODE_SERIES_COUNT;
    return state->cache.count;
}

static const struct bench_case cases[] = {
    {"known series", "sample", 1000, 4, ingest_setup_known, ingest_known, ingest_teardown},
    {"new series", "series", 50, 2, ingest_setup, ingest_new, ingest_teardown},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
