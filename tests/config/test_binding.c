/* What the tables share: sizes, suggestions, paths, redaction, the order of keys. */
#include "config/binding.h"

#include <check.h>
#include <stdlib.h>

START_TEST(sizes_are_powers_of_two_with_a_unit)
{
    static const struct {
        const char *text;
        int64_t bytes;
        const char *printed;
    } good[] = {
        {"0", 0, "0B"},
        {"10B", 10, "10B"},
        {"1KB", 1024, "1KiB"},
        {"1KiB", 1024, "1KiB"},
        {"512MB", 512 << 20, "512MiB"},
        {"1.5KB", 1536, "1KiB512B"},
        {"1GiB512MiB", (int64_t)3 << 29, "1GiB512MiB"},
        {"2TB", (int64_t)2 << 40, "2TiB"},
        {"1EiB", (int64_t)1 << 60, "1EiB"},
        {".5MB", 512 << 10, "512KiB"},
        {"+3PB", (int64_t)3 << 50, "3PiB"},
    };
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"100", "units: unknown unit  in 100"},
        {"10mb", "units: unknown unit mb in 10mb"},
        {"10kB", "units: unknown unit kB in 10kB"},
        {"MB", "units: invalid MB"},
        {"", "units: invalid "},
        {".B", "units: invalid .B"},
        {"99999999999999999999B", "units: invalid 99999999999999999999B"},
        {"9EB", "units: overflow parsing unit"},
        {"1KiB1KB", "units: unknown unit KiB in 1KiB1KB"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        int64_t bytes = -1;
        struct buf printed;
        buf_init(&printed, 64);
        ck_assert_msg(binding_parse_size(slice_str(good[i].text), &bytes, NULL) == ERR_NONE, "%s",
                      good[i].text);
        ck_assert_msg(bytes == good[i].bytes, "%s is %lld", good[i].text, (long long)bytes);
        binding_print_size((uint64_t)bytes, &printed);
        ck_assert_str_eq(buf_cstr(&printed), good[i].printed);
        buf_release(&printed);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t bytes;
        struct errbuf err = ERRBUF_INIT;
        ck_assert_msg(binding_parse_size(slice_str(bad[i].text), &bytes, &err) == ERR_INVALID,
                      "%s", bad[i].text);
        ck_assert_str_eq(err.text, bad[i].message);
    }
}
END_TEST

START_TEST(the_nearest_word_is_found_if_it_is_near)
{
    static const char *const words[] = {"scrape_interval", "scrape_timeout", "metrics_path",
                                        "job_name", "scheme", NULL};
    static const struct {
        const char *word;
        const char *nearest;
    } cases[] = {
        {"scrape_intervall", "scrape_interval"}, {"scrape-interval", "scrape_interval"},
        {"Scrape_Interval", "scrape_interval"},  {"interval", "scrape_interval"},
        {"timeout", "scrape_timeout"},           {"metric_path", "metrics_path"},
        {"path", "metrics_path"},                {"jobname", "job_name"},
        {"job", "job_name"},                     {"shceme", "scheme"},
        {"zzz", NULL},                           {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *found = binding_nearest(slice_str(cases[i].word), words);
        if (cases[i].nearest == NULL)
            ck_assert_msg(found == NULL, "%s: %s", cases[i].word, found);
        else
            ck_assert_msg(found != NULL && strcmp(found, cases[i].nearest) == 0, "%s: %s",
                          cases[i].word, found == NULL ? "-" : found);
    }
}
END_TEST

START_TEST(relative_paths_hang_off_the_folder_of_the_file)
{
    static const struct {
        const char *file;
        const char *path;
        const char *joined;
    } cases[] = {
        {"prometheus.yml", "alerts.yml", "alerts.yml"},
        {"/etc/p/prometheus.yml", "alerts.yml", "/etc/p/alerts.yml"},
        {"/etc/p/prometheus.yml", "../a/./b//c.yml", "/etc/a/b/c.yml"},
        {"/prometheus.yml", "../../a", "/a"},
        {"conf/prometheus.yml", "../x", "x"},
        {"conf/prometheus.yml", "../../x", "../x"},
        {"../conf/prometheus.yml", "../../x", "../../x"},
        {"/etc/p.yml", "/abs/../kept", "/abs/../kept"},
        {"/etc/p.yml", "", ""},
        {"conf/p.yml", "..", "."},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct binding binding;
        arena_init(&arena, 1 << 16);
        binding_init(&binding, &arena, cases[i].file);
        struct slice joined = binding_join_path(&binding, slice_str(cases[i].path));
        ck_assert_msg(slice_eq_str(joined, cases[i].joined), "%s + %s = %.*s", cases[i].file,
                      cases[i].path, SLICE_ARG(joined));
        binding_release(&binding);
        arena_release(&arena);
    }
}
END_TEST

START_TEST(passwords_in_urls_are_not_shown)
{
    static const struct {
        const char *url;
        const char *shown;
    } cases[] = {
        {"http://u:secret@h/p", "http://u:xxxxx@h/p"},
        {"http://u:se@cret@h:1/p?a=b@c", "http://u:xxxxx@h:1/p?a=b@c"},
        {"http://:secret@h", "http://:xxxxx@h"},
        {"http://u@h/", "http://u@h/"},
        {"http://h:80/a:b@c", "http://h:80/a:b@c"},
        {"h:80", "h:80"},
    };
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slice shown = binding_redact_url(&arena, slice_str(cases[i].url));
        ck_assert_msg(slice_eq_str(shown, cases[i].shown), "%.*s", SLICE_ARG(shown));
    }
    arena_release(&arena);
}
END_TEST

START_TEST(keys_with_numbers_are_ordered_by_value)
{
    static const char *const ordered[] = {"_x", "A", "a", "a2", "a10", "ab", "b", "b1", "b01", "c"};
    for (size_t i = 0; i + 1 < ARRAY_SIZE(ordered); i++)
        ck_assert_msg(binding_compare_keys(slice_str(ordered[i]), slice_str(ordered[i + 1])) < 0,
                      "%s before %s", ordered[i], ordered[i + 1]);
    ck_assert_int_eq(binding_compare_keys(SLICE("same"), SLICE("same")), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("binding");
    TCase *cases = tcase_create("binding");
    tcase_add_test(cases, sizes_are_powers_of_two_with_a_unit);
    tcase_add_test(cases, the_nearest_word_is_found_if_it_is_near);
    tcase_add_test(cases, relative_paths_hang_off_the_folder_of_the_file);
    tcase_add_test(cases, passwords_in_urls_are_not_shown);
    tcase_add_test(cases, keys_with_numbers_are_ordered_by_value);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
