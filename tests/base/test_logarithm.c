/* Logarithms with the last digit that users of the reference see. */
#include "base/logarithm.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

START_TEST(logarithms_have_the_references_last_digit)
{
    /* values where the C library rounds to another neighbour */
    ck_assert_double_eq(logarithm_natural(0x1.34f9e0c308450p+1), 0x1.c3310d81f50d4p-1);
    ck_assert_double_eq(logarithm_natural(0x1.6da02bcc96aaep+2), 0x1.be235aaddbfa0p+0);
    ck_assert_double_eq(logarithm_binary(0x1.34f9e0c308450p+1), 0x1.4577488d93b62p+0);
    ck_assert_double_eq(logarithm_binary(0x1.2035469a72d63p+3), 0x1.95e2401c5f0a0p+1);
    ck_assert_double_eq(power_of_two(0.5), 0x1.6a09e667f3bccp+0);
    ck_assert_double_eq(power_of_two(-0.5), 0x1.6a09e667f3bccp-1);
    ck_assert_double_eq(logarithm_natural(1), 0);
    ck_assert_double_eq(logarithm_natural(0), -INFINITY);
    ck_assert_double_eq(logarithm_natural(INFINITY), INFINITY);
    ck_assert(isnan(logarithm_natural(-1)));
    ck_assert(isnan(logarithm_natural(NAN)));
}
END_TEST

START_TEST(powers_of_two_and_their_logarithms_are_exact)
{
    for (int i = -1074; i < 1024; i++)
        ck_assert_double_eq(logarithm_binary(ldexp(1, i)), i);
    for (int i = -1022; i < 1024; i++)
        ck_assert_double_eq(power_of_two(i), ldexp(1, i));
}
END_TEST

START_TEST(results_are_within_the_last_digits_of_the_library)
{
    for (int i = 1; i < 20000; i++) {
        double value = i * 0.00731;
        ck_assert_double_eq_tol(logarithm_natural(value), log(value),
                                4e-16 * (1 + fabs(log(value))));
        ck_assert_double_eq_tol(logarithm_binary(value), log2(value),
                                4e-16 * (1 + fabs(log2(value))));
        double exponent = i * 0.05 - 500;
        ck_assert_double_eq_tol(power_of_two(exponent) / exp2(exponent), 1, 4e-16);
    }
}
END_TEST

START_TEST(powers_beyond_the_range_are_infinite_or_zero)
{
    ck_assert_double_eq(power_of_two(1024), INFINITY);
    ck_assert_double_eq(power_of_two(INFINITY), INFINITY);
    ck_assert_double_eq(power_of_two(-1075), 0);
    ck_assert_double_eq(power_of_two(-INFINITY), 0);
    ck_assert(isnan(power_of_two(NAN)));
    ck_assert_double_eq(logarithm_binary(INFINITY), INFINITY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/logarithm");
    TCase *tests = tcase_create("logarithm");
    tcase_add_test(tests, logarithms_have_the_references_last_digit);
    tcase_add_test(tests, powers_of_two_and_their_logarithms_are_exact);
    tcase_add_test(tests, results_are_within_the_last_digits_of_the_library);
    tcase_add_test(tests, powers_beyond_the_range_are_infinite_or_zero);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
