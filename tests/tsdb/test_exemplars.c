/* Exemplars: the rules of the ring, the log, and what a selection shows. */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "model/matcher.h"
#include "tsdb/tsdb_internal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char *directory;
static struct tsdb *db;

static void open_with(int64_t exemplars_max)
{
    db = kit_open(&(struct tsdb_options){.path = directory, .exemplars_max = exemplars_max});
}

static void setup(void)
{
    log_set_level(LOG_ERROR);
    directory = mem_strdup(kit_directory());
    open_with(8);
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static void restart_with(int64_t exemplars_max)
{
    tsdb_close(db);
    open_with(exemplars_max);
}

static enum exemplar_result add_labels(const char *series, int64_t t_ms, double value,
                                       const struct exemplar_label *labels, size_t count,
                                       bool timed)
{
    struct appender *appender = kit_begin(db, NULL, 0);
    struct labels *series_labels = kit_labels(series);
    struct exemplar exemplar = {.labels = labels,
                                .label_count = count,
                                .value = value,
                                .timestamp_ms = t_ms,
                                .has_timestamp = timed};
    enum exemplar_result result =
        append_exemplar(appender, appender_series(appender, series_labels), &exemplar);
    kit_commit(appender);
    labels_unref(series_labels);
    return result;
}

/* An exemplar with a time of its own and the label id. */
static enum exemplar_result add(const char *series, int64_t t_ms, double value, const char *id)
{
    struct exemplar_label label = {SLICE("id"), slice_str(id)};
    return add_labels(series, t_ms, value, &label, 1, true);
}

/* "{series} t:v{id} ..." of the series whose label `name` matches; until the next call. */
static const char *select_range(const char *name, const char *regex, int64_t min_ms, int64_t max_ms)
{
    static struct buf out;
    buf_release(&out);
    buf_init(&out, 1 << 16);
    buf_append_str(&out, "");
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_REGEX, slice_str(name), slice_str(regex), &matcher, NULL) ==
              ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct tsdb_matcher_set set = {matchers, 1};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct tsdb_exemplar_list list;
    ck_assert(tsdb_exemplars_select(db, min_ms, max_ms, &set, 1, &arena, &list, NULL) == ERR_NONE);
    for (size_t i = 0; i < list.series.len; i++) {
        const struct tsdb_exemplar_series *series = &list.series.items[i];
        buf_append_str(&out, i == 0 ? "" : " ");
        labels_print(series->labels, &out);
        for (size_t k = 0; k < series->count; k++) {
            const struct exemplar *exemplar = &series->exemplars[k];
            buf_printf(&out, " %ld:%g{", (long)exemplar->timestamp_ms, exemplar->value);
            for (size_t l = 0; l < exemplar->label_count; l++)
                buf_printf(&out, "%s%.*s=%.*s", l == 0 ? "" : ",",
                           SLICE_ARG(exemplar->labels[l].name),
                           SLICE_ARG(exemplar->labels[l].value));
            buf_append_str(&out, "}");
        }
    }
    tsdb_exemplar_list_release(&list);
    arena_release(&arena);
    matcher_free(matcher);
    return buf_cstr(&out);
}

static const char *select_all(void)
{
    return select_range("a", ".*", INT64_MIN, INT64_MAX);
}

START_TEST(exemplars_are_selected_by_series_and_time)
{
    ck_assert_int_eq(add("a=2", 1000, 1, "x"), EXEMPLAR_OK);
    ck_assert_int_eq(add("a=1", 2000, 2, "y"), EXEMPLAR_OK);
    ck_assert_int_eq(add("a=2", 3000, 3, "z"), EXEMPLAR_OK);
    ck_assert_str_eq(select_all(), "{a=\"1\"} 2000:2{id=y} {a=\"2\"} 1000:1{id=x} 3000:3{id=z}");
    ck_assert_str_eq(select_range("a", "2", 1001, 3000), "{a=\"2\"} 3000:3{id=z}");
    ck_assert_str_eq(select_range("a", ".*", 2001, 2999), "");
    ck_assert_str_eq(select_range("a", "3", INT64_MIN, INT64_MAX), "");
}
END_TEST

START_TEST(labels_are_sorted_and_empty_ones_left_out)
{
    struct exemplar_label labels[] = {
        {SLICE("z"), SLICE("1")}, {SLICE("b"), SLICE("")}, {SLICE("c"), SLICE("2")}};
    ck_assert_int_eq(add_labels("a=1", 1000, 1, labels, 3, true), EXEMPLAR_OK);
    ck_assert_str_eq(select_all(), "{a=\"1\"} 1000:1{c=2,z=1}");
}
END_TEST

START_TEST(the_newest_again_is_the_same_and_older_ones_are_refused)
{
    add("a=1", 2000, 5, "x");
    ck_assert_int_eq(add("a=1", 2000, 5, "x"), EXEMPLAR_SAME);
    ck_assert_int_eq(add("a=1", 1999, 5, "x"), EXEMPLAR_OUT_OF_ORDER);
    ck_assert_int_eq(add("a=1", 2000, 4, "x"), EXEMPLAR_OUT_OF_ORDER);
    ck_assert_int_eq(add("a=1", 2000, 6, "x"), EXEMPLAR_OK); /* buckets of one histogram */
    ck_assert_str_eq(select_all(), "{a=\"1\"} 2000:5{id=x} 2000:6{id=x}");
}
END_TEST

START_TEST(without_a_time_of_its_own_an_exemplar_is_known_again)
{
    ck_assert_int_eq(add_labels("a=1", 1000, 1, NULL, 0, false), EXEMPLAR_OK);
    ck_assert_int_eq(add_labels("a=1", 2000, 1, NULL, 0, false), EXEMPLAR_SAME);
    ck_assert_int_eq(add_labels("a=1", 2000, 1, NULL, 0, true), EXEMPLAR_OK);
    ck_assert_str_eq(select_all(), "{a=\"1\"} 1000:1{} 2000:1{}");
}
END_TEST

START_TEST(labels_have_at_most_128_code_points)
{
    char text[4 * 126 + 1];
    for (int i = 0; i < 126; i++)
        memcpy(text + 4 * i, "\xf0\x9f\x98\x80", 5);
    ck_assert_int_eq(add("a=1", 1000, 1, text), EXEMPLAR_OK); /* "id" are two more */
    char long_text[128];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[127] = '\0';
    ck_assert_int_eq(add("a=1", 2000, 1, long_text), EXEMPLAR_LABELS_TOO_LONG);
}
END_TEST

START_TEST(the_ring_forgets_what_was_stored_first)
{
    for (int i = 0; i < 6; i++)
        add("a=1", 1000 * i, i, "x");
    for (int i = 0; i < 5; i++)
        add("a=2", 1000 * i, i, "x");
    ck_assert_str_eq(select_all(),
                     "{a=\"1\"} 3000:3{id=x} 4000:4{id=x} 5000:5{id=x} {a=\"2\"} 0:0{id=x} "
                     "1000:1{id=x} 2000:2{id=x} 3000:3{id=x} 4000:4{id=x}");
    for (int i = 0; i < 8; i++)
        add("a=3", 1000 * i, i, "x");
    struct exemplars_figures figures;
    exemplars_figures(&db->exemplars, &figures);
    ck_assert_uint_eq(figures.series_count, 1);
    ck_assert_uint_eq(figures.count, 8);
    ck_assert_uint_eq(figures.appended, 19);
}
END_TEST

START_TEST(late_exemplars_go_between_within_the_window)
{
    tsdb_set_out_of_order_window(db, 5000);
    kit_append(db, "a=1", 10000, 1);
    add("a=1", 10000, 1, "x");
    add("a=1", 8000, 2, "y");
    add("a=1", 9000, 3, "z");
    ck_assert_int_eq(add("a=1", 5000, 1, "x"), EXEMPLAR_OUT_OF_ORDER);
    add("a=1", 9000, 4, "taken for the same");
    ck_assert_str_eq(select_all(), "{a=\"1\"} 8000:2{id=y} 9000:3{id=z} 10000:1{id=x}");
    /* the ring is full of one series: what is given up may be the neighbour */
    for (int i = 0; i < 40; i++)
        add("a=1", 10000 + (i % 7) * 700 + i, i, "w");
    int64_t last_ms = INT64_MIN;
    size_t count = 0;
    struct exemplars *ring = &db->exemplars;
    struct labels *labels = kit_labels("a=1");
    for (size_t i = 0; i < ring->slots.len; i++)
        count += ring->slots.items[i].series != NULL;
    size_t linked = 0;
    struct exemplar_series *series;
    for (size_t at = 0; (series = table_next(&ring->series, &at)) != NULL;) {
        for (int32_t slot = series->oldest; slot >= 0; slot = ring->slots.items[slot].next) {
            ck_assert_int_ge(ring->slots.items[slot].timestamp_ms, last_ms);
            last_ms = ring->slots.items[slot].timestamp_ms;
            linked++;
        }
    }
    ck_assert_uint_eq(linked, count);
    labels_unref(labels);
}
END_TEST

START_TEST(exemplars_survive_a_restart)
{
    add("a=1", 1000, 1.5, "x");
    add_labels("a=2", 2000, 2, NULL, 0, false);
    char *before = mem_strdup(select_all());
    restart_with(8);
    ck_assert_str_eq(select_all(), before);
    ck_assert_int_eq(add_labels("a=2", 3000, 2, NULL, 0, false), EXEMPLAR_SAME);
    restart_with(0);
    ck_assert_str_eq(select_all(), "");
    mem_free(before);
}
END_TEST

START_TEST(nothing_is_stored_where_the_limit_is_0)
{
    restart_with(0);
    ck_assert(!tsdb_takes_exemplars(db));
    ck_assert_int_eq(add("a=1", 1000, 1, "x"), EXEMPLAR_SAME);
    ck_assert_str_eq(select_all(), "");
}
END_TEST

START_TEST(another_size_keeps_the_newest)
{
    for (int i = 0; i < 10; i++)
        add(i % 2 == 0 ? "a=1" : "a=2", 1000 * i, i, "x");
    tsdb_set_exemplars_max(db, 3);
    ck_assert_str_eq(select_all(), "{a=\"1\"} 8000:8{id=x} {a=\"2\"} 7000:7{id=x} 9000:9{id=x}");
    tsdb_set_exemplars_max(db, 4);
    add("a=1", 10000, 10, "x");
    add("a=1", 11000, 11, "x");
    ck_assert_str_eq(select_all(), "{a=\"1\"} 8000:8{id=x} 10000:10{id=x} 11000:11{id=x} "
                                   "{a=\"2\"} 9000:9{id=x}");
    tsdb_set_exemplars_max(db, 0);
    ck_assert_str_eq(select_all(), "");
    tsdb_set_exemplars_max(db, 2);
    ck_assert_int_eq(add("a=1", 1000, 1, "x"), EXEMPLAR_OK);
    ck_assert_str_eq(select_all(), "{a=\"1\"} 1000:1{id=x}");
}
END_TEST

START_TEST(a_rolled_back_transaction_leaves_no_exemplar)
{
    struct appender *appender = kit_begin(db, NULL, 0);
    struct labels *labels = kit_labels("a=1");
    struct exemplar exemplar = {.timestamp_ms = 1000};
    ck_assert_int_eq(append_exemplar(appender, appender_series(appender, labels), &exemplar),
                     EXEMPLAR_OK);
    ck_assert_int_eq(append_exemplar(appender, 12345678, &exemplar), EXEMPLAR_UNKNOWN_SERIES);
    appender_rollback(appender);
    ck_assert_str_eq(select_all(), "");
    labels_unref(labels);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exemplars");
    TCase *tcase = tcase_create("exemplars");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, exemplars_are_selected_by_series_and_time);
    tcase_add_test(tcase, labels_are_sorted_and_empty_ones_left_out);
    tcase_add_test(tcase, the_newest_again_is_the_same_and_older_ones_are_refused);
    tcase_add_test(tcase, without_a_time_of_its_own_an_exemplar_is_known_again);
    tcase_add_test(tcase, labels_have_at_most_128_code_points);
    tcase_add_test(tcase, the_ring_forgets_what_was_stored_first);
    tcase_add_test(tcase, late_exemplars_go_between_within_the_window);
    tcase_add_test(tcase, exemplars_survive_a_restart);
    tcase_add_test(tcase, nothing_is_stored_where_the_limit_is_0);
    tcase_add_test(tcase, another_size_keeps_the_newest);
    tcase_add_test(tcase, a_rolled_back_transaction_leaves_no_exemplar);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
