/* Durations read and print as the reference's do. */
#include "model/duration.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const int64_t DAY = INT64_C(86400000);

static void assert_duration(const char *text, int64_t expected_ms)
{
    int64_t ms = -1;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(duration_parse(slice_str(text), &ms, &err) == ERR_NONE, "%s: %s", text, err.text);
    ck_assert_int_eq(ms, expected_ms);
}

static void assert_no_duration(const char *text, const char *expected)
{
    int64_t ms = -1;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(duration_parse(slice_str(text), &ms, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, expected);
    ck_assert_int_eq(ms, -1);
}

START_TEST(duration_reads_every_unit_once_from_long_to_short)
{
    assert_duration("0", 0);
    assert_duration("0s", 0);
    assert_duration("5m", 300000);
    assert_duration("1h30m", 5400000);
    assert_duration("15d", 15 * DAY);
    assert_duration("1y2w3d4h5m6s7ms", 365 * DAY + 17 * DAY + 4 * 3600000 + 5 * 60000 + 6007);
    assert_duration("292y", 292 * 365 * DAY);
    assert_duration("00010s", 10000);
}
END_TEST

START_TEST(duration_refuses_with_the_texts_of_the_reference)
{
    assert_no_duration("", "empty duration string");
    assert_no_duration("5", "not a valid duration string: \"5\"");
    assert_no_duration("1m1d", "not a valid duration string: \"1m1d\"");
    assert_no_duration("1m1m", "not a valid duration string: \"1m1m\"");
    assert_no_duration("-1m", "not a valid duration string: \"-1m\"");
    assert_no_duration("1.5h", "unknown unit \".\" in duration \"1.5h\"");
    assert_no_duration("1x", "unknown unit \"x\" in duration \"1x\"");
    assert_no_duration(" 1m", "not a valid duration string: \" 1m\"");
    assert_no_duration("300y", "duration out of range");
    assert_no_duration("292y1000w", "duration out of range");
    assert_no_duration("99999999999999999999s",
                       "not a valid duration string: \"99999999999999999999s\"");
    char text[2000];
    struct errbuf err = ERRBUF_INIT;
    int64_t parsed;
    memset(text, '1', sizeof(text));
    ck_assert_int_eq(duration_parse(slice_from(text, sizeof(text)), &parsed, &err), ERR_INVALID);
    ck_assert_uint_eq(strlen(err.text), strlen("not a valid duration string: ...") + 2 + 64);
}
END_TEST

static void assert_print(int64_t ms, const char *expected)
{
    struct buf out;
    buf_init(&out, 100);
    duration_print(ms, &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
    buf_release(&out);
}

START_TEST(duration_prints_weeks_and_years_only_where_they_are_even)
{
    assert_print(0, "0s");
    assert_print(60000, "1m");
    assert_print(5400000, "1h30m");
    assert_print(15 * DAY, "15d");
    assert_print(14 * DAY, "2w");
    assert_print(365 * DAY, "1y");
    assert_print(366 * DAY, "366d");
    assert_print(372 * DAY, "372d");
    assert_print(60500, "1m500ms");
    assert_print(-90000, "-1m30s");
}
END_TEST

static void assert_go(int64_t ns, const char *expected)
{
    struct buf out;
    buf_init(&out, 100);
    duration_print_go(ns, &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
    buf_release(&out);
}

START_TEST(duration_prints_in_the_form_of_go)
{
    assert_go(0, "0s");
    assert_go(1, "1ns");
    assert_go(1100, "1.1\xc2\xb5s");
    assert_go(12000000, "12ms");
    assert_go(1500000000, "1.5s");
    assert_go(INT64_C(60000000000), "1m0s");
    assert_go(INT64_C(3600000000000), "1h0m0s");
    assert_go(INT64_C(-3723004000000), "-1h2m3.004s");
    assert_go(INT64_MIN, "-2562047h47m16.854775808s");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("duration");
    TCase *tcase = tcase_create("duration");
    tcase_add_test(tcase, duration_reads_every_unit_once_from_long_to_short);
    tcase_add_test(tcase, duration_refuses_with_the_texts_of_the_reference);
    tcase_add_test(tcase, duration_prints_weeks_and_years_only_where_they_are_even);
    tcase_add_test(tcase, duration_prints_in_the_form_of_go);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
