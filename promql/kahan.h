/*
 * Compensated sums (Kahan and Neumaier), in the order of operations of the reference, so that sums
 * agree to the last bit. Compile without contraction to fused operations.
 */
#pragma once

#include <math.h>
#include <stdbool.h>

struct kahan {
    double sum;
    double compensation;
};

static inline void kahan_add(struct kahan *kahan, double value)
{
    double sum = kahan->sum;
    double total = sum + value;
    bool sum_is_larger = fabs(sum) >= fabs(value);
    double large = sum_is_larger ? sum : value;
    double small = sum_is_larger ? value : sum;
    double lost = (large - total) + small;
    kahan->compensation = isinf(total) ? 0 : kahan->compensation + lost;
    kahan->sum = total;
}
