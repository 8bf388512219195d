/*
 * Storage with blocks against a naive model of it: floats and native histograms, in rows and loose,
 * late and twice, while the head is cut, blocks are merged, series are deleted in part, tombstones
 * cleaned, the database closed and opened again, and views stay open over all of it. Blocks are a
 * minute long, so that a few thousand samples make dozens.
 *
 * What test_model.c asks exactly, such as what a refused sample is told, is not asked again here.
 * FERULA_SEED and FERULA_ROUNDS make it long; the seed is printed when something differs.
 */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/rand.h"
#include "model/histogram_arithmetic.h"
#include "model/sample.h"
#include "tsdb/head_seal.h"
#include "tsdb/tsdb_internal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_COUNT 10
#define GROUP_COUNT 2
#define VIEWS_MAX 3
#define STAGED_MAX 64
#define VALUES_MAX 6
#define BLOCK_MS INT64_C(60000)
#define WINDOW_MS INT64_C(3600000)

/* One time of a series: where it was written several times, any of the values will do. */
struct point {
    int64_t t_ms;
    uint32_t count;
    uint32_t numbers[VALUES_MAX];
};

typedef VEC(struct point) points;

struct open_view {
    struct series_view *view;
    points expected[SERIES_COUNT];
};

struct model {
    struct rand rand;
    uint64_t seed;
    struct tsdb_options options;
    struct tsdb *db;
    struct sample_group *groups[GROUP_COUNT];
    struct labels *labels[SERIES_COUNT];
    points series[SERIES_COUNT];
    int64_t newest_ms[SERIES_COUNT];
    struct open_view views[VIEWS_MAX];
    int64_t now_ms;
    int64_t max_ms;
    uint32_t numbers; /* every value has one, from which it is made */
    char last[80];    /* what was done last */
};

static uint64_t below(struct model *model, uint64_t bound)
{
    return rand_below(&model->rand, bound);
}

/* --- values --- */

static bool is_histogram(uint32_t number)
{
    return number % 3 == 0;
}

static uint64_t float_bits(uint32_t number)
{
    static const uint64_t odd[] = {SAMPLE_STALE_BITS, SAMPLE_NAN_BITS, 0x8000000000000000u,
                                   0x7ff0000000000000u};
    switch (number % 11) {
    case 0:
        return odd[number % ARRAY_SIZE(odd)];
    case 1:
        return codec_double_bits((double)number * 0.1);
    case 2:
        return number * UINT64_C(0x9e3779b97f4a7c15) >> 2;
    default:
        return codec_double_bits((double)(number / 5));
    }
}

struct made_histogram {
    struct histogram histogram;
    struct histogram_span spans[2];
    double counts[4];
    double bounds[2];
};

/* Counts grow with the number; the layout changes now and then. */
static const struct histogram *make_histogram(uint32_t number, struct made_histogram *out)
{
    bool custom = number / 64 % 4 == 3;
    uint32_t buckets = custom ? 3 : 2 + number / 16 % 3;
    *out = (struct made_histogram){
        .spans = {{custom ? 0 : (int32_t)(number / 32 % 3) - 1, 1}, {custom ? 0 : 2, buckets - 1}},
        .bounds = {1, 2.5 + (double)(number / 512 % 2)},
    };
    struct histogram *histogram = &out->histogram;
    *histogram = (struct histogram){
        .is_float = number % 5 == 0,
        .schema = custom ? HISTOGRAM_SCHEMA_CUSTOM : 3 - (int32_t)(number / 128 % 2),
        .zero_threshold = custom ? 0 : 0.001,
        .zero_count = custom ? 0 : number / 7,
        .sum = (double)number / 8,
        .positive_span_count = 2,
        .positive_spans = out->spans,
        .positive_bucket_count = buckets,
        .positive_buckets = out->counts,
        .custom_bound_count = custom ? 2 : 0,
        .custom_bounds = custom ? out->bounds : NULL,
    };
    if (number % 7 == 0)
        histogram->reset_hint = HISTOGRAM_RESET_GAUGE;
    histogram->count = histogram->zero_count;
    for (uint32_t i = 0; i < buckets; i++) {
        out->counts[i] = 1 + number / (i + 2) + (histogram->is_float ? 0.5 : 0);
        histogram->count += out->counts[i];
    }
    if (number % 31 == 0)
        *histogram = (struct histogram){.sum = codec_bits_double(SAMPLE_STALE_BITS)};
    return histogram;
}

static bool is_stale_number(uint32_t number)
{
    struct made_histogram made;
    return is_histogram(number) ? sample_is_stale(make_histogram(number, &made)->sum)
                                : float_bits(number) == SAMPLE_STALE_BITS;
}

/* A stale marker takes the kind of the sample before it. */
static bool same_value(uint32_t number, double value, const struct histogram *histogram)
{
    if (is_stale_number(number))
        return sample_is_stale(histogram == NULL ? value : histogram->sum);
    if (!is_histogram(number))
        return histogram == NULL && codec_double_bits(value) == float_bits(number);
    struct made_histogram made;
    const struct histogram *expected = make_histogram(number, &made);
    return histogram != NULL &&
           codec_double_bits(histogram->sum) == codec_double_bits(expected->sum) &&
           histogram_same_values(histogram, expected);
}

/* --- the model --- */

/* The first that is not before `t_ms`. */
static size_t point_at(const points *list, int64_t t_ms)
{
    size_t low = 0, high = list->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->items[middle].t_ms < t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void points_add(points *list, int64_t t_ms, uint32_t number)
{
    size_t at = point_at(list, t_ms);
    if (at == list->len || list->items[at].t_ms != t_ms) {
        struct point point = {.t_ms = t_ms};
        vec_push(list, point);
        memmove(list->items + at + 1, list->items + at, (list->len - 1 - at) * sizeof(point));
        list->items[at] = point;
    }
    struct point *point = &list->items[at];
    if (point->count < VALUES_MAX)
        point->numbers[point->count++] = number;
}

static void points_delete(points *list, int64_t min_ms, int64_t max_ms)
{
    if (list->len == 0)
        return;
    size_t from = point_at(list, min_ms);
    size_t to = max_ms == INT64_MAX ? list->len : point_at(list, max_ms + 1);
    memmove(list->items + from, list->items + to, (list->len - to) * sizeof(list->items[0]));
    list->len -= to - from;
}

static void points_copy(points *to, const points *from)
{
    for (size_t i = 0; i < from->len; i++)
        vec_push(to, from->items[i]);
}

/* --- comparing --- */

static void differ(struct model *model, size_t series, const char *when, const char *what,
                   int64_t t_ms)
{
    ck_abort_msg("seed %lu, window %ld, series %zu, %s after %s: %s at %ld (now %ld)",
                 (unsigned long)model->seed, (long)model->options.out_of_order_window_ms, series,
                 when, model->last, what, (long)t_ms, (long)model->now_ms);
}

struct read_order {
    struct model *model;
    struct series_view *view;
    const char *when;
    int64_t min_ms;
    int64_t max_ms;
};

static void compare_columns(const struct read_order *order, size_t number,
                            const struct sample_columns *columns, const points *expected)
{
    size_t at = point_at(expected, order->min_ms);
    for (size_t i = 0; i < columns->count; i++, at++) {
        int64_t t_ms = columns->timestamps_ms[i];
        if (at == expected->len || expected->items[at].t_ms > order->max_ms)
            differ(order->model, number, order->when, "a sample too many", t_ms);
        const struct point *point = &expected->items[at];
        if (point->t_ms != t_ms)
            differ(order->model, number, order->when,
                   point->t_ms < t_ms ? "a sample is missing" : "a sample too many",
                   MIN(point->t_ms, t_ms));
        const struct histogram *histogram =
            columns->histograms == NULL ? NULL : columns->histograms[i];
        bool same = false;
        for (size_t j = 0; j < point->count; j++)
            same = same || same_value(point->numbers[j], columns->values[i], histogram);
        if (!same)
            differ(order->model, number, order->when, "another value", t_ms);
    }
    if (at < expected->len && expected->items[at].t_ms <= order->max_ms)
        differ(order->model, number, order->when, "a sample is missing", expected->items[at].t_ms);
}

static void compare_newest(const struct read_order *order, size_t number,
                           const struct series_entry *entry, const points *expected)
{
    struct sample_columns columns;
    sample_columns_init(&columns);
    columns.newest_only = true;
    ck_assert(series_view_read(order->view, entry, order->min_ms, order->max_ms, &columns, NULL) ==
              ERR_NONE);
    size_t end = order->max_ms == INT64_MAX ? expected->len : point_at(expected, order->max_ms + 1);
    int64_t wanted_ms = end == 0 ? INT64_MIN : expected->items[end - 1].t_ms;
    if (wanted_ms < order->min_ms)
        wanted_ms = INT64_MIN;
    int64_t newest_ms = columns.count == 0 ? INT64_MIN : columns.timestamps_ms[columns.count - 1];
    if (newest_ms != wanted_ms)
        differ(order->model, number, order->when,
               newest_ms < wanted_ms ? "an older newest sample" : "a newer newest sample",
               newest_ms);
    sample_columns_release(&columns);
}

static void compare_series(const struct read_order *order, size_t number, const points *expected)
{
    struct matcher *matcher;
    const struct labels *labels = order->model->labels[number];
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("x"), labels_get(labels, SLICE("x")), &matcher,
                          NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, order->min_ms, order->max_ms, true, 0};
    struct series_list list = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert(series_view_select(order->view, &query, &list, NULL) == ERR_NONE);
    ck_assert_uint_le(list.entries.len, 1);
    if (list.entries.len == 1) {
        const struct series_entry *entry = &list.entries.items[0];
        ck_assert(labels_equal(entry->labels, labels));
        ck_assert(series_view_read(order->view, entry, order->min_ms, order->max_ms, &columns,
                                   NULL) == ERR_NONE);
    }
    compare_columns(order, number, &columns, expected);
    if (list.entries.len == 1)
        compare_newest(order, number, &list.entries.items[0], expected);
    sample_columns_release(&columns);
    series_list_release(&list);
    matcher_free(matcher);
}

static void compare_all(const struct read_order *order, const points *expected)
{
    for (size_t i = 0; i < SERIES_COUNT; i++)
        compare_series(order, i, &expected[i]);
}

/* A time somewhere, often at the edge of a block. */
static int64_t somewhen(struct model *model)
{
    int64_t t_ms = model->now_ms - (int64_t)below(model, 12 * BLOCK_MS);
    switch (below(model, 4)) {
    case 0:
        return t_ms / BLOCK_MS * BLOCK_MS;
    case 1:
        return t_ms / BLOCK_MS * BLOCK_MS - 1;
    default:
        return t_ms;
    }
}

static void check_now(struct model *model, const char *when, bool all)
{
    int64_t a = all ? INT64_MIN : somewhen(model);
    int64_t b = all ? INT64_MAX : somewhen(model);
    struct read_order order = {model, NULL, when, MIN(a, b), MAX(a, b)};
    ck_assert(series_source_open(tsdb_source(model->db), order.min_ms, order.max_ms, &order.view,
                                 NULL) == ERR_NONE);
    compare_all(&order, model->series);
    series_view_close(order.view);
}

static void view_toggle(struct model *model, struct open_view *open)
{
    if (open->view == NULL) {
        ck_assert(series_source_open(tsdb_source(model->db), INT64_MIN, INT64_MAX, &open->view,
                                     NULL) == ERR_NONE);
        for (size_t i = 0; i < SERIES_COUNT; i++)
            points_copy(&open->expected[i], &model->series[i]);
        return;
    }
    struct read_order order = {model, open->view, "in an old view", INT64_MIN, INT64_MAX};
    compare_all(&order, open->expected);
    order.min_ms = somewhen(model);
    order.max_ms = order.min_ms + BLOCK_MS;
    compare_all(&order, open->expected);
    series_view_close(open->view);
    open->view = NULL;
    for (size_t i = 0; i < SERIES_COUNT; i++)
        vec_release(&open->expected[i]);
}

static void views_close(struct model *model)
{
    for (size_t i = 0; i < VIEWS_MAX; i++) {
        if (model->views[i].view != NULL)
            view_toggle(model, &model->views[i]);
    }
}

/* --- what is done to it --- */

struct staged {
    size_t series;
    int64_t t_ms;
    uint32_t number;
};

/* Late samples for the times of blocks and of the head; where there is no window, none. */
static int64_t loose_time(struct model *model, size_t series)
{
    if (model->options.out_of_order_window_ms == 0)
        return MAX(model->newest_ms[series], model->now_ms - BLOCK_MS / 4) + 1 +
               (int64_t)below(model, 200);
    switch (below(model, 6)) {
    case 0:
        return somewhen(model);
    case 1:
        return model->now_ms - (int64_t)below(model, BLOCK_MS);
    case 2: {
        const points *list = &model->series[series];
        return list->len == 0 ? model->now_ms
                              : list->items[list->len - 1 - below(model, MIN(list->len, 500))].t_ms;
    }
    default:
        return model->now_ms + (int64_t)below(model, 300);
    }
}

static enum append_result stage(struct appender *appender, const struct labels *labels,
                                const struct staged *staged, bool loose)
{
    series_ref ref = appender_series(appender, labels);
    double value = codec_bits_double(float_bits(staged->number));
    struct made_histogram made;
    if (!is_histogram(staged->number))
        return loose ? append_at(appender, ref, staged->t_ms, value) : append(appender, ref, value);
    const struct histogram *histogram = make_histogram(staged->number, &made);
    return loose ? append_histogram_at(appender, ref, staged->t_ms, histogram)
                 : append_histogram(appender, ref, histogram);
}

/* Was it taken? Within the window only what the series' newest sample says already is not. */
static bool stage_in_window(struct model *model, struct appender *appender,
                            const struct staged *staged, bool loose)
{
    enum append_result result = stage(appender, model->labels[staged->series], staged, loose);
    bool duplicate = result == APPEND_DUPLICATE || result == APPEND_DUPLICATE_SAME;
    if (model->options.out_of_order_window_ms > 0 && result != APPEND_OK && !duplicate)
        differ(model, staged->series, "when appending", "a sample was refused", staged->t_ms);
    return result == APPEND_OK;
}

/* Some series have floats alone, one histograms alone, the others both. */
static uint32_t next_number(struct model *model, size_t series)
{
    do {
        model->numbers++;
    } while ((series < 3 && is_histogram(model->numbers)) ||
             (series == 3 && !is_histogram(model->numbers)));
    return model->numbers;
}

/* Has it one for this time? Without a window one of any time is enough, as the order would matter.
 */
static bool is_staged(const struct model *model, const struct staged *list, size_t count,
                      const struct staged *one)
{
    bool any_time = model->options.out_of_order_window_ms == 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].series == one->series && (any_time || list[i].t_ms == one->t_ms))
            return true;
    }
    return false;
}

static void transaction(struct model *model)
{
    struct staged list[STAGED_MAX];
    size_t count = 0;
    size_t group = below(model, GROUP_COUNT + 1);
    bool grouped = group < GROUP_COUNT;
    model->now_ms += (int64_t)below(model, 1500);
    if (below(model, 300) == 0)
        model->now_ms += (int64_t)below(model, 4 * BLOCK_MS);
    int64_t row_ms = model->now_ms;
    if (grouped && model->groups[group] == NULL)
        model->groups[group] = sample_group_new(model->db);
    struct appender *appender = kit_begin(model->db, grouped ? model->groups[group] : NULL, row_ms);
    size_t wanted = grouped ? SERIES_COUNT : 1 + below(model, 8);
    for (size_t i = 0; i < wanted; i++) {
        bool loose = !grouped || below(model, 30) == 0;
        size_t series = loose ? below(model, SERIES_COUNT) : i;
        if (series % 3 == 2 && model->now_ms / (3 * BLOCK_MS) % 2 == 0)
            continue; /* pauses for long */
        struct staged one = {series, loose ? loose_time(model, series) : row_ms,
                             next_number(model, series)};
        if (is_staged(model, list, count, &one) || (!loose && below(model, 12) == 0))
            continue;
        if (stage_in_window(model, appender, &one, loose))
            list[count++] = one;
    }
    if (below(model, 20) == 0) {
        appender_rollback(appender);
        return;
    }
    kit_commit(appender);
    for (size_t i = 0; i < count; i++) {
        points_add(&model->series[list[i].series], list[i].t_ms, list[i].number);
        model->newest_ms[list[i].series] = MAX(model->newest_ms[list[i].series], list[i].t_ms);
    }
}

static void delete_some(struct model *model)
{
    size_t chosen = below(model, SERIES_COUNT + 2);
    char value[2] = {(char)('a' + chosen), 0};
    bool one = chosen < SERIES_COUNT;
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, one ? SLICE("x") : SLICE("half"),
                          one ? slice_str(value) : slice_str(chosen % 2 ? "1" : "0"), &matcher,
                          NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    int64_t a = below(model, 8) == 0 ? INT64_MIN : somewhen(model);
    int64_t b = below(model, 8) == 0 ? INT64_MAX : somewhen(model);
    if (below(model, 2) == 0 && a != INT64_MIN)
        b = a + (int64_t)below(model, 5000);
    int64_t min_ms = MIN(a, b), max_ms = MAX(a, b);
    snprintf(model->last, sizeof(model->last), "deletion of %zu from %ld to %ld", chosen,
             (long)min_ms, (long)max_ms);
    ck_assert(tsdb_delete_series(model->db, matchers, 1, min_ms, max_ms, NULL) == ERR_NONE);
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        if (one ? i == chosen : i % 2 == chosen % 2)
            points_delete(&model->series[i], min_ms, max_ms);
    }
    matcher_free(matcher);
}

static void groups_free(struct model *model)
{
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        sample_group_free(model->groups[i]);
        model->groups[i] = NULL;
    }
}

static void reopen(struct model *model)
{
    views_close(model);
    groups_free(model);
    tsdb_close(model->db);
    model->options.no_snapshot = below(model, 2); /* the next stop: clean, or as by a kill */
    model->db = kit_open(&model->options);
    snprintf(model->last, sizeof(model->last), "a restart");
    check_now(model, "now", true);
}

/* The copy that a snapshot is, opened beside. */
static void check_copy(struct model *model)
{
    struct buf name CLEANUP(buf_release);
    buf_init(&name, 4096);
    ck_assert(tsdb_snapshot(model->db, false, &name, NULL) == ERR_NONE);
    struct buf path CLEANUP(buf_release);
    buf_init(&path, 4096);
    buf_printf(&path, "%s/snapshots/%s", model->options.path, buf_cstr(&name));
    struct tsdb *db = model->db;
    model->db = kit_open(&(struct tsdb_options){.path = buf_cstr(&path), .block_min_ms = BLOCK_MS});
    check_now(model, "in a snapshot", true);
    tsdb_close(model->db);
    model->db = db;
    kit_remove(buf_cstr(&path));
}

static void seal(struct model *model)
{
    MUTEX_GUARD(&model->db->maintenance_lock);
    ck_assert(head_seal(&model->db->head, &model->db->commit_lock, &model->db->head_files, NULL) ==
              ERR_NONE);
    head_files_sweep(&model->db->head_files);
}

static void step(struct model *model)
{
    uint64_t dice = below(model, 200);
    if (dice >= 30) {
        transaction(model);
        return;
    }
    if (dice < 8) {
        view_toggle(model, &model->views[below(model, VIEWS_MAX)]);
    } else if (dice < 14) {
        check_now(model, "now", false);
    } else if (dice < 17) {
        delete_some(model);
        check_now(model, "now", true);
    } else if (dice < 22) {
        snprintf(model->last, sizeof(model->last), "compaction");
        ck_assert(tsdb_compact(model->db, NULL) == ERR_NONE);
        check_now(model, "now", true);
    } else if (dice < 26) {
        snprintf(model->last, sizeof(model->last), "maintenance");
        ck_assert(tsdb_maintain(model->db, NULL) == ERR_NONE);
        check_now(model, "now", true);
    } else if (dice == 26) {
        snprintf(model->last, sizeof(model->last), "cleaning");
        ck_assert(tsdb_clean_tombstones(model->db, NULL) == ERR_NONE);
        check_now(model, "now", true);
    } else if (dice == 27) {
        seal(model);
    } else if (dice == 28) {
        reopen(model);
    } else if (below(model, 4) == 0) {
        check_copy(model);
    }
}

static void run(uint64_t seed, int64_t window_ms)
{
    struct model *model = mem_zalloc(sizeof(*model));
    char *directory = mem_strdup(kit_directory());
    model->seed = seed;
    rand_init(&model->rand, seed);
    model->options = (struct tsdb_options){.path = directory,
                                           .fsync_policy = TSDB_FSYNC_OFF,
                                           .out_of_order_window_ms = window_ms,
                                           .wal_segment_bytes = 1 + below(model, 20000),
                                           .maintenance_interval_ms = 3600000,
                                           .block_min_ms = BLOCK_MS,
                                           .block_max_ms = BLOCK_MS * 9};
    model->now_ms = 1700000000000;
    snprintf(model->last, sizeof(model->last), "the begin");
    model->db = kit_open(&model->options);
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        char text[32];
        snprintf(text, sizeof(text), "half=%d,x=%c", (int)(i % 2), (char)('a' + i));
        model->labels[i] = kit_labels(text);
        model->newest_ms[i] = INT64_MIN;
    }
    size_t steps = 200 + below(model, 1200);
    for (size_t i = 0; i < steps; i++)
        step(model);
    check_now(model, "at the end", true);
    reopen(model);
    tsdb_close(model->db);
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        labels_unref(model->labels[i]);
        vec_release(&model->series[i]);
    }
    kit_remove(directory);
    mem_free(directory);
    mem_free(model);
}

static uint64_t number_of(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    return text == NULL ? usual : strtoull(text, NULL, 10);
}

START_TEST(blocks_and_head_agree_with_the_model)
{
    log_set_level(LOG_ERROR);
    for (uint64_t i = 0; i < number_of("FERULA_ROUNDS", 8); i++)
        run(number_of("FERULA_SEED", 0) + i, i % 4 == 3 ? 0 : WINDOW_MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_blocks");
    TCase *tcase = tcase_create("model_blocks");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, blocks_and_head_agree_with_the_model);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
