/* The small machines below the operators: selection of ranks, windows, scans, orders, hashes. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/labels_builder.h"
#include "promql/binary_kernel.h"
#include "promql/evaluation.h"
#include "promql/kahan.h"
#include "promql/natural_order.h"
#include "promql/prefix_sums.h"
#include "promql/quantile.h"
#include "promql/ratio.h"
#include "promql/scan.h"
#include "promql/windows.h"

static uint64_t state = 88172645463325252u;

static uint64_t next_random(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* By sorting; no NaN. */
static double slow_quantile(double q, const double *values, size_t count)
{
    double sorted[2000];
    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), compare);
    double rank = q * (double)(count - 1);
    size_t lower = (size_t)floor(rank);
    size_t upper = lower + 1 < count ? lower + 1 : count - 1;
    double weight = rank - floor(rank);
    return sorted[lower] * (1 - weight) + sorted[upper] * weight;
}

START_TEST(a_selected_quantile_is_that_of_sorted_values)
{
    double values[2000], copy[2000];
    for (int round = 0; round < 2000; round++) {
        size_t count = 1 + next_random(round < 1900 ? 80 : 2000);
        uint64_t distinct = 1 + next_random(round % 3 == 0 ? 4 : 1000);
        for (size_t i = 0; i < count; i++) {
            /* also sorted, reversed and organ-pipe inputs */
            uint64_t value = round % 5 == 1   ? i
                             : round % 5 == 2 ? count - i
                             : round % 5 == 3 ? (i < count / 2 ? i : count - i)
                                              : next_random(distinct);
            values[i] = (double)value;
        }
        double q = (double)next_random(101) / 100;
        memcpy(copy, values, sizeof(copy));
        ck_assert_double_eq(quantile_of(q, copy, count), slow_quantile(q, values, count));
    }
}
END_TEST

START_TEST(nan_is_the_smallest_value_of_a_quantile)
{
    double values[] = {3, NAN, 1, NAN, 2};
    ck_assert_double_nan(quantile_of(0.25, values, 5));
    ck_assert_double_eq(quantile_of(0.5, values, 5), 1);
    ck_assert_double_eq(quantile_of(1, values, 5), 3);
    ck_assert_double_nan(quantile_of(0.5, values, 0));
    ck_assert_double_eq(quantile_of(-0.1, values, 5), -INFINITY);
    ck_assert_double_eq(quantile_of(1.1, values, 5), INFINITY);
}
END_TEST

START_TEST(windows_are_left_open_wherever_samples_lie)
{
    int64_t times[300];
    uint32_t low[100], high[100];
    for (int round = 0; round < 500; round++) {
        size_t count = next_random(300);
        int64_t time_ms = (int64_t)next_random(1000) - 500;
        bool regular = round % 2 == 0;
        for (size_t i = 0; i < count; i++) {
            times[i] = time_ms;
            time_ms += regular ? 10 : 1 + (int64_t)next_random(40);
        }
        struct promql_steps steps = {(int64_t)next_random(2000) - 1000,
                                     1 + (int64_t)next_random(100), 1 + next_random(100)};
        struct time_shift shift = {.is_fixed = round % 7 == 0,
                                   .fixed_ms = (int64_t)next_random(1000),
                                   .offset_ms = (int64_t)next_random(200) - 100};
        int64_t range_ms = 1 + (int64_t)next_random(300);
        struct windows windows = {low, high};
        windows_find(&windows, times, count, &steps, &shift, range_ms);
        for (size_t i = 0; i < steps.count; i++) {
            int64_t end_ms = time_shift_apply(&shift, steps_time(&steps, i));
            for (size_t k = 0; k < count; k++) {
                bool inside = times[k] > end_ms - range_ms && times[k] <= end_ms;
                if (inside != (k >= low[i] && k < high[i]))
                    ck_abort_msg("sample %zu in the window of step %zu: %d", k, i, inside);
            }
        }
    }
}
END_TEST

START_TEST(scans_find_what_is_rare)
{
    double values[100];
    for (size_t count = 1; count <= 100; count++) {
        for (size_t i = 0; i < count; i++)
            values[i] = (double)i;
        ck_assert(!scan_has_nan(values, count));
        ck_assert_uint_eq(scan_decrease(values, 1, count), count);
        for (size_t at = 0; at < count; at++) {
            double before = values[at];
            values[at] = NAN;
            ck_assert(scan_has_nan(values, count));
            values[at] = -1;
            if (at > 0)
                ck_assert_uint_eq(scan_decrease(values, 1, count), at);
            values[at] = before;
        }
    }
}
END_TEST

START_TEST(running_sums_are_given_only_where_they_are_those_of_each_window)
{
    static const double odd[] = {0.5, NAN, INFINITY, 0x1p52, -0x1p60, 1e300};
    double values[500], sums[501];
    for (int round = 0; round < 2000; round++) {
        size_t count = 1 + next_random(500);
        uint64_t range = UINT64_C(1) << (1 + next_random(46));
        for (size_t i = 0; i < count; i++)
            values[i] = (double)next_random(range) - (double)(range / 2);
        if (round % 4 == 0)
            values[next_random(count)] = -0.0;
        bool spoiled = round % 4 == 1;
        if (spoiled)
            values[next_random(count)] = odd[next_random(6)];
        bool exact = prefix_sums_exact(values, count, sums);
        if (!spoiled && range < 0x1p42)
            ck_assert(exact);
        ck_assert(!(spoiled && exact));
        size_t low = next_random(count), high = low + next_random(count - low + 1);
        struct kahan sum = {0};
        for (size_t i = low; i < high; i++)
            kahan_add(&sum, values[i]);
        double running = sums[high] - sums[low];
        double windowed = sum.sum + sum.compensation;
        ck_assert(!exact || memcmp(&running, &windowed, sizeof(running)) == 0);
    }
}
END_TEST

START_TEST(a_line_that_cuts_zero_near_is_never_overlooked)
{
    static const double odd[] = {0, -0.0, NAN, INFINITY, -INFINITY, 5e-324, 1e308, -1};
    double first[9], rise[9], length[9], before[9];
    size_t near_count = 0, told_count = 0;
    for (int round = 0; round < 200000; round++) {
        size_t count = 1 + next_random(9);
        bool near = false;
        for (size_t i = 0; i < count; i++) {
            first[i] = (double)next_random(1000) * (round % 2 == 0 ? 1 : 1e4);
            rise[i] = (double)next_random(100);
            length[i] = (double)next_random(300000) / 1000;
            before[i] = (double)next_random(15000) / 1000;
            if (next_random(40) == 0)
                *(next_random(2) == 0 ? &first[i] : &rise[i]) = odd[next_random(8)];
            near |= rise[i] > 0 && first[i] >= 0 && length[i] * (first[i] / rise[i]) < before[i];
        }
        bool told = scan_any_near_zero(first, rise, length, before, count);
        ck_assert(told || !near);
        near_count += near;
        told_count += told;
    }
    ck_assert_uint_gt(near_count, 10000);
    /* and not told of all */
    ck_assert_uint_lt(told_count, 180000);
    double one = 1;
    ck_assert(!scan_any_near_zero(&one, &(double){1e-3}, &(double){300}, &(double){5}, 1));
}
END_TEST

START_TEST(people_count_from_2_to_10)
{
    static const char *const ordered[] = {
        "",      "1",     "2",   "10",   "a",
        "a1",    "a1b10", "a2",  "a2b1", "a10",
        "a10b2", "b",     "b9z", "b10a", "b1000000000000000000000"};
    for (size_t i = 0; i + 1 < ARRAY_SIZE(ordered); i++) {
        if (i == 0)
            continue; /* an empty text has no first chunk to compare */
        ck_assert_msg(natural_less(slice_str(ordered[i]), slice_str(ordered[i + 1])), "%s < %s",
                      ordered[i], ordered[i + 1]);
        ck_assert_msg(!natural_less(slice_str(ordered[i + 1]), slice_str(ordered[i])), "%s >= %s",
                      ordered[i + 1], ordered[i]);
    }
}
END_TEST

static double power(double x, double y)
{
    double out;
    binary_compute(OPERATOR_POW, &out, &x, &y, 1);
    return out;
}

START_TEST(powers_have_the_special_cases_of_c_and_whole_exponents_are_exact)
{
    static const double odd[] = {0,   -0.0, 1,     -1,     0.5,    -0.5,     2,        -2,       3,
                                 1e9, NAN,  1e300, -1e300, 1e-300, 4.9e-324, INFINITY, -INFINITY};
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(odd); k++) {
            double ours = power(odd[i], odd[k]), theirs = pow(odd[i], odd[k]);
            bool same = (isnan(ours) && isnan(theirs)) || ours == theirs ||
                        fabs(ours - theirs) <= 1e-14 * fabs(theirs);
            ck_assert_msg(same && signbit(ours) == signbit(theirs), "%g ^ %g: %g, not %g", odd[i],
                          odd[k], ours, theirs);
        }
    }
    for (int i = 1; i < 1000; i++) {
        double x = (double)next_random(1000000) / 1024;
        ck_assert_double_eq(power(x, 2), x * x);
        ck_assert_double_eq(power(2, i), ldexp(1, i));
        ck_assert_double_eq(power(2, -i), ldexp(1, -i));
    }
}
END_TEST

static double offset_of(const char *const *pairs, size_t count)
{
    struct evaluation ev = {.bytes_max = 1 << 20};
    struct labels_builder CLEANUP(labels_builder_release) builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < count; i++)
        labels_builder_set(&builder, slice_str(pairs[2 * i]), slice_str(pairs[2 * i + 1]));
    struct labels *labels = labels_builder_build(&builder);
    double offset = ratio_offset(&ev, labels);
    labels_unref(labels);
    return offset;
}

/* Hashes made with the library of XXH64's author. */
START_TEST(limit_ratio_takes_the_series_that_the_reference_takes)
{
    char long_value[301];
    memset(long_value, 'z', 300);
    long_value[300] = '\0';
    const char *const up[] = {"__name__", "up"};
    const char *const node[] = {"__name__", "up", "instance", "10.0.0.1:9090x", "job", "node"};
    const char *const longer[] = {"l", long_value};
    ck_assert_double_eq(offset_of(NULL, 0), (double)0xef46db3751d8e999u / 18446744073709551615.0);
    ck_assert_double_eq(offset_of(up, 1), (double)0xecd75f13400abdf5u / 18446744073709551615.0);
    ck_assert_double_eq(offset_of(node, 3), (double)0xf9bb9803734e5e43u / 18446744073709551615.0);
    ck_assert_double_eq(offset_of(longer, 1), (double)0xb28b1dc44c33acbcu / 18446744073709551615.0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/kernels");
    TCase *tests = tcase_create("kernels");
    tcase_add_test(tests, a_selected_quantile_is_that_of_sorted_values);
    tcase_add_test(tests, nan_is_the_smallest_value_of_a_quantile);
    tcase_add_test(tests, windows_are_left_open_wherever_samples_lie);
    tcase_add_test(tests, scans_find_what_is_rare);
    tcase_add_test(tests, running_sums_are_given_only_where_they_are_those_of_each_window);
    tcase_add_test(tests, a_line_that_cuts_zero_near_is_never_overlooked);
    tcase_add_test(tests, people_count_from_2_to_10);
    tcase_add_test(tests, powers_have_the_special_cases_of_c_and_whole_exponents_are_exact);
    tcase_add_test(tests, limit_ratio_takes_the_series_that_the_reference_takes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
