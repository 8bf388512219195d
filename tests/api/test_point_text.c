/* Points have the text of the reference, whatever was written before them. */
#include "api/point_text.h"

#include "base/compiler.h"
#include "base/rand.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(struct point_writer *writer, int64_t timestamp_ms, double value, const char *want)
{
    char text[POINT_TEXT_SIZE];
    size_t len = (size_t)(point_put(writer, text, timestamp_ms, value) - text);
    ck_assert_msg(len == strlen(want) && memcmp(text, want, len) == 0, "got %.*s, want %s", (int)len,
                  text, want);
}

START_TEST(point_times_have_a_fraction_only_where_there_is_one)
{
    struct point_writer writer;
    point_writer_init(&writer);
    expect(&writer, 0, 1, "[0,\"1\"]");
    expect(&writer, 1, 1.5, "[0.001,\"1.5\"]");
    expect(&writer, 1700000000000, -0.25, "[1700000000,\"-0.25\"]");
    expect(&writer, 1700000000120, 1e21, "[1700000000.120,\"1e+21\"]");
    expect(&writer, 1700009999999, 0, "[1700009999.999,\"0\"]");
    expect(&writer, 1700010000000, 7, "[1700010000,\"7\"]");
    expect(&writer, -1, 7, "[-0.001,\"7\"]");
    expect(&writer, -1700010000500, 7, "[-1700010000.500,\"7\"]");
    expect(&writer, INT64_MAX, 7, "[9223372036854775.807,\"7\"]");
    expect(&writer, INT64_MIN, -1.7976931348623157e308,
           "[-9223372036854775.808,\"-1.7976931348623157e+308\"]");
    expect(&writer, 9999000, 7, "[9999,\"7\"]");
    expect(&writer, 10000000, 7, "[10000,\"7\"]");
}
END_TEST

START_TEST(point_times_do_not_depend_on_the_one_before)
{
    struct rand rand;
    rand_init(&rand, 3);
    struct point_writer writer;
    point_writer_init(&writer);
    for (int i = 0; i < 100000; i++) {
        int64_t ms = (int64_t)(rand_u64(&rand) >> rand_below(&rand, 64));
        if (ms == INT64_MIN)
            continue;
        uint64_t magnitude = (uint64_t)(ms < 0 ? -ms : ms);
        char want[64];
        size_t len = (size_t)snprintf(want, sizeof(want), "[%s%" PRIu64, ms < 0 ? "-" : "",
                                      magnitude / 1000);
        if (magnitude % 1000 != 0)
            len += (size_t)snprintf(want + len, sizeof(want) - len, ".%03" PRIu64, magnitude % 1000);
        snprintf(want + len, sizeof(want) - len, ",\"3\"]");
        expect(&writer, ms, 3, want);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("point_text");
    TCase *tcase = tcase_create("point_text");
    tcase_add_test(tcase, point_times_have_a_fraction_only_where_there_is_one);
    tcase_add_test(tcase, point_times_do_not_depend_on_the_one_before);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
