#include "model/histogram_column.h"

#include <stdint.h>

void column_add(double *restrict sum, const double *restrict values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += values[i];
}

void column_subtract(double *restrict sum, const double *restrict values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] -= values[i];
}

void column_add_compensated(double *restrict sum, double *restrict compensation,
                            const double *restrict values, double sign, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double total = sum[i];
        double lost = compensation[i];
        compensated_add(values[i] * sign, &total, &lost);
        sum[i] = total;
        compensation[i] = lost;
    }
}

void column_multiply(double *values, double factor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] *= factor;
}

void column_divide(double *values, double divisor, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] /= divisor;
}

bool column_any_below(const double *values, const double *partners, size_t count)
{
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++)
        found |= values[i] < partners[i];
    return found != 0;
}

bool column_any_zero(const double *values, size_t count)
{
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++)
        found |= values[i] == 0;
    return found != 0;
}

bool column_any_infinite(const double *values, size_t count)
{
    return column_any_beyond(values, INFINITY, count);
}

bool column_any_beyond(const double *values, double limit, size_t count)
{
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++)
        found |= fabs(values[i]) >= limit;
    return found != 0;
}
