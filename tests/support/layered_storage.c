#include "tests/support/layered_storage.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/block_list.h"
#include "tsdb/tsdb_internal.h"

/* Ranges into which the samples fall. */
#define RANGES 11
/* Levels are three times as long each: nine ranges. */
#define COMPACTED_RANGES 9
#define NEVER_MS INT64_C(1000000000000)

const char *const storage_layout_names[LAYOUT_COUNT] = {"head", "fresh blocks", "compacted blocks",
                                                        "a mix"};

static int no_sync(const struct fs *fs, int fd)
{
    return 0;
}

void layered_storage_init(struct layered_storage *storage, enum storage_layout layout)
{
    *storage = (struct layered_storage){.layout = layout, .fs = *fs_system};
    storage->fs.sync = no_sync;
}

void layered_storage_release(struct layered_storage *storage)
{
    if (storage->db == NULL)
        return;
    tsdb_close(storage->db);
    storage->db = NULL;
    kit_remove(storage->path);
}

/* One sample of one series. */
struct place {
    const struct fake_series *series;
    size_t at;
    size_t order; /* of the series */
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int64_t x_ms = x->series->timestamps_ms.items[x->at];
    int64_t y_ms = y->series->timestamps_ms.items[y->at];
    if (x_ms != y_ms)
        return x_ms < y_ms ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void append_place(struct appender *appender, const struct place *place)
{
    const struct fake_series *series = place->series;
    series_ref ref = appender_series(appender, series->labels);
    int64_t time_ms = series->timestamps_ms.items[place->at];
    const struct histogram *histogram = series->histograms.items[place->at];
    if (series->has_start_timestamps)
        append_start(appender, ref, time_ms, series->start_timestamps_ms.items[place->at],
                     histogram);
    enum append_result result =
        histogram == NULL
            ? append_at(appender, ref, time_ms, series->values.items[place->at])
            : append_histogram_at(appender, ref, time_ms, histogram);
    ck_assert_int_eq(result, APPEND_OK);
}

/* In the order of time, a transaction for each. */
static void append_all(struct tsdb *db, const struct place *places, size_t count)
{
    struct errbuf err = ERRBUF_INIT;
    for (size_t i = 0; i < count;) {
        int64_t time_ms = places[i].series->timestamps_ms.items[places[i].at];
        struct appender *appender = kit_begin(db, NULL, time_ms);
        for (; i < count && places[i].series->timestamps_ms.items[places[i].at] == time_ms; i++)
            append_place(appender, &places[i]);
        ck_assert_int_eq(appender_commit(appender, &err), ERR_NONE);
    }
}

/* Closes the database and opens a copy of which all samples are in blocks. */
static void move_into_blocks(struct layered_storage *storage, struct tsdb_options *options)
{
    struct buf CLEANUP(buf_release) name;
    struct errbuf err = ERRBUF_INIT;
    char from[160];
    char old[sizeof(storage->path)];
    buf_init(&name, 256);
    ck_assert_msg(tsdb_snapshot(storage->db, false, &name, &err) == ERR_NONE, "%s", err.text);
    tsdb_close(storage->db);
    snprintf(old, sizeof(old), "%s", storage->path);
    snprintf(from, sizeof(from), "%s/snapshots/%s", old, buf_cstr(&name));
    snprintf(storage->path, sizeof(storage->path), "%s", kit_directory());
    ck_assert_int_eq(rename(from, storage->path), 0);
    kit_remove(old);
    options->path = storage->path;
    storage->db = kit_open(options);
}

static size_t count_blocks(struct tsdb *db)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    size_t count = list->count;
    block_list_unref(list);
    return count;
}

static void arrange(struct layered_storage *storage, struct tsdb_options *options)
{
    struct errbuf err = ERRBUF_INIT;
    if (storage->layout == LAYOUT_HEAD)
        return;
    ck_assert_msg(tsdb_compact(storage->db, &err) == ERR_NONE, "%s", err.text);
    if (storage->layout == LAYOUT_COMPACTED)
        options->block_max_ms = options->block_min_ms * COMPACTED_RANGES;
    if (storage->layout != LAYOUT_MIX)
        move_into_blocks(storage, options);
    if (storage->layout == LAYOUT_COMPACTED)
        ck_assert_msg(tsdb_compact(storage->db, &err) == ERR_NONE, "%s", err.text);
    storage->block_count += count_blocks(storage->db);
}

struct series_source *layered_storage_fill(struct layered_storage *storage,
                                           const struct fake_source *samples)
{
    VEC(struct place) places = {0};
    for (size_t i = 0; i < samples->series.len; i++) {
        const struct fake_series *series = samples->series.items[i];
        for (size_t k = 0; k < series->timestamps_ms.len; k++)
            vec_push(&places, (struct place){series, k, i});
    }
    int64_t span_ms = 0;
    if (places.len > 0) {
        qsort(places.items, places.len, sizeof(*places.items), compare_places);
        struct place first = places.items[0], last = places.items[places.len - 1];
        span_ms = last.series->timestamps_ms.items[last.at] -
                  first.series->timestamps_ms.items[first.at];
    }
    layered_storage_release(storage);
    snprintf(storage->path, sizeof(storage->path), "%s", kit_directory());
    int64_t range_ms = MAX(span_ms / RANGES, INT64_C(1));
    struct tsdb_options options = {
        .path = storage->path,
        .fs = &storage->fs,
        .fsync_policy = TSDB_FSYNC_OFF,
        .maintenance_interval_ms = NEVER_MS,
        .fsync_interval_ms = NEVER_MS,
        .store_start_times = true,
        .no_snapshot = true,
        .block_min_ms = storage->layout == LAYOUT_HEAD ? NEVER_MS : range_ms,
        .block_max_ms = storage->layout == LAYOUT_HEAD  ? NEVER_MS
                        : storage->layout == LAYOUT_MIX ? 3 * range_ms
                                                        : range_ms,
    };
    storage->db = kit_open(&options);
    append_all(storage->db, places.items, places.len);
    vec_release(&places);
    arrange(storage, &options);
    return tsdb_source(storage->db);
}
