/* The text of buckets, and that kept texts of bounds are the right ones. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/histogram_text.h"

static struct histogram_writer writer;

static void expect(struct histogram_bucket bucket, const char *expected)
{
    char text[HISTOGRAM_BUCKET_TEXT_SIZE];
    size_t len = (size_t)(histogram_put_bucket(&writer, text, &bucket) - text);
    ck_assert_uint_eq(len, strlen(expected));
    ck_assert_int_eq(memcmp(text, expected, len), 0);
}

START_TEST(a_bucket_is_a_rule_two_bounds_and_a_count)
{
    expect((struct histogram_bucket){.lower = 0.5, .upper = 1, .upper_inclusive = true, .count = 3},
           "[0,\"0.5\",\"1\",\"3\"]");
    expect(
        (struct histogram_bucket){.lower = -2, .upper = -1, .lower_inclusive = true, .count = 0.25},
        "[1,\"-2\",\"-1\",\"0.25\"]");
    expect((struct histogram_bucket){.lower = 1, .upper = INFINITY, .count = 1e21},
           "[2,\"1\",\"+Inf\",\"1e+21\"]");
    expect((struct histogram_bucket){.lower = -0.001,
                                     .upper = 0.001,
                                     .lower_inclusive = true,
                                     .upper_inclusive = true,
                                     .count = NAN},
           "[3,\"-0.001\",\"0.001\",\"NaN\"]");
}
END_TEST

START_TEST(thousands_of_bounds_keep_their_own_texts)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            double bound = exp2(i / 8.0 - 300);
            char number[FLOAT_TEXT_SHORT_SIZE + 1], expected[128];
            number[float_text_json(bound, number)] = '\0';
            snprintf(expected, sizeof(expected), "[0,\"0\",\"%s\",\"1\"]", number);
            expect((struct histogram_bucket){.upper = bound, .upper_inclusive = true, .count = 1},
                   expected);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api/histogram_text");
    TCase *tests = tcase_create("histogram_text");
    tcase_add_test(tests, a_bucket_is_a_rule_two_bounds_and_a_count);
    tcase_add_test(tests, thousands_of_bounds_keep_their_own_texts);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
