/* Native histograms all the way: appended, logged, read back with the hints that readers get. */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "tsdb/histogram_hints.h"

#include <check.h>
#include <stdlib.h>

static char *directory;
static struct tsdb *db;

static void setup(void)
{
    directory = mem_strdup(kit_directory());
    db = kit_open(&(struct tsdb_options){.path = directory});
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static void restart(void)
{
    tsdb_close(db);
    db = kit_open(&(struct tsdb_options){.path = directory});
}

/* Two positive buckets, one negative, and a zero bucket. */
struct sample_histogram {
    struct histogram histogram;
    struct histogram_span positive;
    struct histogram_span negative;
    double positive_counts[3];
    double negative_counts[1];
};

static void make(struct sample_histogram *out, double first, double second)
{
    *out = (struct sample_histogram){
        .positive = {-2, 2},
        .negative = {1, 1},
        .positive_counts = {first, second},
        .negative_counts = {1},
        .histogram = {.schema = 3,
                      .zero_threshold = 0.001,
                      .zero_count = 2,
                      .count = 3 + first + second,
                      .sum = first + second,
                      .positive_span_count = 1,
                      .negative_span_count = 1,
                      .positive_bucket_count = 2,
                      .negative_bucket_count = 1},
    };
    out->histogram.positive_spans = &out->positive;
    out->histogram.negative_spans = &out->negative;
    out->histogram.positive_buckets = out->positive_counts;
    out->histogram.negative_buckets = out->negative_counts;
}

static enum append_result stage(int64_t t_ms, const struct histogram *histogram)
{
    struct labels *labels = kit_labels("a=1");
    struct appender *appender = kit_begin(db, NULL, 0);
    enum append_result result =
        append_histogram_at(appender, appender_series(appender, labels), t_ms, histogram);
    kit_commit(appender);
    labels_unref(labels);
    return result;
}

static void store(int64_t t_ms, const struct histogram *histogram)
{
    ck_assert_int_eq(stage(t_ms, histogram), APPEND_OK);
}

static struct sample_columns columns;
static struct series_view *view;

/* The samples of the only series from then on; until done(). */
static void read_from(int64_t min_ms)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert(series_source_open(tsdb_source(db), min_ms, INT64_MAX, &view, &err) == ERR_NONE);
    struct series_query query = {.min_ms = min_ms, .max_ms = INT64_MAX};
    struct series_list list = {0};
    ck_assert(series_view_select(view, &query, &list, &err) == ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    sample_columns_init(&columns);
    ck_assert(series_view_read(view, &list.entries.items[0], min_ms, INT64_MAX, &columns, &err) ==
              ERR_NONE);
    series_list_release(&list);
}

static void read_all(void)
{
    read_from(INT64_MIN);
}

static void done(void)
{
    sample_columns_release(&columns);
    series_view_close(view);
}

/* The hints as text: U, Y, N, G; f for a float sample. */
static const char *hints_from(int64_t min_ms)
{
    static char text[256];
    read_from(min_ms);
    size_t len = 0;
    for (size_t i = 0; i < columns.count && len + 1 < sizeof(text); i++) {
        const struct histogram *histogram =
            columns.histograms == NULL ? NULL : columns.histograms[i];
        text[len++] = histogram == NULL ? 'f' : "UYNG"[histogram->reset_hint];
    }
    text[len] = '\0';
    done();
    return text;
}

static const char *hints(void)
{
    return hints_from(INT64_MIN);
}

START_TEST(every_kind_comes_back_as_it_was_also_after_a_restart)
{
    struct sample_histogram integer;
    make(&integer, 5, 7);
    struct sample_histogram fractions;
    make(&fractions, 5.25, 7.5);
    fractions.histogram.is_float = true;
    struct sample_histogram gauge;
    make(&gauge, 1, 1);
    gauge.histogram.reset_hint = HISTOGRAM_RESET_GAUGE;
    double bounds[] = {0.5, 1, 10};
    struct histogram_span span = {1, 2};
    double counts[] = {3, 4};
    struct histogram custom = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
                               .count = 7,
                               .sum = 12.5,
                               .positive_span_count = 1,
                               .positive_spans = &span,
                               .positive_bucket_count = 2,
                               .positive_buckets = counts,
                               .custom_bound_count = 3,
                               .custom_bounds = bounds};
    store(1000, &integer.histogram);
    store(2000, &fractions.histogram);
    store(3000, &gauge.histogram);
    store(4000, &custom);
    const struct histogram *expected[] = {&integer.histogram, &fractions.histogram,
                                          &gauge.histogram, &custom};
    for (int round = 0; round < 2; round++) {
        read_all();
        ck_assert_uint_eq(columns.count, 4);
        for (size_t i = 0; i < 4; i++) {
            ck_assert_int_eq(columns.timestamps_ms[i], 1000 * (int64_t)(i + 1));
            ck_assert_msg(histogram_equal(columns.histograms[i], expected[i]), "sample %zu", i);
        }
        done();
        restart();
    }
}
END_TEST

START_TEST(a_counter_says_no_reset_until_it_is_one)
{
    struct sample_histogram sample;
    for (int i = 0; i < 3; i++) {
        make(&sample, 5 + i, 7);
        store(1000 * (i + 1), &sample.histogram);
    }
    make(&sample, 8, 6); /* more in all, but less in a bucket */
    store(4000, &sample.histogram);
    make(&sample, 9, 6);
    store(5000, &sample.histogram);
    ck_assert_str_eq(hints(), "UNNUN");
    restart();
    ck_assert_str_eq(hints(), "UNNUN");
}
END_TEST

static void delete_samples(int64_t min_ms, int64_t max_ms)
{
    struct matcher *all;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("a"), SLICE("1"), &all, NULL) == ERR_NONE);
    ck_assert(tsdb_delete_series(db, (const struct matcher *const *)&all, 1, min_ms, max_ms,
                                 NULL) == ERR_NONE);
    matcher_free(all);
}

START_TEST(the_first_of_a_range_is_compared_with_the_one_before_it)
{
    struct sample_histogram sample;
    for (int i = 0; i < 6; i++) {
        make(&sample, 5 + i, i < 3 ? 7 : 6);
        sample.histogram.reset_hint = i == 4 ? HISTOGRAM_RESET_GAUGE : HISTOGRAM_RESET_UNKNOWN;
        store(1000 * (i + 1), &sample.histogram);
    }
    ck_assert_str_eq(hints(), "UNNUGU");
    ck_assert_str_eq(hints_from(1001), "NNUGU");
    ck_assert_str_eq(hints_from(3000), "NUGU");
    ck_assert_str_eq(hints_from(4000), "UGU");
    ck_assert_str_eq(hints_from(6000), "U");
    restart();
    ck_assert_str_eq(hints_from(3000), "NUGU");
    delete_samples(1000, 2000);
    ck_assert_str_eq(hints(), "UUGU");
}
END_TEST

START_TEST(no_reset_is_not_said_behind_deleted_samples_of_a_block)
{
    struct sample_histogram sample;
    for (int i = 0; i < 240; i++) {
        make(&sample, i < 30 ? 100 + i : i, 7);
        store(60000 * i, &sample.histogram);
    }
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    ck_assert_int_eq(hints()[30], 'U');
    ck_assert_int_eq(hints()[31], 'N');
    delete_samples(60000 * 30, 60000 * 35);
    ck_assert_int_eq(hints()[29], 'N');
    ck_assert_int_eq(hints()[30], 'U');
    ck_assert_int_eq(hints()[31], 'N');
    ck_assert_uint_eq(strspn(hints() + 31, "N"), 240 - 6 - 31);
}
END_TEST

START_TEST(the_first_of_a_range_has_no_hint_where_samples_came_late)
{
    tsdb_set_out_of_order_window(db, 100000);
    struct sample_histogram sample;
    make(&sample, 1, 7);
    store(1000, &sample.histogram);
    make(&sample, 3, 7);
    store(3000, &sample.histogram);
    store(4000, &sample.histogram);
    make(&sample, 9, 7);
    sample.histogram.reset_hint = HISTOGRAM_RESET_NO;
    ck_assert_int_eq(stage(2000, &sample.histogram), APPEND_OK);
    ck_assert_str_eq(hints_from(3000), "UN");
    ck_assert_str_eq(hints_from(2000), "UUN");
}
END_TEST

START_TEST(hints_of_clients_are_not_believed)
{
    struct sample_histogram sample;
    make(&sample, 5, 7);
    sample.histogram.reset_hint = HISTOGRAM_RESET_NO;
    store(1000, &sample.histogram);
    make(&sample, 4, 7);
    sample.histogram.reset_hint = HISTOGRAM_RESET_NO;
    store(2000, &sample.histogram);
    make(&sample, 6, 7);
    sample.histogram.reset_hint = HISTOGRAM_RESET_YES; /* it is kept apart, but told as unknown */
    store(3000, &sample.histogram);
    make(&sample, 7, 7);
    store(4000, &sample.histogram);
    ck_assert_str_eq(hints(), "UUUN");
}
END_TEST

START_TEST(gauges_stay_gauges_and_break_what_a_counter_was)
{
    struct sample_histogram sample;
    make(&sample, 5, 7);
    store(1000, &sample.histogram);
    make(&sample, 1, 7);
    sample.histogram.reset_hint = HISTOGRAM_RESET_GAUGE;
    store(2000, &sample.histogram);
    store(3000, &sample.histogram);
    make(&sample, 6, 7);
    store(4000, &sample.histogram);
    make(&sample, 6, 8);
    store(5000, &sample.histogram);
    ck_assert_str_eq(hints(), "UGGUN");
}
END_TEST

START_TEST(another_layout_of_the_same_buckets_is_no_reset)
{
    struct sample_histogram sample;
    make(&sample, 5, 7);
    store(1000, &sample.histogram);
    make(&sample, 5, 8);
    struct histogram_span spans[] = {{-3, 0}, {1, 1}, {0, 2}}; /* -2, then -1 and 0 */
    sample.positive_counts[2] = 1;
    sample.histogram.count++;
    sample.histogram.positive_spans = spans;
    sample.histogram.positive_span_count = 3;
    sample.histogram.positive_bucket_count = 3;
    store(2000, &sample.histogram);
    make(&sample, 5, 9); /* the third bucket is gone again, with its count */
    sample.histogram.count += 1;
    store(3000, &sample.histogram);
    ck_assert_str_eq(hints(), "UNU");
}
END_TEST

START_TEST(empty_buckets_may_vanish)
{
    struct sample_histogram sample;
    make(&sample, 5, 0);
    store(1000, &sample.histogram);
    make(&sample, 6, 0);
    sample.positive.length = 1;
    sample.histogram.positive_bucket_count = 1;
    store(2000, &sample.histogram);
    ck_assert_str_eq(hints(), "UN");
}
END_TEST

START_TEST(another_schema_threshold_or_kind_is_unknown)
{
    struct sample_histogram sample;
    make(&sample, 5, 7);
    store(1000, &sample.histogram);
    sample.histogram.schema = 2;
    store(2000, &sample.histogram);
    sample.histogram.zero_threshold = 0.01;
    store(3000, &sample.histogram);
    sample.histogram.is_float = true;
    store(4000, &sample.histogram);
    store(5000, &sample.histogram);
    ck_assert_str_eq(hints(), "UUUUN");
}
END_TEST

START_TEST(floats_and_histograms_may_take_turns)
{
    struct sample_histogram sample;
    make(&sample, 5, 7);
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 0)
            kit_append(db, "a=1", 1000 * i, i);
        else
            store(1000 * i, &sample.histogram);
    }
    ck_assert_str_eq(kit_read_range(db, "a=1", 294000, 298000),
                     "294000:294 295000:h15 296000:h15 297000:297 298000:h15");
    char *before = mem_strdup(kit_read(db, "a=1"));
    restart();
    ck_assert_str_eq(kit_read(db, "a=1"), before);
    mem_free(before);
}
END_TEST

START_TEST(a_stale_marker_behind_a_histogram_is_a_histogram)
{
    struct sample_histogram sample;
    make(&sample, 5, 7);
    store(1000, &sample.histogram);
    kit_append(db, "a=1", 2000, sample_stale());
    store(3000, &sample.histogram);
    for (int round = 0; round < 2; round++) {
        ck_assert_str_eq(hints(), "UUU");
        read_all();
        ck_assert(sample_is_stale(columns.histograms[1]->sum));
        ck_assert_uint_eq(columns.histograms[1]->positive_span_count, 0);
        done();
        restart();
    }
    kit_append(db, "a=1", 4000, 1);
    kit_append(db, "a=1", 5000, sample_stale());
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:h15 2000:hstale 3000:h15 4000:1 5000:stale");
}
END_TEST

START_TEST(a_group_may_have_histograms_beside_its_row)
{
    struct sample_group *group = sample_group_new(db);
    struct labels *labels = kit_labels("a=1");
    struct sample_histogram sample;
    for (int i = 0; i < 200; i++) {
        struct appender *appender = kit_begin(db, group, 1000 * i);
        ck_assert_int_eq(kit_stage(appender, "b=1", i), APPEND_OK);
        make(&sample, i, 2 * i);
        ck_assert_int_eq(
            append_histogram(appender, appender_series(appender, labels), &sample.histogram),
            APPEND_OK);
        kit_commit(appender);
    }
    struct appender *appender = kit_begin(db, group, 200000);
    ck_assert_int_eq(kit_stage(appender, "a=1", sample_stale()), APPEND_OK);
    ck_assert_int_eq(kit_stage(appender, "b=1", sample_stale()), APPEND_OK);
    kit_commit(appender);
    for (int round = 0; round < 2; round++) {
        ck_assert_str_eq(kit_read_range(db, "a=1", 198000, 300000),
                         "198000:h597 199000:h600 200000:hstale");
        ck_assert_str_eq(kit_read_range(db, "b=1", 198000, 300000),
                         "198000:198 199000:199 200000:stale");
        if (round == 0) {
            sample_group_free(group);
            restart();
        }
    }
    labels_unref(labels);
}
END_TEST

START_TEST(late_histograms_are_compared_with_their_neighbours)
{
    tsdb_set_out_of_order_window(db, 100000);
    struct sample_histogram sample;
    make(&sample, 1, 7);
    store(1000, &sample.histogram);
    make(&sample, 3, 7);
    store(3000, &sample.histogram);
    make(&sample, 9, 7);
    ck_assert_int_eq(stage(2000, &sample.histogram), APPEND_OK);
    ck_assert_str_eq(hints(), "UNU");
}
END_TEST

START_TEST(duplicates_are_told_whatever_their_hint)
{
    struct sample_histogram sample;
    make(&sample, 1, 7);
    store(1000, &sample.histogram);
    sample.histogram.reset_hint = HISTOGRAM_RESET_YES;
    ck_assert_int_eq(stage(1000, &sample.histogram), APPEND_DUPLICATE_SAME);
    sample.histogram.is_float = true;
    ck_assert_int_eq(stage(1000, &sample.histogram), APPEND_DUPLICATE);
    ck_assert_int_eq(kit_try(db, "a=1", 1000, 4), APPEND_DUPLICATE);
    ck_assert_int_eq(stage(500, &sample.histogram), APPEND_OUT_OF_ORDER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histograms");
    TCase *tcase = tcase_create("histograms");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_kind_comes_back_as_it_was_also_after_a_restart);
    tcase_add_test(tcase, a_counter_says_no_reset_until_it_is_one);
    tcase_add_test(tcase, the_first_of_a_range_is_compared_with_the_one_before_it);
    tcase_add_test(tcase, no_reset_is_not_said_behind_deleted_samples_of_a_block);
    tcase_add_test(tcase, the_first_of_a_range_has_no_hint_where_samples_came_late);
    tcase_add_test(tcase, hints_of_clients_are_not_believed);
    tcase_add_test(tcase, gauges_stay_gauges_and_break_what_a_counter_was);
    tcase_add_test(tcase, another_layout_of_the_same_buckets_is_no_reset);
    tcase_add_test(tcase, empty_buckets_may_vanish);
    tcase_add_test(tcase, another_schema_threshold_or_kind_is_unknown);
    tcase_add_test(tcase, floats_and_histograms_may_take_turns);
    tcase_add_test(tcase, a_stale_marker_behind_a_histogram_is_a_histogram);
    tcase_add_test(tcase, a_group_may_have_histograms_beside_its_row);
    tcase_add_test(tcase, late_histograms_are_compared_with_their_neighbours);
    tcase_add_test(tcase, duplicates_are_told_whatever_their_hint);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
