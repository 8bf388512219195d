/*
 * For each order two references are looked at: the least value, which leaves nothing negative, and
 * the median, which with zigzag serves data with outliers on both sides.
 */
#include "tsdb/integer_plan.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "tsdb/bit_packing.h"

#include <math.h>
#include <stdlib.h>

#define SAMPLE_SIZE 32
/* A Rice code is read at two thirds of the speed: it must be smaller by this. */
#define RICE_GAIN 0.94
/* Bits of count and width of a patch list. */
#define PATCH_HEADER_BITS 20
#define RICE_HEADER_BITS 12
/* Bit lengths above the Rice parameter that quotients may have; longer ones are patches. */
#define RICE_LENGTHS 4

unsigned integer_plan_position_width(size_t count)
{
    return count <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(count - 1);
}

static int compare_signed(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t sample_median(const uint64_t *values, size_t count)
{
    uint64_t sample[SAMPLE_SIZE];
    size_t taken = MIN(count, (size_t)SAMPLE_SIZE);
    for (size_t i = 0; i < taken; i++)
        sample[i] = values[i * count / taken];
    qsort(sample, taken, sizeof(*sample), compare_signed);
    return sample[taken / 2];
}

static uint64_t least(const uint64_t *values, size_t count)
{
    int64_t min = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        min = MIN(min, (int64_t)values[i]);
    return (uint64_t)min;
}

static unsigned varint_bits(uint64_t reference)
{
    uint64_t zigzag = codec_zigzag((int64_t)reference);
    unsigned length = zigzag == 0 ? 1 : 64 - (unsigned)__builtin_clzll(zigzag);
    return (length + 6) / 7 * 8;
}

/* Takes over what is cheaper than the plan so far. */
static void plan_improve(struct integer_plan *plan, const struct integer_plan *other)
{
    if (other->cost_bits < plan->cost_bits)
        *plan = *other;
}

/* The cheapest width: patches are those above it. */
static void plan_packed(struct integer_plan *best, struct integer_plan base, size_t count,
                        const uint32_t lengths[65])
{
    unsigned longest = 64;
    while (longest > 0 && lengths[longest] == 0)
        longest--;
    unsigned position_width = integer_plan_position_width(count);
    size_t above = 0;
    for (unsigned width = longest;; width--) {
        struct integer_plan plan = base;
        plan.width = width;
        plan.patch_count = (unsigned)above;
        plan.patch_width = longest - width;
        plan.cost_bits += (double)(count * width);
        if (above > 0)
            plan.cost_bits +=
                (double)(above * (position_width + plan.patch_width) + PATCH_HEADER_BITS);
        plan_improve(best, &plan);
        above += lengths[width];
        if (width == 0 || above > count / 2)
            break;
    }
}

/* The expected bits of quotients: those of length k + d average 1.5 * 2^(d-1) - 0.5. */
static void plan_rice(struct integer_plan *best, struct integer_plan base, size_t count,
                      const uint32_t lengths[65])
{
    static const double quotient_bits[RICE_LENGTHS + 1] = {0, 1, 2.5, 5.5, 11.5};
    unsigned longest = 64;
    while (longest > 0 && lengths[longest] == 0)
        longest--;
    unsigned position_width = integer_plan_position_width(count);
    for (unsigned width = 0; width < longest; width++) {
        struct integer_plan plan = base;
        plan.rice = true;
        plan.width = width;
        plan.cost_bits += (double)(count * (width + 1)) + RICE_HEADER_BITS;
        size_t above = 0;
        for (unsigned length = width + 1; length <= longest; length++) {
            if (length - width <= RICE_LENGTHS)
                plan.cost_bits += lengths[length] * quotient_bits[length - width];
            else
                above += lengths[length];
        }
        if (above > count / 2)
            continue;
        plan.patch_count = (unsigned)above;
        plan.patch_width = longest - width;
        if (above > 0)
            plan.cost_bits +=
                (double)(above * (position_width + plan.patch_width) + PATCH_HEADER_BITS);
        plan_improve(best, &plan);
    }
}

static void plan_reference(struct integer_plan *packed, struct integer_plan *rice,
                           struct integer_plan base, const uint64_t *values, size_t count)
{
    uint32_t lengths[65];
    column_kernels()->count_lengths(values, count, base.reference, base.zigzag, lengths);
    base.cost_bits = base.order == 0 ? 0 : varint_bits(base.reference);
    if (base.order == 2)
        base.cost_bits += 16; /* about the first difference */
    plan_packed(packed, base, count, lengths);
    plan_rice(rice, base, count, lengths);
}

struct integer_plan integer_plan_choose(uint64_t *const sets[COLUMN_ORDER_MAX + 1], size_t count)
{
    ASSERT(count >= 2);
    struct integer_plan packed = {.cost_bits = INFINITY};
    struct integer_plan rice = {.cost_bits = INFINITY};
    for (unsigned order = 0; order <= COLUMN_ORDER_MAX && count > order; order++) {
        size_t left = count - order;
        struct integer_plan base = {.order = order, .reference = least(sets[order], left)};
        plan_reference(&packed, &rice, base, sets[order], left);
        base.reference = sample_median(sets[order], left);
        base.zigzag = true;
        plan_reference(&packed, &rice, base, sets[order], left);
    }
    return rice.cost_bits < packed.cost_bits * RICE_GAIN ? rice : packed;
}
