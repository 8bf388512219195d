/* Timestamps read and print as the reference's do. */
#include "model/timestamp.h"

#include <check.h>
#include <stdlib.h>

static void assert_time(const char *text, int64_t expected_ms)
{
    int64_t ms = -1;
    ck_assert_msg(timestamp_parse(slice_str(text), &ms), "%s", text);
    ck_assert_msg(ms == expected_ms, "%s: %lld", text, (long long)ms);
}

START_TEST(timestamp_reads_seconds_and_rfc3339)
{
    assert_time("0", 0);
    assert_time("1435781451.781", INT64_C(1435781451781));
    assert_time("-0.5", -500);
    assert_time("-1.25", -1250);
    assert_time("1e3", 1000000);
    assert_time("1.0006", 1001);
    assert_time("1.0004", 1000);
    assert_time("1e300", TIMESTAMP_MAX);
    assert_time("-Inf", TIMESTAMP_MIN);
    assert_time("1970-01-01T00:00:00Z", 0);
    assert_time("2015-07-01T20:10:51.781Z", INT64_C(1435781451781));
    assert_time("2015-07-01T22:10:51.7819+02:00", INT64_C(1435781451781));
    assert_time("2000-02-29T00:00:00-00:30", INT64_C(951784200000));
    assert_time("1969-12-31T23:59:59.999Z", -1);
    assert_time("-292273086-05-16T16:47:06Z", TIMESTAMP_MIN);
    assert_time("+292277025-08-18T07:12:54.999999999Z", TIMESTAMP_MAX);
}
END_TEST

START_TEST(timestamp_refuses_what_is_no_time)
{
    static const char *const texts[] = {
        "",
        "NaN",
        "now",
        "2015-07-01",
        "2015-07-01T20:10:51",
        "2015-07-01 20:10:51Z",
        "2015-13-01T20:10:51Z",
        "2015-02-29T20:10:51Z",
        "1900-02-29T20:10:51Z",
        "2015-07-01T24:10:51Z",
        "2015-07-01T20:60:51Z",
        "2015-07-01T20:10:60Z",
        "2015-07-01T20:10:51.Z",
        "2015-07-01T20:10:51+0200",
        "2015-07-01T20:10:51Zx",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int64_t ms;
        ck_assert_msg(!timestamp_parse(slice_str(texts[i]), &ms), "%s", texts[i]);
    }
}
END_TEST

static void assert_printed_time(int64_t ms, const char *seconds, const char *rfc3339)
{
    struct buf out;
    buf_init(&out, 100);
    timestamp_print_seconds(ms, &out);
    ck_assert_str_eq(buf_cstr(&out), seconds);
    buf_reset(&out);
    timestamp_print_rfc3339(ms, &out);
    ck_assert_str_eq(buf_cstr(&out), rfc3339);
    buf_release(&out);
}

START_TEST(timestamp_prints_seconds_and_rfc3339)
{
    assert_printed_time(0, "0", "1970-01-01T00:00:00Z");
    assert_printed_time(1500, "1.500", "1970-01-01T00:00:01.5Z");
    assert_printed_time(-1, "-0.001", "1969-12-31T23:59:59.999Z");
    assert_printed_time(INT64_C(1795009560120), "1795009560.120", "2026-11-18T13:46:00.12Z");
    assert_printed_time(INT64_C(951782400000), "951782400", "2000-02-29T00:00:00Z");
}
END_TEST

START_TEST(timestamp_reads_what_it_prints)
{
    struct buf out;
    buf_init(&out, 100);
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int64_t ms = (int64_t)(random % UINT64_C(253402300800000));
        int64_t back;
        buf_reset(&out);
        timestamp_print_rfc3339(ms, &out);
        ck_assert(timestamp_parse(buf_slice(&out), &back));
        ck_assert_int_eq(back, ms);
    }
    buf_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timestamp");
    TCase *tcase = tcase_create("timestamp");
    tcase_add_test(tcase, timestamp_reads_seconds_and_rfc3339);
    tcase_add_test(tcase, timestamp_refuses_what_is_no_time);
    tcase_add_test(tcase, timestamp_prints_seconds_and_rfc3339);
    tcase_add_test(tcase, timestamp_reads_what_it_prints);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
