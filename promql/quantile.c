/* Quantiles by selection: the values need not be sorted for one rank. */
#include "promql/quantile.h"

#include <math.h>
#include <stdlib.h>

#include "base/compiler.h"

#define QUANTILE_SORT_BELOW 24

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b;
    *b = t;
}

static void sort_small(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double value = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Puts the median of three into the middle of [low, high). */
static double pivot_of(double *values, size_t low, size_t high)
{
    size_t middle = low + (high - low) / 2;
    if (values[middle] < values[low])
        swap(&values[middle], &values[low]);
    if (values[high - 1] < values[middle])
        swap(&values[high - 1], &values[middle]);
    if (values[middle] < values[low])
        swap(&values[middle], &values[low]);
    return values[middle];
}

/* Afterwards values[rank] is what it would be in sorted order, nothing before it is larger, nothing
 * behind it smaller. No NaN among the values. Falls back to sorting where the pivots are bad, so
 * that no input takes quadratic time. */
static void select_rank(double *values, size_t count, size_t rank)
{
    size_t low = 0, high = count;
    for (int rounds = 0; high - low > QUANTILE_SORT_BELOW; rounds++) {
        if (rounds > 48) {
            qsort(values + low, high - low, sizeof(*values), compare);
            return;
        }
        double pivot = pivot_of(values, low, high);
        size_t left = low, right = high - 1;
        for (;;) {
            while (values[left] < pivot)
                left++;
            while (values[right] > pivot)
                right--;
            if (left >= right)
                break;
            swap(&values[left++], &values[right--]);
        }
        /* [low, right] <= pivot <= (right, high) */
        if (rank <= right)
            high = right + 1;
        else
            low = right + 1;
    }
    sort_small(values + low, high - low);
}

/* NaN to the front; how many there are. */
static size_t gather_nan(double *values, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i]))
            swap(&values[i], &values[found++]);
    }
    return found;
}

double quantile_of(double q, double *values, size_t count)
{
    if (count == 0 || isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    double rank = q * (double)(count - 1);
    double weight = rank - floor(rank);
    size_t lower = (size_t)floor(rank);
    size_t upper = MIN(lower + 1, count - 1);
    size_t nan_count = gather_nan(values, count);
    if (lower < nan_count)
        return NAN;
    select_rank(values + nan_count, count - nan_count, lower - nan_count);
    double above = values[lower];
    if (upper > lower) {
        above = values[upper];
        for (size_t i = upper + 1; i < count; i++)
            above = values[i] < above ? values[i] : above;
    }
    return values[lower] * (1 - weight) + above * weight;
}
