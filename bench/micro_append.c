/*
 * Storing samples: rows of scraped targets (one commit a scrape, 46 % of the series moving), loose
 * samples as remote write brings them (one commit for 2,000), and series that are new.
 */
#include "base/alloc.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "bench/harness.h"
#include "bench/node_labels.h"
#include "bench/node_shape.h"
#include "tsdb/appender.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <stdlib.h>

#define START_MS 1700000000000
#define INTERVAL_MS 15000
#define LOOSE_COMMIT_SIZE 2000

struct append_state {
    char path[64];
    struct tsdb *db;
    size_t target_count;
    struct node_shape *shape;
    struct node_target *targets;
    struct sample_group **groups;
    series_ref *refs;
    struct labels **labels; /* of all targets */
    int64_t next_ms;
};

static void check(enum err code, const struct errbuf *err)
{
    if (code != ERR_NONE) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

static void open_db(struct append_state *state)
{
    struct errbuf err = ERRBUF_INIT;
    snprintf(state->path, sizeof(state->path), "/tmp/ferula-bench-append-XXXXXX");
    if (mkdtemp(state->path) == NULL)
        abort();
    struct tsdb_options options = {.path = state->path, .seed = 1};
    check(tsdb_open(&options, &state->db, &err), &err);
}

static void close_db(struct append_state *state)
{
    struct errbuf err = ERRBUF_INIT;
    tsdb_close(state->db);
    check(fs_remove_tree(fs_system, state->path, &err), &err);
}

/* `size` is the number of targets. */
static void *append_setup(size_t size)
{
    struct append_state *state = mem_zalloc(sizeof(*state));
    state->target_count = size;
    state->shape = node_shape_new();
    state->targets = mem_alloc_array(size, sizeof(*state->targets));
    state->groups = mem_zalloc_array(size, sizeof(struct sample_group *));
    state->refs = mem_zalloc_array(size * NODE_SERIES_COUNT, sizeof(*state->refs));
    state->labels = mem_alloc_array(size * NODE_SERIES_COUNT, sizeof(struct labels *));
    state->next_ms = START_MS;
    open_db(state);
    for (size_t target = 0; target < size; target++) {
        node_target_init(&state->targets[target], state->shape, target);
        for (size_t i = 0; i < NODE_SERIES_COUNT; i++)
            state->labels[target * NODE_SERIES_COUNT + i] =
                node_labels(&state->shape->series[i], target);
    }
    return state;
}

static void append_teardown(void *context)
{
    struct append_state *state = context;
    for (size_t target = 0; target < state->target_count; target++) {
        if (state->groups[target] != NULL)
            sample_group_free(state->groups[target]);
    }
    for (size_t i = 0; i < state->target_count * NODE_SERIES_COUNT; i++)
        labels_unref(state->labels[i]);
    close_db(state);
    mem_free(state->labels);
    mem_free(state->refs);
    mem_free(state->groups);
    mem_free(state->targets);
    node_shape_free(state->shape);
    mem_free(state);
}

static struct appender *begin(struct append_state *state, struct sample_group *group, int64_t t_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct appender *appender = NULL;
    check(appender_begin(state->db, group, t_ms, &appender, &err), &err);
    return appender;
}

static void commit(struct appender *appender)
{
    struct errbuf err = ERRBUF_INIT;
    check(appender_commit(appender, &err), &err);
}

/* Refs of all series, by the labels: what a first scrape does. */
static void find_series(struct append_state *state, struct appender *appender, size_t target)
{
    size_t first = target * NODE_SERIES_COUNT;
    if (state->refs[first] != 0)
        return;
    for (size_t i = first; i < first + NODE_SERIES_COUNT; i++)
        state->refs[i] = appender_series(appender, state->labels[i]);
}

static uint64_t append_row(struct append_state *state, size_t target)
{
    if (state->groups[target] == NULL)
        state->groups[target] = sample_group_new(state->db);
    struct appender *appender = begin(state, state->groups[target], state->next_ms);
    find_series(state, appender, target);
    const series_ref *refs = state->refs + target * NODE_SERIES_COUNT;
    uint64_t taken = 0;
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++)
        taken += append(appender, refs[i], state->targets[target].walks[i].value) == APPEND_OK;
    commit(appender);
    return taken;
}

#define ROWS_PER_RUN 20

static uint64_t run_rows(void *context, uint64_t *out_units)
{
    struct append_state *state = context;
    for (size_t row = 0; row < ROWS_PER_RUN; row++) {
        for (size_t target = 0; target < state->target_count; target++) {
            *out_units += append_row(state, target);
            node_target_advance(&state->targets[target], INTERVAL_MS / 1000.0);
        }
        state->next_ms += INTERVAL_MS;
    }
    return hash_mix(1, *out_units);
}

static uint64_t run_loose(void *context, uint64_t *out_units)
{
    struct append_state *state = context;
    size_t series_count = state->target_count * NODE_SERIES_COUNT;
    for (size_t row = 0; row < ROWS_PER_RUN; row++) {
        for (size_t first = 0; first < series_count; first += LOOSE_COMMIT_SIZE) {
            struct appender *appender = begin(state, NULL, state->next_ms);
            size_t end = MIN(first + LOOSE_COMMIT_SIZE, series_count);
            for (size_t i = first; i < end; i++) {
                /* remote write has labels, not refs */
                series_ref ref = appender_series(appender, state->labels[i]);
                double value =
                    state->targets[i / NODE_SERIES_COUNT].walks[i % NODE_SERIES_COUNT].value;
                *out_units += append_at(appender, ref, state->next_ms, value) == APPEND_OK;
            }
            commit(appender);
        }
        for (size_t target = 0; target < state->target_count; target++)
            node_target_advance(&state->targets[target], INTERVAL_MS / 1000.0);
        state->next_ms += INTERVAL_MS;
    }
    return hash_mix(1, *out_units);
}

/* A database of its own each time; the time to open and remove it is part of the figure. */
static uint64_t run_new_series(void *context, uint64_t *out_units)
{
    struct append_state *state = context;
    struct append_state fresh = *state;
    open_db(&fresh);
    fresh.groups = mem_zalloc_array(state->target_count, sizeof(struct sample_group *));
    fresh.refs =
        mem_zalloc_array(state->target_count * NODE_SERIES_COUNT, sizeof(*fresh.refs));
    for (size_t target = 0; target < state->target_count; target++)
        *out_units += append_row(&fresh, target);
    for (size_t target = 0; target < state->target_count; target++)
        sample_group_free(fresh.groups[target]);
    mem_free(fresh.refs);
    mem_free(fresh.groups);
    close_db(&fresh);
    return hash_mix(1, *out_units);
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"append: rows of targets", "sample", 50, 1, append_setup, run_rows, append_teardown},
        {"append: loose samples", "sample", 20, 1, append_setup, run_loose, append_teardown},
        {"append: new series", "series", 50, 1, append_setup, run_new_series, append_teardown},
    };
    return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
