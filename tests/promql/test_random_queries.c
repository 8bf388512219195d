/* Some thousand random queries over random data: the engine's columns are what the naive evaluator
 * finds step by step. FERULA_SEED and FERULA_QUERIES choose others and more. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "tests/support/random_query.h"

#define QUERIES 4000

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

START_TEST(columns_are_what_the_naive_evaluator_finds)
{
    uint64_t seed = number_of("FERULA_SEED", 1), count = number_of("FERULA_QUERIES", QUERIES);
    size_t points = 0, failures = 0, differences = 0;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (uint64_t i = 0; i < count; i++) {
        struct random_bytes bytes = {.state = (seed * 1000003 + i) * 0x9e3779b97f4a7c15u + 1};
        struct random_outcome outcome;
        if (!random_query_check(&bytes, &outcome, &text)) {
            printf("seed %llu, query %llu: %s\n", (unsigned long long)seed, (unsigned long long)i,
                   buf_cstr(&text));
            differences++;
        }
        points += outcome.points;
        failures += outcome.failed;
    }
    printf("%llu queries, %zu points, %zu fail both ways, %zu differ\n", (unsigned long long)count,
           points, failures, differences);
    fflush(stdout);
    buf_release(&text);
    ck_assert_uint_eq(differences, 0);
    ck_assert_uint_gt(points, count * 4);
    ck_assert_uint_lt(failures, count / 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/random_queries");
    TCase *tests = tcase_create("random");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, columns_are_what_the_naive_evaluator_finds);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
