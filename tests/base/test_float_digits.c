/* The digits are the fewest that read back, and of those the nearest. */
#include "base/float_digits.h"

#include "base/codec.h"
#include "base/compiler.h"
#include "base/rand.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void text_of(double value, char out[40])
{
    struct float_digits digits;
    float_digits_shortest(value, &digits);
    snprintf(out, 40, "%.*se%d", (int)digits.count, (const char *)digits.words, digits.exponent);
}

static void expect(double value, const char *want)
{
    char text[40];
    text_of(value, text);
    ck_assert_str_eq(text, want);
}

/* The C library rounds to the nearest of any number of digits; the first that reads back is it, but
 * for powers of two, whose lower neighbour is nearer than the upper. */
static void want_of(double value, char out[40])
{
    char text[40];
    int count = 1;
    do {
        snprintf(text, sizeof(text), "%.*e", count - 1, value);
        count++;
    } while (strtod(text, NULL) != value);
    char *e = strchr(text, 'e');
    size_t len = 0;
    for (const char *at = text; at < e; at++) {
        if (*at != '.')
            out[len++] = *at;
    }
    while (len > 1 && out[len - 1] == '0')
        len--;
    snprintf(out + len, 40 - len, "e%d", (int)strtol(e + 1, NULL, 10));
}

static void expect_shortest(double value)
{
    char text[40], want[40];
    text_of(value, text);
    want_of(value, want);
    ck_assert_str_eq(text, want);
}

START_TEST(float_digits_of_special_cases_are_those_of_the_literature)
{
    expect(0, "0e0");
    expect(1, "1e0");
    expect(5e-324, "5e-324");
    expect(DBL_MAX, "17976931348623157e308");
    expect(DBL_MIN, "22250738585072014e-308");
    expect(2.2250738585072011e-308, "2225073858507201e-308");
    expect(9007199254740991, "9007199254740991e15");
    expect(9007199254740993, "9007199254740992e15");
    expect(2e23, "2e23");
    expect(9.5e-3, "95e-3");
    expect(123456789012345680.0, "12345678901234568e17");
    /* a power of two: a neighbour that is nearer below than above */
    expect(0x1p-44, "5684341886080802e-14");
    expect(0x1p-1074, "5e-324");
    expect(0x1p1023, "898846567431158e307");
}
END_TEST

START_TEST(float_digits_of_random_bits_are_the_shortest)
{
    struct rand rand;
    rand_init(&rand, 20261120);
    for (int i = 0; i < 20000; i++) {
        double value = fabs(codec_bits_double(rand_u64(&rand)));
        if (isfinite(value) && value != 0)
            expect_shortest(value);
    }
}
END_TEST

START_TEST(float_digits_of_quotients_and_decimals_are_the_shortest)
{
    struct rand rand;
    rand_init(&rand, 1);
    for (int i = 0; i < 20000; i++) {
        double whole = (double)rand_below(&rand, UINT64_C(1) << 40);
        expect_shortest((whole + 1) / (double)(1 + rand_below(&rand, 1000)));
        expect_shortest((whole + 1) / 100);
        expect_shortest(whole + 3);
    }
}
END_TEST

START_TEST(float_digits_come_with_zeros_behind_them)
{
    struct float_digits digits;
    float_digits_shortest(12.5, &digits);
    ck_assert_uint_eq(digits.count, 3);
    ck_assert_int_eq(digits.exponent, 1);
    ck_assert_mem_eq(digits.words, "125000000000000000000000", sizeof(digits.words));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("float_digits");
    TCase *tcase = tcase_create("float_digits");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, float_digits_of_special_cases_are_those_of_the_literature);
    tcase_add_test(tcase, float_digits_of_random_bits_are_the_shortest);
    tcase_add_test(tcase, float_digits_of_quotients_and_decimals_are_the_shortest);
    tcase_add_test(tcase, float_digits_come_with_zeros_behind_them);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
