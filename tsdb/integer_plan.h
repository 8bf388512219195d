/*
 * How a column of integers is best packed: found from counts of bit lengths, not by trying.
 * Thread-safety: pure functions.
 */
#pragma once

#include "tsdb/column_kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct integer_plan {
    unsigned order;
    uint64_t reference;
    bool zigzag;
    bool rice;
    unsigned width; /* of the packed part */
    unsigned patch_count;
    unsigned patch_width;
    /* private */
    double cost_bits;
};

/* `sets[o]` are the differences of order o, count - o of them. */
struct integer_plan integer_plan_choose(uint64_t *const sets[COLUMN_ORDER_MAX + 1], size_t count);
/* Of positions 0 .. count-1. */
unsigned integer_plan_position_width(size_t count);
