/* Log lines have the shape of the reference's. */
#include "base/log.h"

#include "base/buf.h"

#include <check.h>
#include <stdlib.h>

static void keep(const char *line, size_t len, void *context)
{
    buf_append(context, line, len);
}

/* The line without its time, which ends at the first space or comma. */
static const char *tail(struct buf *line, char separator)
{
    const char *at = strchr(buf_cstr(line), separator);
    ck_assert_ptr_nonnull(at);
    return at + 1;
}

START_TEST(log_writes_logfmt_with_quotes_where_they_are_needed)
{
    struct buf line CLEANUP(buf_release);
    buf_init(&line, 1 << 20);
    log_set_sink(keep, &line);
    log_write(LOG_WARN, "../scrape/loop.c", 7, "two words",
              (const struct log_field[]){log_str("plain", "a/b:c\\d"), log_str("empty", ""),
                                         log_str("quoted", "a\"b\\\n\x01="), log_int("i", -3),
                                         log_uint("u", 3), log_double("d", 0.5),
                                         log_bool("b", true), {0}});
    ck_assert_str_eq(tail(&line, ' '),
                     "level=WARN source=loop.c:7 msg=\"two words\" plain=a/b:c\\d empty=\"\" "
                     "quoted=\"a\\\"b\\\\\\n\\x01=\" i=-3 u=3 d=0.5 b=true\n");
    ck_assert_int_eq(strncmp(buf_cstr(&line), "time=20", 7), 0);
    ck_assert_int_eq(buf_cstr(&line)[strlen("time=2026-11-20T10:00:00.000")], 'Z');
    log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(log_prints_durations_as_go_does)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1ns"},
        {1500, "1.5µs"},
        {12000000, "12ms"},
        {-1500000000, "-1.5s"},
        {61000000001, "1m1.000000001s"},
        {3600000000000, "1h0m0s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };
    struct buf line CLEANUP(buf_release);
    buf_init(&line, 1 << 20);
    log_set_sink(keep, &line);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        buf_reset(&line);
        log_info("m", log_duration_ns("took", cases[i].ns));
        const char *at = strstr(buf_cstr(&line), "took=");
        ck_assert_ptr_nonnull(at);
        at += 5;
        ck_assert_uint_eq(strlen(at), strlen(cases[i].text) + 1);
        ck_assert_int_eq(strncmp(at, cases[i].text, strlen(cases[i].text)), 0);
    }
    log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(log_writes_json)
{
    struct buf line CLEANUP(buf_release);
    buf_init(&line, 1 << 20);
    log_set_sink(keep, &line);
    log_set_format(LOG_FORMAT_JSON);
    log_write(LOG_ERROR, "main.c", 1, "m",
              (const struct log_field[]){log_str("s", "a\"<"), log_bool("b", false),
                                         log_double("nan", __builtin_nan("")), log_int("i", 4), {0}});
    log_set_format(LOG_FORMAT_LOGFMT);
    ck_assert_str_eq(tail(&line, ','), "\"level\":\"ERROR\",\"source\":\"main.c:1\",\"msg\":\"m\","
                                       "\"s\":\"a\\\"\\u003c\",\"b\":false,\"nan\":\"NaN\",\"i\":4}\n");
    log_set_sink(NULL, NULL);
}
END_TEST

static int evaluations;
static int64_t evaluate(void)
{
    evaluations++;
    return 1;
}

START_TEST(log_below_the_level_costs_nothing)
{
    struct buf line CLEANUP(buf_release);
    buf_init(&line, 1 << 20);
    log_set_sink(keep, &line);
    log_debug("hidden", log_int("n", evaluate()));
    ck_assert_uint_eq(line.len, 0);
    ck_assert_int_eq(evaluations, 0);
    log_set_level(LOG_DEBUG);
    log_debug("shown", log_int("n", evaluate()));
    ck_assert_int_eq(evaluations, 1);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&line), "msg=shown n=1\n"));
    log_set_level(LOG_INFO);
    log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(log_cuts_texts_that_are_too_long)
{
    struct buf text CLEANUP(buf_release);
    struct buf line CLEANUP(buf_release);
    buf_init(&text, 1 << 20);
    buf_init(&line, 1 << 20);
    for (int i = 0; i < 1000000; i++)
        buf_append_byte(&text, '\x01');
    log_set_sink(keep, &line);
    log_info("m", log_slice("long", buf_slice(&text)), log_int("after", 1));
    ck_assert_uint_gt(line.len, 1000);
    ck_assert(slice_has_suffix(buf_slice(&line), SLICE("\" after=1\n")));
    log_set_sink(NULL, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");
    tcase_add_test(tcase, log_writes_logfmt_with_quotes_where_they_are_needed);
    tcase_add_test(tcase, log_prints_durations_as_go_does);
    tcase_add_test(tcase, log_writes_json);
    tcase_add_test(tcase, log_below_the_level_costs_nothing);
    tcase_add_test(tcase, log_cuts_texts_that_are_too_long);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
