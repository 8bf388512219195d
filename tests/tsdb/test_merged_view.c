/* A view over several: one series for each label set, samples in order, the later part wins. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "model/histogram.h"
#include "model/labels_builder.h"
#include "tests/support/fake_source.h"
#include "tsdb/merged_view.h"

#define PARTS 3
#define SERIES 40
#define TIMES 60

static struct fake_source *fakes[PARTS];
static struct series_view *view;
static struct errbuf err;
static struct labels *sets[SERIES];
/* what is expected: the value of the last part that has the time, NAN-free */
static double expected[SERIES][TIMES];
static bool is_there[SERIES][TIMES];
static bool is_histogram[SERIES][TIMES];
static int64_t starts_ms[SERIES][TIMES]; /* 0 = not known */
static bool with_histograms;
static bool with_starts;
static int damaged_part;
static int closed_count;
static struct merged_part limits[PARTS];

static void setup(void)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < SERIES; i++) {
        char text[16];
        labels_builder_reset(&builder);
        snprintf(text, sizeof(text), "s%02zu", i);
        labels_builder_set(&builder, SLICE("__name__"), slice_str(text));
        sets[i] = labels_builder_build(&builder);
        for (size_t t = 0; t < TIMES; t++)
            is_there[i][t] = false;
    }
    labels_builder_release(&builder);
    for (size_t p = 0; p < PARTS; p++) {
        fakes[p] = fake_source_new();
        limits[p] = (struct merged_part){.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    }
    with_histograms = with_starts = false;
    damaged_part = -1;
    closed_count = 0;
}

static void teardown(void)
{
    series_view_close(view);
    view = NULL;
    for (size_t p = 0; p < PARTS; p++) {
        ck_assert_uint_eq(fakes[p]->open_views, 0);
        fake_source_free(fakes[p]);
    }
    for (size_t i = 0; i < SERIES; i++)
        labels_unref(sets[i]);
}

static void add_sample(struct rand *random, struct fake_series *series, int64_t time_ms,
                       double value, bool *out_histogram, int64_t *out_start_ms)
{
    struct histogram histogram = {.sum = value, .is_float = true};
    *out_histogram = with_histograms && rand_below(random, 3) == 0;
    *out_start_ms = with_starts && rand_below(random, 3) == 0 ? time_ms / 7 + 1 : 0;
    if (*out_histogram)
        fake_series_add_histogram(series, time_ms, &histogram);
    else
        fake_series_add(series, time_ms, value);
    if (*out_start_ms != 0)
        fake_series_set_start(series, *out_start_ms);
}

/* Part p has times of [from, to), some of which are missing. */
static void fill(struct rand *random, size_t p, size_t from, size_t to)
{
    for (size_t i = 0; i < SERIES; i++) {
        if (rand_below(random, 3) == 0)
            continue;
        struct fake_series *series = fake_source_series(fakes[p], sets[i]);
        for (size_t t = from; t < to; t++) {
            if (rand_below(random, 4) == 0)
                continue;
            double value = (double)(p * 1000 + t);
            bool histogram;
            int64_t start_ms;
            add_sample(random, series, (int64_t)t * 10, value, &histogram, &start_ms);
            if ((int64_t)t * 10 < limits[p].min_ms || (int64_t)t * 10 > limits[p].max_ms)
                continue;
            expected[i][t] = value;
            is_there[i][t] = true;
            is_histogram[i][t] = histogram;
            starts_ms[i][t] = start_ms;
        }
    }
}

static bool on_damage(void *context, size_t part, const struct errbuf *error)
{
    ck_assert_ptr_eq(context, limits);
    damaged_part = (int)part;
    return true;
}

static void on_closed(void *context)
{
    closed_count++;
}

static void open_view(void)
{
    for (size_t p = 0; p < PARTS; p++)
        ck_assert_int_eq(series_source_open(&fakes[p]->source, 0, TIMES * 10, &limits[p].view, &err),
                         ERR_NONE);
    view = merged_view_new(&(struct merged_options){.parts = limits,
                                                    .count = PARTS,
                                                    .damage = on_damage,
                                                    .context = limits,
                                                    .closed = on_closed});
}

static void expect_series(const struct series_entry *entry, size_t i, size_t from, size_t to,
                          struct sample_columns *columns)
{
    ck_assert_int_eq(series_view_read(view, entry, (int64_t)from * 10, (int64_t)to * 10, columns,
                                      &err),
                     ERR_NONE);
    size_t at = 0;
    for (size_t t = from; t <= to && t < TIMES; t++) {
        if (!is_there[i][t])
            continue;
        ck_assert_uint_lt(at, columns->count);
        ck_assert_int_eq(columns->timestamps_ms[at], (int64_t)t * 10);
        bool histogram = columns->histograms != NULL && columns->histograms[at] != NULL;
        ck_assert_int_eq(histogram, is_histogram[i][t]);
        ck_assert_double_eq(histogram ? columns->histograms[at]->sum : columns->values[at],
                            expected[i][t]);
        ck_assert_int_eq(
            columns->start_timestamps_ms == NULL ? 0 : columns->start_timestamps_ms[at],
            starts_ms[i][t]);
        at++;
    }
    ck_assert_uint_eq(at, columns->count);
}

static void expect_all(void)
{
    struct series_query query = {.min_ms = 0, .max_ms = TIMES * 10, .sorted = true};
    struct series_list list = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
    for (size_t k = 0; k < list.entries.len; k++) {
        if (k > 0)
            ck_assert_int_lt(labels_compare(list.entries.items[k - 1].labels,
                                            list.entries.items[k].labels),
                             0);
        size_t i = 0;
        while (!labels_equal(sets[i], list.entries.items[k].labels))
            i++;
        expect_series(&list.entries.items[k], i, 0, TIMES, &columns);
        expect_series(&list.entries.items[k], i, 15, 44, &columns);
        expect_series(&list.entries.items[k], i, 59, 59, &columns);
    }
    sample_columns_release(&columns);
    series_list_release(&list);
}

START_TEST(parts_one_after_another)
{
    struct rand random;
    rand_init(&random, 1);
    fill(&random, 0, 0, 20);
    fill(&random, 1, 20, 40);
    fill(&random, 2, 40, 60);
    open_view();
    expect_all();
}
END_TEST

START_TEST(parts_one_after_another_that_append)
{
    struct rand random;
    rand_init(&random, 1);
    for (size_t p = 0; p < PARTS; p++)
        fakes[p]->appends = true;
    with_histograms = with_starts = true;
    fill(&random, 0, 0, 20);
    fill(&random, 1, 20, 40);
    fill(&random, 2, 40, 60);
    open_view();
    expect_all();
}
END_TEST

START_TEST(parts_that_overlap)
{
    for (uint64_t seed = 2; seed < 32; seed++) {
        struct rand random;
        rand_init(&random, seed);
        with_histograms = seed % 2 == 0;
        with_starts = seed % 3 == 0;
        for (size_t p = 0; p < PARTS; p++)
            fakes[p]->appends = rand_below(&random, 3) > 0;
        fill(&random, 0, 0, 50);
        fill(&random, 1, rand_below(&random, 30), 40);
        fill(&random, 2, rand_below(&random, 60), 60);
        open_view();
        expect_all();
        teardown();
        setup();
    }
}
END_TEST

START_TEST(a_part_is_asked_for_its_time_alone)
{
    struct rand random;
    rand_init(&random, 3);
    limits[0].max_ms = 199;
    limits[1].min_ms = 200;
    limits[1].max_ms = 399;
    limits[2].min_ms = 400;
    fill(&random, 0, 0, 60);
    fill(&random, 1, 0, 60);
    fill(&random, 2, 0, 60);
    open_view();
    expect_all();
}
END_TEST

START_TEST(the_newest_sample_is_that_of_any_part)
{
    fake_series_add(fake_source_series(fakes[0], sets[0]), 300, 1);
    fake_series_add(fake_source_series(fakes[1], sets[0]), 100, 2);
    fake_series_add(fake_source_series(fakes[2], sets[0]), 200, 3);
    open_view();
    struct series_query query = {.min_ms = 0, .max_ms = 1000};
    struct series_list list = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    columns.newest_only = true;
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    ck_assert_int_eq(series_view_read(view, &list.entries.items[0], 0, 1000, &columns, &err),
                     ERR_NONE);
    ck_assert_int_eq(columns.timestamps_ms[columns.count - 1], 300);
    ck_assert_int_eq(series_view_read(view, &list.entries.items[0], 0, 299, &columns, &err),
                     ERR_NONE);
    ck_assert_int_eq(columns.timestamps_ms[columns.count - 1], 200);
    sample_columns_release(&columns);
    series_list_release(&list);
}
END_TEST

/* Counters that grow by so much a millisecond. */
static void add_counters(size_t part, const int64_t *times_ms, size_t count, double speed)
{
    for (size_t i = 0; i < count; i++) {
        struct histogram histogram = {.count = (double)times_ms[i] * speed, .is_float = true};
        fake_series_add_histogram(fake_source_series(fakes[part], sets[0]), times_ms[i],
                                  &histogram);
    }
}

/* The hints of the only series: U, Y, N, G. */
static const char *hints(int64_t min_ms)
{
    static char text[32];
    struct series_query query = {.min_ms = 0, .max_ms = TIMES * 10};
    struct series_list list = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
    ck_assert_int_eq(
        series_view_read(view, &list.entries.items[0], min_ms, TIMES * 10, &columns, &err),
        ERR_NONE);
    for (size_t i = 0; i < columns.count; i++)
        text[i] = "UYNG"[columns.histograms[i]->reset_hint];
    text[columns.count] = '\0';
    series_list_release(&list);
    sample_columns_release(&columns);
    return text;
}

START_TEST(histograms_of_two_parts_are_compared_where_they_meet)
{
    static const int64_t old[] = {10, 20, 30, 40, 45}, late[] = {5, 32, 35, 40, 50};
    static const int64_t newer[] = {90, 100, 110};
    fakes[0]->appends = _i % 2 != 0;
    fakes[1]->appends = fakes[2]->appends = _i / 2 != 0;
    add_counters(0, old, 5, 1);
    add_counters(1, late, 5, 10);
    add_counters(2, newer, 3, 1);
    limits[2].min_ms = 95;
    open_view();
    /* of 5, 10, 20, 30, 32, 35, 40, 45, 50, 100, 110 */
    ck_assert_str_eq(hints(0), "UUNNNNNUNUN");
    ck_assert_str_eq(hints(100), "NN");
}
END_TEST

START_TEST(values_of_all_parts_are_listed_once)
{
    fake_source_series(fakes[0], sets[5]);
    fake_source_series(fakes[1], sets[3]);
    fake_source_series(fakes[2], sets[5]);
    open_view();
    struct series_query query = {.min_ms = 0, .max_ms = 1000};
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct text_list list;
    ck_assert_int_eq(
        series_view_label_values(view, SLICE("__name__"), &query, &arena, &list, &err), ERR_NONE);
    ck_assert_uint_eq(list.count, 2);
    ck_assert(slice_eq_str(list.items[0], "s03"));
    query.limit = 1;
    ck_assert_int_eq(
        series_view_label_values(view, SLICE("__name__"), &query, &arena, &list, &err), ERR_NONE);
    ck_assert_uint_eq(list.count, 1);
    ck_assert(list.truncated);
    arena_release(&arena);
}
END_TEST

/* A view whose samples cannot be read. */
static struct series_view broken_view;
static enum err broken_select(struct series_view *base, const struct series_query *query,
                              struct series_list *out, struct errbuf *error)
{
    return errbuf_set(error, ERR_CORRUPT, "chunks: at offset 7: damaged");
}
/* Finds the damage after the first sample. */
static enum err torn_select(struct series_view *base, const struct series_query *query,
                            struct series_list *out, struct errbuf *error)
{
    vec_push(&out->entries, (struct series_entry){sets[0], 0});
    return ERR_NONE;
}
static enum err torn_read(struct series_view *base, const struct series_entry *entry,
                          int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                          struct errbuf *error)
{
    sample_columns_begin(out);
    vec_push(&out->timestamp_memory, 400);
    vec_push(&out->value_memory, 7);
    return errbuf_set(error, ERR_CORRUPT, "chunks: at offset 8: damaged");
}
static void broken_close(struct series_view *base)
{
}
static const struct series_view_operations broken_operations = {.select = broken_select,
                                                                .close = broken_close};

static const struct series_view_operations torn_operations = {
    .appends = true, .select = torn_select, .read = torn_read, .close = broken_close};

START_TEST(nothing_is_shown_of_a_part_that_turns_out_damaged)
{
    fake_series_add(fake_source_series(fakes[0], sets[0]), 300, 1);
    fakes[0]->appends = true;
    broken_view.operations = &torn_operations;
    struct merged_part parts[3] = {{.min_ms = 0, .max_ms = 350},
                                   {.view = &broken_view, .min_ms = 0, .max_ms = 1000},
                                   {.min_ms = 351, .max_ms = 1000}};
    for (size_t p = 0; p < 3; p += 2)
        ck_assert_int_eq(series_source_open(&fakes[0]->source, 0, 1000, &parts[p].view, &err),
                         ERR_NONE);
    fake_series_add(fake_source_series(fakes[0], sets[0]), 500, 2);
    view = merged_view_new(&(struct merged_options){
        .parts = parts, .count = 3, .damage = on_damage, .context = limits});
    struct sample_columns columns;
    sample_columns_init(&columns);
    struct series_query query = {.min_ms = 0, .max_ms = 1000};
    struct series_list list = {0};
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    ck_assert_int_eq(series_view_read(view, &list.entries.items[0], 0, 1000, &columns, &err),
                     ERR_NONE);
    ck_assert_int_eq(damaged_part, 1);
    ck_assert_uint_eq(columns.count, 2);
    ck_assert_int_eq(columns.timestamps_ms[0], 300);
    ck_assert_int_eq(columns.timestamps_ms[1], 500);
    sample_columns_release(&columns);
    series_list_release(&list);
}
END_TEST

START_TEST(a_damaged_part_is_named_and_left_out)
{
    fake_series_add(fake_source_series(fakes[0], sets[0]), 300, 1);
    broken_view.operations = &broken_operations;
    struct merged_part parts[2] = {{.view = &broken_view, .min_ms = 0, .max_ms = 1000},
                                   {.min_ms = 0, .max_ms = 1000}};
    ck_assert_int_eq(series_source_open(&fakes[0]->source, 0, 1000, &parts[1].view, &err),
                     ERR_NONE);
    view = merged_view_new(&(struct merged_options){.parts = parts,
                                                    .count = 2,
                                                    .damage = on_damage,
                                                    .context = limits,
                                                    .closed = on_closed});
    struct series_query query = {.min_ms = 0, .max_ms = 1000};
    struct series_list list = {0};
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    ck_assert_int_eq(damaged_part, 0);
    series_list_release(&list);
    series_view_close(view);
    view = NULL;
    ck_assert_int_eq(closed_count, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/merged_view");
    TCase *tests = tcase_create("merged_view");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, parts_one_after_another);
    tcase_add_test(tests, parts_one_after_another_that_append);
    tcase_add_test(tests, parts_that_overlap);
    tcase_add_test(tests, a_part_is_asked_for_its_time_alone);
    tcase_add_test(tests, the_newest_sample_is_that_of_any_part);
    tcase_add_loop_test(tests, histograms_of_two_parts_are_compared_where_they_meet, 0, 4);
    tcase_add_test(tests, values_of_all_parts_are_listed_once);
    tcase_add_test(tests, nothing_is_shown_of_a_part_that_turns_out_damaged);
    tcase_add_test(tests, a_damaged_part_is_named_and_left_out);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
