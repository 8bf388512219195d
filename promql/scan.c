#include "promql/scan.h"

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

#define BLOCK 16

typedef double pair_of_doubles __attribute__((vector_size(16)));
typedef int64_t pair_of_masks __attribute__((vector_size(16)));

static inline pair_of_doubles load_pair(const double *at)
{
    pair_of_doubles pair;
    memcpy(&pair, at, sizeof(pair));
    return pair;
}

static inline bool any_bit(pair_of_masks mask)
{
    return (mask[0] | mask[1]) != 0;
}

bool scan_has_nan(const double *values, size_t count)
{
    size_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK) {
        pair_of_masks seen = {0, 0};
        for (size_t j = 0; j < BLOCK; j += 2) {
            pair_of_doubles pair = load_pair(values + i + j);
            seen |= pair != pair;
        }
        if (any_bit(seen))
            return true;
    }
    for (; i < count; i++) {
        if (values[i] != values[i])
            return true;
    }
    return false;
}

size_t scan_decrease(const double *values, size_t from, size_t count)
{
    ASSERT(from > 0);
    size_t i = from;
    for (; i + BLOCK <= count; i += BLOCK) {
        pair_of_masks seen = {0, 0};
        for (size_t j = 0; j < BLOCK; j += 2)
            seen |= load_pair(values + i + j) < load_pair(values + i + j - 1);
        if (any_bit(seen))
            break;
    }
    for (; i < count; i++) {
        if (values[i] < values[i - 1])
            return i;
    }
    return count;
}

/* Bounds within which products neither overflow nor lose digits. */
#define REACH_MIN 1e-250
#define REACH_MAX 1e250
#define REACH_MARGIN (1 + 1e-9)

bool scan_any_near_zero(const double *first, const double *rise, const double *length,
                        const double *before, size_t count)
{
    /* each by itself: compilers make one instruction of a comparison, and many of their combination */
    pair_of_masks rises = {0, 0}, near = {0, 0}, tiny = {0, 0}, huge = {0, 0};
    size_t i = 0;
    for (; i + 2 <= count; i += 2) {
        pair_of_doubles up = load_pair(rise + i);
        pair_of_doubles reach = load_pair(length + i) * load_pair(first + i);
        rises |= up > 0;
        near |= reach <= load_pair(before + i) * up * REACH_MARGIN;
        tiny |= reach <= REACH_MIN;
        huge |= reach >= REACH_MAX;
    }
    if (any_bit(rises) && any_bit(near | tiny | huge))
        return true;
    if (i == count)
        return false;
    double reach = length[i] * first[i];
    return rise[i] > 0 && (reach <= before[i] * rise[i] * REACH_MARGIN || reach <= REACH_MIN ||
                           reach >= REACH_MAX);
}
