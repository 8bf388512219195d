/* Numbers as text are byte for byte those of Go's strconv, both ways. */
#include "base/float_text.h"

#include "base/codec.h"
#include "base/compiler.h"
#include "base/rand.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct form {
    double value;
    const char *f;
    const char *g;
    const char *e;
    const char *json;
    const char *openmetrics;
};

/* printed by Go 1.26 */
static const struct form forms[] = {
    {0, "0", "0", "0e+00", "0", "0.0"},
    {-0.0, "-0", "-0", "-0e+00", "-0", "-0.0"},
    {1, "1", "1", "1e+00", "1", "1.0"},
    {100, "100", "100", "1e+02", "100", "100.0"},
    {123456, "123456", "123456", "1.23456e+05", "123456", "123456.0"},
    {999999, "999999", "999999", "9.99999e+05", "999999", "999999.0"},
    {1e6, "1000000", "1e+06", "1e+06", "1000000", "1e+06"},
    {123456.5, "123456.5", "123456.5", "1.234565e+05", "123456.5", "123456.5"},
    {1234567, "1234567", "1.234567e+06", "1.234567e+06", "1234567", "1.234567e+06"},
    {123456789, "123456789", "1.23456789e+08", "1.23456789e+08", "123456789", "1.23456789e+08"},
    {1e20, "100000000000000000000", "1e+20", "1e+20", "100000000000000000000", "1e+20"},
    {1e21, "1000000000000000000000", "1e+21", "1e+21", "1e+21", "1e+21"},
    {0.0001, "0.0001", "0.0001", "1e-04", "0.0001", "0.0001"},
    {0.00001, "0.00001", "1e-05", "1e-05", "0.00001", "1e-05"},
    {0.000001, "0.000001", "1e-06", "1e-06", "0.000001", "1e-06"},
    {1e-7, "0.0000001", "1e-07", "1e-07", "1e-07", "1e-07"},
    {-2.25, "-2.25", "-2.25", "-2.25e+00", "-2.25", "-2.25"},
    {0.1, "0.1", "0.1", "1e-01", "0.1", "0.1"},
    {1e15, "1000000000000000", "1e+15", "1e+15", "1000000000000000", "1e+15"},
    {123456789012345680.0, "123456789012345680", "1.2345678901234568e+17",
     "1.2345678901234568e+17", "123456789012345680", "1.2345678901234568e+17"},
    {1.5e-320, NULL, "1.5e-320", "1.5e-320", "1.5e-320", "1.5e-320"},
    {5e-324, NULL, "5e-324", "5e-324", "5e-324", "5e-324"},
    {DBL_MAX, NULL, "1.7976931348623157e+308", "1.7976931348623157e+308",
     "1.7976931348623157e+308", "1.7976931348623157e+308"},
    {INFINITY, "+Inf", "+Inf", "+Inf", "+Inf", "+Inf"},
    {-INFINITY, "-Inf", "-Inf", "-Inf", "-Inf", "-Inf"},
    {NAN, "NaN", "NaN", "NaN", "NaN", "NaN"},
};

static void expect_text(const char *text, size_t len, const char *want)
{
    ck_assert_msg(len == strlen(want) && memcmp(text, want, len) == 0, "got %.*s, want %s",
                  (int)len, text, want);
}

START_TEST(float_text_has_the_layout_of_go)
{
    char text[FLOAT_TEXT_SIZE];
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        const struct form *form = &forms[i];
        if (form->f != NULL)
            expect_text(text, float_text_f(form->value, text), form->f);
        expect_text(text, float_text_g(form->value, text), form->g);
        expect_text(text, float_text_e(form->value, text), form->e);
        expect_text(text, float_text_json(form->value, text), form->json);
        expect_text(text, float_text_openmetrics(form->value, text), form->openmetrics);
    }
}
END_TEST

START_TEST(float_text_leaves_alone_what_is_behind_the_text)
{
    size_t (*const forms_of[])(double, char *) = {float_text_f, float_text_g, float_text_e,
                                                  float_text_openmetrics};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        for (size_t form = 0; form < ARRAY_SIZE(forms_of); form++) {
            char text[FLOAT_TEXT_SIZE] = {0};
            size_t len = forms_of[form](forms[i].value, text);
            ck_assert_uint_eq(strlen(text), len);
        }
    }
}
END_TEST

START_TEST(float_text_f_writes_every_digit_of_extreme_values)
{
    char text[FLOAT_TEXT_SIZE];
    size_t len = float_text_f(5e-324, text);
    ck_assert_uint_eq(len, 326);
    ck_assert_mem_eq(text, "0.000", 5);
    ck_assert_int_eq(text[len - 1], '5');
    len = float_text_f(-DBL_MAX, text);
    ck_assert_uint_eq(len, 310);
    ck_assert_mem_eq(text, "-17976931348623157000", 21);
    len = float_text_f(-DBL_MIN, text);
    ck_assert_uint_lt(len, FLOAT_TEXT_SIZE);
    double back;
    ck_assert(float_text_parse_decimal(slice_from(text, len), &back));
    ck_assert_double_eq(back, -DBL_MIN);
}
END_TEST

START_TEST(float_text_reads_back_the_bits_of_random_doubles)
{
    struct rand rand;
    rand_init(&rand, 20261120);
    char text[FLOAT_TEXT_SIZE];
    for (int i = 0; i < 100000; i++) {
        double value = codec_bits_double(rand_u64(&rand));
        if (!isfinite(value))
            continue;
        size_t (*const forms_of[])(double, char *) = {float_text_g, float_text_json,
                                                      i % 16 == 0 ? float_text_f : float_text_e};
        for (size_t form = 0; form < ARRAY_SIZE(forms_of); form++) {
            struct slice written = slice_from(text, forms_of[form](value, text));
            double back = 0;
            double again = 0;
            bool valid = float_text_parse(written, &back, NULL) &&
                         float_text_parse_decimal(written, &again);
            if (!valid || codec_double_bits(back) != codec_double_bits(value) ||
                codec_double_bits(again) != codec_double_bits(value))
                ck_abort_msg("%.*s", SLICE_ARG(written));
        }
    }
}
END_TEST

START_TEST(float_text_short_decimals_round_as_strtod_does)
{
    struct rand rand;
    rand_init(&rand, 7);
    for (int i = 0; i < 200000; i++) {
        char text[40];
        int digits = (int)rand_below(&rand, 17);
        snprintf(text, sizeof(text), "%.*f", digits,
                 rand_double(&rand) * (double)rand_below(&rand, 1000000));
        double value = -1;
        bool valid = float_text_parse_decimal(slice_str(text), &value);
        if (!valid || codec_double_bits(value) != codec_double_bits(strtod(text, NULL)))
            ck_abort_msg("%s", text);
    }
}
END_TEST

struct reading {
    const char *text;
    bool valid;
    uint64_t bits;
    bool out_of_range;
};

/* from Go, but for the underscores, which are refused here */
static const struct reading readings[] = {
    {"1_000", false, 0, false},
    {"0x1p", false, 0, false},
    {"0x1", false, 0, false},
    {"0x.8p1", true, 0x3ff0000000000000, false},
    {"0x1.p1", true, 0x4000000000000000, false},
    {"-0X1P3", true, 0xc020000000000000, false},
    {"0xp1", false, 0, false},
    {"0x", false, 0, false},
    {"0x-1p1", false, 0, false},
    {".5", true, 0x3fe0000000000000, false},
    {"5.", true, 0x4014000000000000, false},
    {"+5", true, 0x4014000000000000, false},
    {"-0", true, 0x8000000000000000, false},
    {".", false, 0, false},
    {"..1", false, 0, false},
    {"1.2.3", false, 0, false},
    {"nan", true, 0x7ff8000000000001, false},
    {"NaN", true, 0x7ff8000000000001, false},
    {"+nan", false, 0, false},
    {"nan(1)", false, 0, false},
    {"iNf", true, 0x7ff0000000000000, false},
    {"+Infinity", true, 0x7ff0000000000000, false},
    {"-infinity", true, 0xfff0000000000000, false},
    {"infin", false, 0, false},
    {"infinityx", false, 0, false},
    {"1e", false, 0, false},
    {"1e+", false, 0, false},
    {"1e5 ", false, 0, false},
    {" 1", false, 0, false},
    {"1e400", false, 0x7ff0000000000000, true},
    {"-1e400", false, 0xfff0000000000000, true},
    {"1e-400", true, 0, false},
    {"-1e-400", true, 0x8000000000000000, false},
    {"0x1p1024", false, 0x7ff0000000000000, true},
    {"0x1p-1080", true, 0, false},
    {"0x1p-1074", true, 1, false},
    {"1e99999999999", false, 0x7ff0000000000000, true},
    {"0e99999999999", true, 0, false},
    {"1e-99999999999", true, 0, false},
    {"1.7976931348623159e308", false, 0x7ff0000000000000, true},
    {"1.7976931348623158e308", true, 0x7fefffffffffffff, false},
    {"0x1.fffffffffffff8p1023", false, 0x7ff0000000000000, true},
    {"0x1.fffffffffffff7p1023", true, 0x7fefffffffffffff, false},
    {"2.4703282292062327208e-324", true, 0, false},
    {"2.4703282292062328e-324", true, 1, false},
    {"5e-324", true, 1, false},
    {"", false, 0, false},
    {"+", false, 0, false},
    {"--1", false, 0, false},
    {"+-1", false, 0, false},
    {"-", false, 0, false},
    {"123456789012345", true, 0x42dc12218377de40, false},
    {"9007199254740993", true, 0x4340000000000000, false},
};

START_TEST(float_text_parse_follows_go)
{
    for (size_t i = 0; i < ARRAY_SIZE(readings); i++) {
        const struct reading *reading = &readings[i];
        double value = 0;
        bool out_of_range = true;
        bool valid = float_text_parse(slice_str(reading->text), &value, &out_of_range);
        ck_assert_msg(valid == reading->valid, "%s", reading->text);
        ck_assert_msg(out_of_range == reading->out_of_range, "%s", reading->text);
        if (valid || out_of_range)
            ck_assert_msg(codec_double_bits(value) == reading->bits, "%s", reading->text);
    }
}
END_TEST

START_TEST(float_text_parse_decimal_is_the_same_without_hex)
{
    for (size_t i = 0; i < ARRAY_SIZE(readings); i++) {
        const struct reading *reading = &readings[i];
        bool hex = strpbrk(reading->text, "xX") != NULL && strstr(reading->text, "0") != NULL;
        double value = 0;
        bool valid = float_text_parse_decimal(slice_str(reading->text), &value);
        ck_assert_msg(valid == (reading->valid && !hex), "%s", reading->text);
        if (valid)
            ck_assert_msg(codec_double_bits(value) == reading->bits, "%s", reading->text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("float_text");
    TCase *tcase = tcase_create("float_text");
    tcase_add_test(tcase, float_text_has_the_layout_of_go);
    tcase_add_test(tcase, float_text_leaves_alone_what_is_behind_the_text);
    tcase_add_test(tcase, float_text_f_writes_every_digit_of_extreme_values);
    tcase_add_test(tcase, float_text_reads_back_the_bits_of_random_doubles);
    tcase_add_test(tcase, float_text_short_decimals_round_as_strtod_does);
    tcase_add_test(tcase, float_text_parse_follows_go);
    tcase_add_test(tcase, float_text_parse_decimal_is_the_same_without_hex);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
