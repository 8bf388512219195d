/*
 * Storage against a naive model of it: random transactions of several groups and loose samples,
 * views that stay open, restarts. The seed is printed when something differs.
 */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/rand.h"
#include "model/sample.h"
#include "tsdb/head_seal.h"
#include "tsdb/tsdb_internal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_COUNT 12
#define GROUP_COUNT 3
#define HOUR_MS INT64_C(3600000)
#define VIEWS_MAX 4
#define STAGED_MAX 256

struct model_sample {
    int64_t t_ms;
    uint64_t bits;
};

struct model_series {
    VEC(struct model_sample) samples; /* by time */
    VEC(struct model_sample) late;
    bool any;
    struct model_sample last; /* in order */
};

struct model_view {
    struct series_view *view;
    char *expected[SERIES_COUNT];
};

struct model {
    struct rand rand;
    uint64_t seed;
    struct tsdb_options options;
    struct tsdb *db;
    struct sample_group *groups[GROUP_COUNT];
    int64_t group_last_ms[GROUP_COUNT];
    struct labels *labels[SERIES_COUNT];
    struct model_series series[SERIES_COUNT];
    struct model_view views[VIEWS_MAX];
    int64_t now_ms;
    int64_t max_ms; /* of the head */
    int64_t window_ms;
};

static uint64_t below(struct model *model, uint64_t bound)
{
    return rand_below(&model->rand, bound);
}

static uint64_t random_bits(struct model *model, size_t series)
{
    static const uint64_t odd[] = {SAMPLE_STALE_BITS,   SAMPLE_NAN_BITS,     0x8000000000000000u,
                                   0x7ff0000000000000u, 0xfff0000000000000u, 0x7ff0123456789abcu};
    const struct model_sample *last = &model->series[series].last;
    switch (below(model, 8)) {
    case 0:
        return odd[below(model, ARRAY_SIZE(odd))];
    case 1:
        return rand_u64(&model->rand);
    case 2:
    case 3:
        return codec_double_bits((double)below(model, 1000) / 100);
    case 4:
        return codec_double_bits((double)model->now_ms * 0.001);
    default:
        return last->bits;
    }
}

static const char *label_text(size_t series)
{
    static char text[32];
    snprintf(text, sizeof(text), "x=%c,same=1", (char)('a' + series));
    return text;
}

/* The samples of both lists by time; in-order ones win. */
static char *expected_text(const struct model_series *series)
{
    struct buf out;
    buf_init(&out, (size_t)1 << 26);
    buf_append_str(&out, "");
    size_t late = 0;
    size_t at = 0;
    while (at < series->samples.len || late < series->late.len) {
        bool take_late = at == series->samples.len ||
                         (late < series->late.len &&
                          series->late.items[late].t_ms < series->samples.items[at].t_ms);
        if (!take_late && late < series->late.len &&
            series->late.items[late].t_ms == series->samples.items[at].t_ms)
            late++;
        const struct model_sample *sample =
            take_late ? &series->late.items[late++] : &series->samples.items[at++];
        buf_printf(&out, "%ld:%016lx ", (long)sample->t_ms, (unsigned long)sample->bits);
    }
    return out.data == NULL ? mem_strdup("") : buf_take(&out);
}

/* Does whoever asks for the newest sample alone, of everything or of the first half, get the one that
 * is the last of all? */
static bool newest_agrees(struct series_view *view, const struct series_entry *series,
                          const struct sample_columns *all)
{
    struct sample_columns columns;
    sample_columns_init(&columns);
    columns.newest_only = true;
    bool agrees = true;
    for (size_t count = all->count; count > 0 && agrees; count /= 2) {
        int64_t max_ms = all->timestamps_ms[count - 1];
        agrees = series_view_read(view, series, INT64_MIN, max_ms, &columns, NULL) == ERR_NONE &&
                 columns.count > 0 && columns.timestamps_ms[columns.count - 1] == max_ms &&
                 codec_double_bits(columns.values[columns.count - 1]) ==
                     codec_double_bits(all->values[count - 1]);
    }
    sample_columns_release(&columns);
    return agrees;
}

static char *actual_text(struct series_view *view, const struct labels *labels)
{
    struct buf out;
    buf_init(&out, (size_t)1 << 26);
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("x"), labels_get(labels, SLICE("x")), &matcher,
                          NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, INT64_MIN, INT64_MAX, false, 0};
    struct series_list list = {0};
    ck_assert(series_view_select(view, &query, &list, NULL) == ERR_NONE);
    ck_assert_uint_le(list.entries.len, 1);
    struct sample_columns columns;
    sample_columns_init(&columns);
    if (list.entries.len == 1 && series_view_read(view, &list.entries.items[0], INT64_MIN,
                                                  INT64_MAX, &columns, NULL) != ERR_NONE)
        buf_append_str(&out, "unreadable");
    if (columns.count > 0 && !newest_agrees(view, &list.entries.items[0], &columns))
        buf_append_str(&out, "another newest sample");
    for (size_t i = 0; i < columns.count; i++)
        buf_printf(&out, "%ld:%016lx ", (long)columns.timestamps_ms[i],
                   (unsigned long)codec_double_bits(columns.values[i]));
    sample_columns_release(&columns);
    series_list_release(&list);
    matcher_free(matcher);
    return out.data == NULL ? mem_strdup("") : buf_take(&out);
}

static void assert_text(struct model *model, size_t series, char *actual, const char *expected,
                        const char *when)
{
    if (strcmp(actual, expected) != 0) {
        size_t at = 0;
        while (actual[at] == expected[at])
            at++;
        at = at > 60 ? at - 60 : 0;
        ck_abort_msg("seed %lu, series %zu, %s:\nexpected ...%.200s\nactual   ...%.200s",
                     (unsigned long)model->seed, series, when, expected + at, actual + at);
    }
    mem_free(actual);
}

static void check_all(struct model *model, const char *when)
{
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(model->db), INT64_MIN, INT64_MAX, &view, NULL) ==
              ERR_NONE);
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        char *expected = expected_text(&model->series[i]);
        assert_text(model, i, actual_text(view, model->labels[i]), expected, when);
        mem_free(expected);
    }
    series_view_close(view);
}

static void view_open(struct model *model, struct model_view *view)
{
    ck_assert(series_source_open(tsdb_source(model->db), INT64_MIN, INT64_MAX, &view->view, NULL) ==
              ERR_NONE);
    for (size_t i = 0; i < SERIES_COUNT; i++)
        view->expected[i] = expected_text(&model->series[i]);
}

static void view_close(struct model *model, struct model_view *view)
{
    if (view->view == NULL)
        return;
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        assert_text(model, i, actual_text(view->view, model->labels[i]), view->expected[i],
                    "in an old view");
        mem_free(view->expected[i]);
    }
    series_view_close(view->view);
    view->view = NULL;
}

struct staged {
    size_t series;
    struct model_sample sample;
};

/* The rules, as plainly as they can be said. */
static enum append_result judge(const struct model *model, const struct model_series *series,
                                struct model_sample sample, int64_t valid_min_ms,
                                int64_t head_max_ms)
{
    if (sample.t_ms >= valid_min_ms) {
        if (!series->any || sample.t_ms > series->last.t_ms)
            return APPEND_OK;
        if (sample.t_ms == series->last.t_ms)
            return sample.bits == series->last.bits ? APPEND_DUPLICATE_SAME : APPEND_DUPLICATE;
    }
    if (model->window_ms > 0)
        return sample.t_ms >= head_max_ms - model->window_ms ? APPEND_OK : APPEND_TOO_OLD;
    return sample.t_ms < valid_min_ms ? APPEND_OUT_OF_BOUNDS : APPEND_OUT_OF_ORDER;
}

static void late_insert(struct model_series *series, struct model_sample sample)
{
    size_t at = 0;
    while (at < series->late.len && series->late.items[at].t_ms < sample.t_ms)
        at++;
    if (at < series->late.len && series->late.items[at].t_ms == sample.t_ms)
        return;
    vec_push(&series->late, sample);
    memmove(series->late.items + at + 1, series->late.items + at,
            (series->late.len - 1 - at) * sizeof(sample));
    series->late.items[at] = sample;
}

static void model_commit(struct model *model, const struct staged *staged, size_t count,
                         int64_t valid_min_ms, int64_t head_max_ms)
{
    for (size_t i = 0; i < count; i++) {
        struct model_series *series = &model->series[staged[i].series];
        struct model_sample sample = staged[i].sample;
        if (judge(model, series, sample, valid_min_ms, head_max_ms) != APPEND_OK)
            continue;
        if (sample.t_ms >= valid_min_ms && (!series->any || sample.t_ms > series->last.t_ms)) {
            vec_push(&series->samples, sample);
            series->last = sample;
            series->any = true;
        } else {
            late_insert(series, sample);
        }
        model->max_ms = MAX(model->max_ms, sample.t_ms);
    }
}

static int64_t random_time(struct model *model)
{
    switch (below(model, 12)) {
    case 0:
        return model->now_ms - (int64_t)below(model, 5000);
    case 1:
        return model->now_ms - (int64_t)below(model, 2 * HOUR_MS);
    default:
        return model->now_ms + (int64_t)below(model, 3) * 500;
    }
}

/* What one transaction has staged so far. */
struct attempt {
    struct appender *appender;
    size_t group; /* GROUP_COUNT = none */
    int64_t t_ms;
    int64_t valid_min_ms; /* INT64_MIN until the first sample */
    bool row;
    struct staged loose[STAGED_MAX];
    size_t loose_count;
    struct staged rows[STAGED_MAX];
    size_t row_count;
    int ways[SERIES_COUNT]; /* 0, or 1 + loosely */
    bool staged_in_row[SERIES_COUNT];
    struct model_sample in_row[SERIES_COUNT];
};

/* The first sample fixes what may come, and gives an empty head its time. */
static void attempt_bounds(struct model *model, struct attempt *attempt, int64_t t_ms)
{
    if (model->max_ms == INT64_MIN)
        model->max_ms = t_ms;
    if (attempt->valid_min_ms != INT64_MIN)
        return;
    attempt->valid_min_ms = model->max_ms - HOUR_MS;
    attempt->row = attempt->row && attempt->t_ms >= attempt->valid_min_ms;
}

static void attempt_keep(struct attempt *attempt, size_t number, struct model_sample sample,
                         bool loosely, bool into_row)
{
    if (!loosely) {
        attempt->staged_in_row[number] = true;
        attempt->in_row[number] = sample;
    }
    if (into_row)
        attempt->rows[attempt->row_count++] = (struct staged){number, sample};
    else
        attempt->loose[attempt->loose_count++] = (struct staged){number, sample};
}

static void attempt_append(struct model *model, struct attempt *attempt, size_t number)
{
    bool loosely = attempt->group == GROUP_COUNT || below(model, 20) == 0;
    /* the order within a commit of samples that came both ways is nobody's business */
    if (attempt->ways[number] != 0 && attempt->ways[number] != 1 + loosely)
        return;
    attempt->ways[number] = 1 + loosely;
    struct model_series *series = &model->series[number];
    struct model_sample sample = {loosely ? random_time(model) : attempt->t_ms,
                                  random_bits(model, number)};
    attempt_bounds(model, attempt, sample.t_ms);
    enum append_result expected =
        judge(model, series, sample, attempt->valid_min_ms, model->max_ms);
    bool newest = !series->any || sample.t_ms > series->last.t_ms;
    bool into_row = !loosely && attempt->row && expected == APPEND_OK && newest;
    series_ref ref = appender_series(attempt->appender, model->labels[number]);
    double value = codec_bits_double(sample.bits);
    enum append_result result = loosely ? append_at(attempt->appender, ref, sample.t_ms, value)
                                        : append(attempt->appender, ref, value);
    /* whether a second sample of the row is told at once depends on whether there is a row */
    enum append_result again_result =
        attempt->in_row[number].bits == sample.bits ? APPEND_DUPLICATE_SAME : APPEND_DUPLICATE;
    bool again = !loosely && attempt->staged_in_row[number] && expected == APPEND_OK &&
                 result == again_result;
    ck_assert_msg(again || result == expected, "seed %lu: append gave %d, not %d",
                  (unsigned long)model->seed, result, expected);
    if (result == APPEND_OK)
        attempt_keep(attempt, number, sample, loosely, into_row);
}

static void attempt_finish(struct model *model, struct attempt *attempt)
{
    if (below(model, 10) == 0) {
        appender_rollback(attempt->appender);
        return;
    }
    int64_t head_max_ms = model->max_ms;
    kit_commit(attempt->appender);
    model_commit(model, attempt->loose, attempt->loose_count, attempt->valid_min_ms, head_max_ms);
    model_commit(model, attempt->rows, attempt->row_count, attempt->valid_min_ms, head_max_ms);
    if (attempt->group < GROUP_COUNT && attempt->row_count > 0)
        model->group_last_ms[attempt->group] = attempt->t_ms;
}

static void transaction(struct model *model)
{
    static struct attempt attempt;
    memset(&attempt, 0, sizeof(attempt));
    size_t group = attempt.group = below(model, GROUP_COUNT + 1);
    bool grouped = group < GROUP_COUNT;
    model->now_ms += (int64_t)below(model, 3) * 1000;
    if (below(model, 200) == 0)
        model->now_ms += HOUR_MS;
    attempt.t_ms = random_time(model);
    attempt.valid_min_ms = INT64_MIN;
    if (grouped && model->groups[group] == NULL)
        model->groups[group] = sample_group_new(model->db);
    attempt.row = grouped && attempt.t_ms > model->group_last_ms[group];
    attempt.appender = kit_begin(model->db, grouped ? model->groups[group] : NULL, attempt.t_ms);
    size_t operations = 1 + below(model, 2 * SERIES_COUNT);
    for (size_t i = 0; i < operations; i++) {
        size_t number = grouped && below(model, 8) ? i % SERIES_COUNT : below(model, SERIES_COUNT);
        if (!grouped || below(model, 10) != 0)
            attempt_append(model, &attempt, number);
    }
    attempt_finish(model, &attempt);
}

static void groups_free(struct model *model)
{
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        sample_group_free(model->groups[i]);
        model->groups[i] = NULL;
        model->group_last_ms[i] = INT64_MIN;
    }
}

static void step(struct model *model)
{
    switch (below(model, 60)) {
    case 0: {
        size_t group = below(model, GROUP_COUNT);
        sample_group_free(model->groups[group]);
        model->groups[group] = NULL;
        model->group_last_ms[group] = INT64_MIN;
        break;
    }
    case 1:
    case 2:
    case 3: {
        struct model_view *view = &model->views[below(model, VIEWS_MAX)];
        if (view->view != NULL)
            view_close(model, view);
        else
            view_open(model, view);
        break;
    }
    case 4:
        check_all(model, "now");
        break;
    case 5: {
        ck_assert(tsdb_maintain(model->db, NULL) == ERR_NONE);
        MUTEX_GUARD(&model->db->maintenance_lock);
        ck_assert(head_seal(&model->db->head, &model->db->commit_lock, &model->db->head_files,
                            NULL) == ERR_NONE);
        head_files_sweep(&model->db->head_files);
        break;
    }
    case 6:
        if (below(model, 8) != 0)
            break;
        for (size_t i = 0; i < VIEWS_MAX; i++)
            view_close(model, &model->views[i]);
        groups_free(model);
        tsdb_close(model->db);
        model->options.no_snapshot = below(model, 2); /* the next stop: clean, or as by a kill */
        model->db = kit_open(&model->options);
        check_all(model, "after a restart");
        break;
    default:
        transaction(model);
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
                                           .wal_segment_bytes = 1 + below(model, 20000)};
    model->window_ms = window_ms;
    model->max_ms = INT64_MIN;
    model->now_ms = 1700000000000;
    model->db = kit_open(&model->options);
    for (size_t i = 0; i < SERIES_COUNT; i++)
        model->labels[i] = kit_labels(label_text(i));
    for (size_t i = 0; i < GROUP_COUNT; i++)
        model->group_last_ms[i] = INT64_MIN;
    size_t steps = 200 + below(model, 1500);
    for (size_t i = 0; i < steps; i++)
        step(model);
    check_all(model, "at the end");
    for (size_t i = 0; i < VIEWS_MAX; i++)
        view_close(model, &model->views[i]);
    groups_free(model);
    tsdb_close(model->db);
    model->db = kit_open(&model->options);
    check_all(model, "after the last restart");
    tsdb_close(model->db);
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        labels_unref(model->labels[i]);
        vec_release(&model->series[i].samples);
        vec_release(&model->series[i].late);
    }
    kit_remove(directory);
    mem_free(directory);
    mem_free(model);
}

static uint64_t seed_base(void)
{
    const char *text = getenv("FERULA_SEED");
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static int round_count(int usual)
{
    const char *text = getenv("FERULA_ROUNDS");
    return text == NULL ? usual : (int)strtol(text, NULL, 10);
}

START_TEST(storage_agrees_with_the_model)
{
    log_set_level(LOG_ERROR);
    for (int i = 0; i < round_count(8); i++)
        run(seed_base() + (uint64_t)i, 0);
}
END_TEST

START_TEST(storage_agrees_with_the_model_out_of_order)
{
    log_set_level(LOG_ERROR);
    for (int i = 0; i < round_count(8); i++)
        run(seed_base() + 1000 + (uint64_t)i, i % 2 ? 10000 : 3 * HOUR_MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, storage_agrees_with_the_model);
    tcase_add_test(tcase, storage_agrees_with_the_model_out_of_order);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
