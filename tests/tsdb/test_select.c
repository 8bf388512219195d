/* Matchers against many random series: the index says what looking at every series says. */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/rand.h"
#include "model/matcher.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_COUNT 1000

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;
static struct labels *all[SERIES_COUNT];
static size_t all_count;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){.path = directory, .fsync_policy = TSDB_FSYNC_OFF};
    db = kit_open(&options);
    struct rand rand;
    rand_init(&rand, 3);
    struct appender *appender = kit_begin(db, NULL, 0);
    for (int i = 0; i < SERIES_COUNT; i++) {
        char text[128];
        int len = snprintf(text, sizeof(text), "__name__=m%d,id=%d", (int)rand_below(&rand, 20), i);
        if (rand_below(&rand, 2))
            len += snprintf(text + len, sizeof(text) - (size_t)len, ",job=%s",
                            rand_below(&rand, 3) ? "node" : "api");
        if (rand_below(&rand, 3) == 0)
            snprintf(text + len, sizeof(text) - (size_t)len, ",zone=z%d",
                     (int)rand_below(&rand, 50));
        all[i] = kit_labels(text);
        ck_assert_int_eq(append_at(appender, appender_series(appender, all[i]), 1000, 1),
                         APPEND_OK);
    }
    all_count = SERIES_COUNT;
    kit_commit(appender);
}

static void teardown(void)
{
    for (size_t i = 0; i < SERIES_COUNT; i++)
        labels_unref(all[i]);
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static const struct {
    enum matcher_type type;
    const char *name;
    const char *value;
} forms[] = {
    {MATCHER_EQUAL, "__name__", "m3"},     {MATCHER_EQUAL, "id", "77"},
    {MATCHER_EQUAL, "job", "node"},        {MATCHER_EQUAL, "job", ""},
    {MATCHER_NOT_EQUAL, "job", "node"},    {MATCHER_NOT_EQUAL, "job", ""},
    {MATCHER_REGEX, "job", "node|api"},    {MATCHER_REGEX, "job", ".*"},
    {MATCHER_REGEX, "job", ".+"},          {MATCHER_REGEX, "zone", "z1.*"},
    {MATCHER_REGEX, "zone", "z1|z2|z33|"}, {MATCHER_NOT_REGEX, "zone", "z[0-4]."},
    {MATCHER_NOT_REGEX, "zone", ".+"},     {MATCHER_REGEX, "id", "1[0-9]+5"},
    {MATCHER_REGEX, "__name__", "m1|m2"},  {MATCHER_REGEX, "__name__", "m.*"},
    {MATCHER_EQUAL, "nobody", ""},         {MATCHER_EQUAL, "nobody", "x"},
    {MATCHER_NOT_EQUAL, "nobody", "x"},    {MATCHER_REGEX, "nobody", ".+"},
    {MATCHER_REGEX, "id", ".*9.*"},        {MATCHER_NOT_EQUAL, "__name__", "m3"},
};

static size_t matching(const struct matcher *const *matchers, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < all_count; i++) {
        bool good = true;
        for (size_t k = 0; k < count; k++)
            good = good && matcher_matches(matchers[k], labels_get(all[i], matchers[k]->name));
        found += good;
    }
    return found;
}

static void check(struct series_view *view, const struct matcher *const *matchers, size_t count)
{
    struct series_query query = {matchers, count, INT64_MIN, INT64_MAX, true, 0};
    struct series_list list = {0};
    ck_assert(series_view_select(view, &query, &list, NULL) == ERR_NONE);
    struct buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; i < count; i++)
        matcher_print(matchers[i], &text);
    size_t expected = matching(matchers, count);
    ck_assert_msg(list.entries.len == expected, "{%s}: %zu series, not %zu", buf_cstr(&text),
                  list.entries.len, expected);
    for (size_t i = 0; i < list.entries.len; i++) {
        for (size_t k = 0; k < count; k++)
            ck_assert(matcher_matches(matchers[k],
                                      labels_get(list.entries.items[i].labels, matchers[k]->name)));
        if (i > 0)
            ck_assert_int_lt(
                labels_compare(list.entries.items[i - 1].labels, list.entries.items[i].labels), 0);
    }
    buf_release(&text);
    series_list_release(&list);
}

START_TEST(any_one_to_three_matchers_agree_with_looking_at_every_series)
{
    struct matcher *matchers[ARRAY_SIZE(forms)];
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        ck_assert(matcher_new(forms[i].type, slice_str(forms[i].name), slice_str(forms[i].value),
                              &matchers[i], NULL) == ERR_NONE);
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) == ERR_NONE);
    check(view, NULL, 0);
    for (size_t a = 0; a < ARRAY_SIZE(forms); a++) {
        const struct matcher *some[3] = {matchers[a]};
        check(view, some, 1);
        for (size_t b = 0; b < ARRAY_SIZE(forms); b++) {
            some[1] = matchers[b];
            check(view, some, 2);
            some[2] = matchers[(a * 7 + b * 3) % ARRAY_SIZE(forms)];
            check(view, some, 3);
        }
    }
    series_view_close(view);
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        matcher_free(matchers[i]);
}
END_TEST

START_TEST(names_and_values_are_sorted_and_limited)
{
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) == ERR_NONE);
    struct arena arena;
    arena_init(&arena, 1 << 24);
    struct series_query query = {NULL, 0, INT64_MIN, INT64_MAX, true, 0};
    struct text_list names;
    ck_assert(series_view_label_names(view, &query, &arena, &names, NULL) == ERR_NONE);
    ck_assert_uint_eq(names.count, 4);
    ck_assert(slice_eq_str(names.items[0], "__name__"));
    ck_assert(slice_eq_str(names.items[3], "zone"));
    struct text_list values;
    ck_assert(series_view_label_values(view, SLICE("id"), &query, &arena, &values, NULL) ==
              ERR_NONE);
    ck_assert_uint_eq(values.count, SERIES_COUNT);
    for (size_t i = 1; i < values.count; i++)
        ck_assert_int_lt(slice_cmp(values.items[i - 1], values.items[i]), 0);
    query.limit = 5;
    ck_assert(series_view_label_values(view, SLICE("id"), &query, &arena, &values, NULL) ==
              ERR_NONE);
    ck_assert_uint_eq(values.count, 5);
    ck_assert(values.truncated);
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("id"), SLICE("5"), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    query = (struct series_query){matchers, 1, INT64_MIN, INT64_MAX, true, 0};
    ck_assert(series_view_label_values(view, SLICE("id"), &query, &arena, &values, NULL) ==
              ERR_NONE);
    ck_assert_uint_eq(values.count, 1);
    /* a time that the head does not have */
    query = (struct series_query){NULL, 0, 2000, 3000, true, 0};
    ck_assert(series_view_label_names(view, &query, &arena, &names, NULL) == ERR_NONE);
    ck_assert_uint_eq(names.count, 0);
    matcher_free(matcher);
    arena_release(&arena);
    series_view_close(view);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select");
    TCase *tcase = tcase_create("select");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, any_one_to_three_matchers_agree_with_looking_at_every_series);
    tcase_add_test(tcase, names_and_values_are_sorted_and_limited);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
