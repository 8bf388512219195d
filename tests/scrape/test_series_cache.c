/* The positional cache against a model that keeps texts: whatever order the lines of a body have,
 * every text finds its ref, repeats are seen, and what is gone is due for a stale marker. */
#include "scrape/series_cache.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"

static struct series_scan scan;
static struct series_cache cache;

static void set_up(void)
{
    series_scan_init(&scan, 4711);
    cache = (struct series_cache){0};
}

static void tear_down(void)
{
    series_scan_release(&scan);
    series_cache_release(&cache);
}

/* Runs one line through the scan as ingest does; new texts get the ref that is their number. */
static bool line(const char *text, series_ref ref, bool *out_new)
{
    struct slice series = slice_str(text);
    /* the parser asks with the rest of the body */
    char rest[64];
    snprintf(rest, sizeof(rest), "%s 1\n", text);
    size_t recognised = series_scan_recognise(&scan, slice_str(rest));
    ck_assert_uint_le(recognised, series.len);
    bool repeated;
    struct cached_series *entry = series_scan_next(&scan, series, &repeated);
    *out_new = cached_series_ref(entry) == 0;
    if (*out_new)
        series_scan_settle(&scan, entry, ref, false);
    ck_assert_uint_eq(cached_series_ref(entry), ref);
    if (!repeated)
        series_scan_stored(&scan, entry, true);
    return repeated;
}

static series_ref ref_of(const char *text)
{
    return (series_ref)(text[0] - 'a' + 1);
}

/* A body in which every letter is a line; returns what was new, and what is stale, as letters. */
static void body(const char *letters, char *out_new, char *out_stale, char *out_repeated)
{
    series_scan_begin(&scan, &cache);
    for (const char *at = letters; *at != '\0'; at++) {
        char text[] = {*at, '{', 'x', '=', '"', '1', '"', '}', '\0'};
        bool is_new;
        if (line(text, ref_of(text), &is_new))
            *out_repeated++ = *at;
        if (is_new)
            *out_new++ = *at;
    }
    size_t at = 0;
    series_ref ref;
    while (series_scan_next_stale(&scan, &at, &ref))
        *out_stale++ = (char)('a' + ref - 1);
    *out_new = *out_stale = *out_repeated = '\0';
    series_scan_commit(&scan);
}

static void expect(const char *letters, const char *fresh, const char *stale, const char *repeated)
{
    char got_new[64], got_stale[64], got_repeated[64];
    body(letters, got_new, got_stale, got_repeated);
    ck_assert_str_eq(got_new, fresh);
    ck_assert_str_eq(got_stale, stale);
    ck_assert_str_eq(got_repeated, repeated);
}

START_TEST(equal_bodies_are_known_line_by_line)
{
    expect("abcdef", "abcdef", "", "");
    for (int i = 0; i < 5; i++) {
        expect("abcdef", "", "", "");
        ck_assert(!scan.deviated);
    }
}
END_TEST

START_TEST(lines_that_are_added_removed_or_moved_do_not_disturb_the_others)
{
    expect("abcdef", "abcdef", "", "");
    expect("abxcdef", "x", "", "");
    expect("abxcdf", "", "e", "");
    expect("fdcxba", "", "", "");
    expect("fdcxba", "", "", "");
    expect("fdc", "", "xba", "");
    expect("", "", "fdc", "");
    expect("abc", "abc", "", "");
}
END_TEST

START_TEST(a_repeated_line_is_seen_wherever_it_stands)
{
    expect("abac", "abc", "", "a");
    expect("abac", "", "", "a");
    ck_assert(!scan.deviated);
    /* the first of the two vanishes: the other one is the series now */
    expect("bac", "", "", "");
    expect("bacaa", "", "", "aa");
    expect("aabc", "", "", "a");
    /* a new text twice in one body */
    expect("aabcxyx", "xy", "", "ax");
    expect("xaabcy", "", "", "a");
    expect("bcy", "", "xa", "");
}
END_TEST

START_TEST(a_failed_body_makes_all_series_due_and_keeps_what_was_learnt)
{
    expect("abc", "abc", "", "");
    series_scan_begin(&scan, &cache);
    bool is_new;
    line("a{x=\"1\"}", 1, &is_new);
    line("d{x=\"1\"}", 4, &is_new);
    ck_assert(is_new);
    size_t at = 0;
    series_ref ref;
    char stale[8] = "";
    for (size_t i = 0; series_cache_next_live(&cache, &at, &ref); i++)
        stale[i] = (char)('a' + ref - 1);
    ck_assert_str_eq(stale, "abc");
    ck_assert(series_scan_abandon(&scan));
    at = 0;
    ck_assert(!series_cache_next_live(&cache, &at, &ref));
    /* nothing was live, so nothing is stale, and all texts are known */
    expect("abd", "", "", "");
    expect("b", "", "ad", "");
}
END_TEST

START_TEST(failing_bodies_that_vary_do_not_fill_the_memory)
{
    expect("abc", "abc", "", "");
    bool cut = false;
    for (int round = 0; round < 10; round++) {
        series_scan_begin(&scan, &cache);
        for (int i = 0; i < 500; i++) {
            char text[32];
            snprintf(text, sizeof(text), "m%d_%d", round, i);
            bool repeated;
            struct cached_series *entry = series_scan_next(&scan, slice_str(text), &repeated);
            series_scan_settle(&scan, entry, 77, false);
        }
        cut = !series_scan_abandon(&scan) || cut;
    }
    ck_assert(cut);
    ck_assert_uint_le(cache.count, 3 * 2 + 1000);
}
END_TEST

START_TEST(forgotten_texts_are_new_but_still_due_for_a_stale_marker)
{
    expect("abc", "abc", "", "");
    series_cache_forget(&cache);
    size_t at = 0;
    series_ref ref;
    size_t live = 0;
    while (series_cache_next_live(&cache, &at, &ref))
        live++;
    ck_assert_uint_eq(live, 3);
    char fresh[8], stale[8], repeated[8];
    body("ab", fresh, stale, repeated);
    ck_assert_str_eq(fresh, "ab");
    ck_assert_str_eq(stale, "abc"); /* storage refuses a and b, which have a sample */
}
END_TEST

START_TEST(a_series_that_is_no_longer_tracked_is_due_once)
{
    expect("ab", "ab", "", "");
    series_scan_begin(&scan, &cache);
    bool repeated;
    struct cached_series *entry = series_scan_next(&scan, SLICE("a{x=\"1\"}"), &repeated);
    series_scan_stored(&scan, entry, false); /* it has a timestamp of its own now */
    entry = series_scan_next(&scan, SLICE("b{x=\"1\"}"), &repeated);
    series_scan_stored(&scan, entry, true);
    size_t at = 0;
    series_ref ref;
    ck_assert(series_scan_next_stale(&scan, &at, &ref));
    ck_assert_uint_eq(ref, 1);
    ck_assert(!series_scan_next_stale(&scan, &at, &ref));
    series_scan_commit(&scan);
    expect("b", "", "", "");
}
END_TEST

START_TEST(a_longer_text_that_begins_like_the_expected_one_is_another_series)
{
    series_scan_begin(&scan, &cache);
    bool is_new;
    line("go", 1, &is_new);
    series_scan_commit(&scan);
    series_scan_begin(&scan, &cache);
    ck_assert_uint_eq(series_scan_recognise(&scan, SLICE("go_info 1\n")), 2);
    bool repeated;
    struct cached_series *entry = series_scan_next(&scan, SLICE("go_info"), &repeated);
    ck_assert_uint_eq(cached_series_ref(entry), 0);
}
END_TEST

/* Texts are letters with a number; the model is arrays by text. */
START_TEST(random_bodies_agree_with_a_model)
{
    enum { TEXTS = 120, ROUNDS = 400 };
    struct rand rand;
    uint64_t seed = rand_seed_system();
    rand_init(&rand, seed);
    bool known[TEXTS] = {0};
    bool live[TEXTS] = {0};
    int order[TEXTS * 2];
    size_t count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t kind = rand_below(&rand, 4);
        if (count == 0 || kind == 0) {
            count = rand_below(&rand, TEXTS);
            for (size_t i = 0; i < count; i++)
                order[i] = (int)rand_below(&rand, TEXTS);
        } else if (kind == 1) {
            size_t a = rand_below(&rand, count);
            size_t b = rand_below(&rand, count);
            int text = order[a];
            order[a] = order[b];
            order[b] = text;
        } else if (kind == 2) {
            order[rand_below(&rand, count)] = (int)rand_below(&rand, TEXTS);
        }
        bool now[TEXTS] = {0};
        series_scan_begin(&scan, &cache);
        for (size_t i = 0; i < count; i++) {
            char text[32];
            snprintf(text, sizeof(text), "metric_%d", order[i]);
            bool is_new;
            bool repeated = line(text, (series_ref)order[i] + 1, &is_new);
            ck_assert_msg(repeated == now[order[i]], "seed %llu", (unsigned long long)seed);
            ck_assert_msg(is_new == !known[order[i]], "seed %llu", (unsigned long long)seed);
            now[order[i]] = known[order[i]] = true;
        }
        bool fail = rand_below(&rand, 5) == 0;
        size_t at = 0;
        series_ref ref;
        bool stale[TEXTS] = {0};
        while (fail ? series_cache_next_live(&cache, &at, &ref)
                    : series_scan_next_stale(&scan, &at, &ref)) {
            ck_assert(!stale[ref - 1]);
            stale[ref - 1] = true;
        }
        for (int i = 0; i < TEXTS; i++) {
            ck_assert_msg(stale[i] == (live[i] && (fail || !now[i])), "seed %llu round %d",
                          (unsigned long long)seed, round);
            live[i] = now[i] && !fail;
            if (!fail)
                known[i] = now[i];
        }
        if (fail)
            ck_assert(series_scan_abandon(&scan));
        else
            series_scan_commit(&scan);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series_cache");
    TCase *tcase = tcase_create("series_cache");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, equal_bodies_are_known_line_by_line);
    tcase_add_test(tcase, lines_that_are_added_removed_or_moved_do_not_disturb_the_others);
    tcase_add_test(tcase, a_repeated_line_is_seen_wherever_it_stands);
    tcase_add_test(tcase, a_failed_body_makes_all_series_due_and_keeps_what_was_learnt);
    tcase_add_test(tcase, failing_bodies_that_vary_do_not_fill_the_memory);
    tcase_add_test(tcase, forgotten_texts_are_new_but_still_due_for_a_stale_marker);
    tcase_add_test(tcase, a_series_that_is_no_longer_tracked_is_due_once);
    tcase_add_test(tcase, a_longer_text_that_begins_like_the_expected_one_is_another_series);
    tcase_add_test(tcase, random_bodies_agree_with_a_model);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
