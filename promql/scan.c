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
