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

#define SAMPLE_SIZE 32
/* A Rice code is read at two thirds of the speed: it must be smaller by this. */
#define RICE_GAIN 0.96
/* Bits of count and width of a patch list. */
#define PATCH_HEADER_BITS 20
#define RICE_HEADER_BITS 12
/* Bit lengths above the Rice parameter that quotients may have; longer ones are patches. */
#define RICE_LENGTHS 4

unsigned integer_plan_position_width(size_t count)
{
    return count <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(count - 1);
}

/* A few of the values, sorted. */
struct sample {
    uint64_t values[SAMPLE_SIZE];
    size_t count;
    uint64_t median;
    size_t bits; /* of all residuals to the median, zigzag */
};

static unsigned bit_length(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

static void sample_take(struct sample *sample, const uint64_t *values, size_t count)
{
    sample->count = MIN(count, (size_t)SAMPLE_SIZE);
    for (size_t i = 0; i < sample->count; i++) {
        int64_t value = (int64_t)values[i * count / sample->count];
        size_t at = i;
        for (; at > 0 && (int64_t)sample->values[at - 1] > value; at--)
            sample->values[at] = sample->values[at - 1];
        sample->values[at] = (uint64_t)value;
    }
    sample->median = sample->values[sample->count / 2];
    sample->bits = 0;
    for (size_t i = 0; i < sample->count; i++)
        sample->bits += bit_length(codec_zigzag((int64_t)(sample->values[i] - sample->median)));
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
    return (MAX(bit_length(zigzag), 1u) + 6) / 7 * 8;
}

/* Takes over what is cheaper than the plan so far. */
static void plan_improve(struct integer_plan *plan, const struct integer_plan *other)
{
    if (other->cost_bits < plan->cost_bits)
        *plan = *other;
}

/* How many residuals are longer than each width. */
struct tail {
    unsigned longest;
    uint32_t above[66];
};

static struct tail tail_of(const uint32_t lengths[65])
{
    struct tail tail = {.longest = 0};
    for (unsigned width = 64; width > 0; width--) {
        tail.above[width - 1] = tail.above[width] + lengths[width];
        if (tail.above[width] == 0)
            tail.longest = width;
    }
    if (tail.above[0] == 0)
        tail.longest = 0;
    return tail;
}

static void plan_patches(struct integer_plan *plan, const struct tail *tail, size_t count,
                         uint32_t patches)
{
    if (patches == 0)
        return;
    plan->patch_count = patches;
    plan->patch_width = tail->longest - plan->width;
    plan->cost_bits += (double)(patches * (integer_plan_position_width(count) + plan->patch_width) +
                                PATCH_HEADER_BITS);
}

/* The cheapest width: patches are those above it. */
static void plan_packed(struct integer_plan *best, const struct integer_plan *base, size_t count,
                        const struct tail *tail)
{
    for (unsigned width = tail->longest;; width--) {
        if (tail->above[width] > count / 2)
            break;
        struct integer_plan plan = *base;
        plan.width = width;
        plan.cost_bits += (double)(count * width);
        plan_patches(&plan, tail, count, tail->above[width]);
        plan_improve(best, &plan);
        if (width == 0)
            break;
    }
}

/* The expected bits of quotients: those of length k + d average 1.5 * 2^(d-1) - 0.5. */
static void plan_rice(struct integer_plan *best, const struct integer_plan *base, size_t count,
                      const struct tail *tail)
{
    static const double quotient_bits[RICE_LENGTHS + 1] = {0, 1, 2.5, 5.5, 11.5};
    /* hardly a quotient is not 0 where few are longer; where many are, they are too long */
    for (unsigned width = 0; width < tail->longest && tail->above[width] > count / 16; width++) {
        unsigned end = MIN(width + RICE_LENGTHS, 64u);
        if (tail->above[end] > count / 8)
            continue;
        struct integer_plan plan = *base;
        plan.rice = true;
        plan.width = width;
        plan.cost_bits += (double)(count * (width + 1)) + RICE_HEADER_BITS;
        for (unsigned length = width + 1; length <= end; length++)
            plan.cost_bits +=
                (tail->above[length - 1] - tail->above[length]) * quotient_bits[length - width];
        plan_patches(&plan, tail, count, tail->above[end]);
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
    struct tail tail = tail_of(lengths);
    plan_packed(packed, &base, count, &tail);
    plan_rice(rice, &base, count, &tail);
}

struct integer_plan integer_plan_choose(uint64_t *const sets[COLUMN_ORDER_MAX + 1], size_t count)
{
    ASSERT(count >= 2);
    struct integer_plan packed = {.cost_bits = INFINITY};
    struct integer_plan rice = {.cost_bits = INFINITY};
    struct sample samples[COLUMN_ORDER_MAX + 1];
    size_t least_bits = SIZE_MAX;
    unsigned orders = (unsigned)MIN(count, (size_t)COLUMN_ORDER_MAX + 1);
    for (unsigned order = 0; order < orders; order++) {
        sample_take(&samples[order], sets[order], count - order);
        least_bits = MIN(least_bits, samples[order].bits);
    }
    for (unsigned order = 0; order < orders; order++) {
        /* an order that takes a bit a value more in the sample is not looked at */
        if (samples[order].bits > least_bits + samples[order].count)
            continue;
        size_t left = count - order;
        struct integer_plan base = {.order = order, .reference = least(sets[order], left)};
        plan_reference(&packed, &rice, base, sets[order], left);
        base.reference = samples[order].median;
        base.zigzag = true;
        plan_reference(&packed, &rice, base, sets[order], left);
    }
    return rice.cost_bits < packed.cost_bits * RICE_GAIN ? rice : packed;
}
