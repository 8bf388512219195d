/*
 * The loops in which decoding spends its time, on arrays that were checked before. Built twice, for
 * any processor and for x86-64-v3 (AVX2, BMI, FMA); column_kernels() chooses once. Both give the
 * same bits.
 *
 * Thread-safety: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Arrays that kernels fill have room for this many elements more than the count. */
#define COLUMN_SLACK 64
/* Bytes behind the packed groups that unpack and sum may read. */
#define COLUMN_READ_SLACK 8

#define COLUMN_ORDER_MAX 2

/* How residuals become integers again (integer_column.h). */
struct column_frame {
    unsigned
        order; /* 0: first + factor * (reference + r); 1, 2: sums of factor * (reference + r) */
    uint64_t first;
    uint64_t second; /* order 2: the first difference */
    uint64_t factor;
    uint64_t reference;
};

struct column_kernels {
    const char *name;
    /* 8 integers of `width` (1-64) bits from each `width` bytes. */
    void (*unpack)(const uint8_t *bytes, unsigned width, size_t groups, uint64_t *out);
    /* The sum of what unpack would give, modulo 2^64. */
    uint64_t (*sum)(const uint8_t *bytes, unsigned width, size_t groups);
    /* `bitmap` holds, for each value, q zeros and a one; adds q << shift. False when there are not
     * exactly `count` ones. `positions` has room for `count`. */
    bool (*add_quotients)(const uint8_t *bitmap, size_t len, unsigned shift, size_t count,
                          uint32_t *positions, uint64_t *values);
    void (*unzigzag)(uint64_t *values, size_t count);
    /* In place those from `low` to before `high`; others become undefined. For the orders 1 and 2
     * the residuals begin at index `order`. */
    void (*restore)(const struct column_frame *frame, uint64_t *values, size_t low, size_t high);
    /* integer / 10^exponent; integers are below 2^51, others give any value. */
    void (*decimals)(const uint64_t *integers, size_t count, unsigned exponent, double *out);
    /* The bits of a double rotated left by one: the sign becomes the lowest bit. */
    void (*rotated)(const uint64_t *integers, size_t count, double *out);
    /* The inverse of `decimals`: integers of the values that are decimals under the exponent;
     * returns how many are not (their integers are any). */
    size_t (*to_integers)(const double *values, size_t count, unsigned exponent, uint64_t *out);
    /* out_lengths[b] = how many of value - reference, zigzag or not, have b significant bits. */
    void (*count_lengths)(const uint64_t *values, size_t count, uint64_t reference, bool zigzag,
                          uint32_t out_lengths[65]);
    /* out[i] = first + i * step. */
    void (*steps)(uint64_t first, uint64_t step, size_t count, uint64_t *out);
    /* sums[i] += values[i] */
    void (*add)(const double *values, size_t count, double *sums);
};

const struct column_kernels *column_kernels(void);
/* For tests: the build for any processor. */
const struct column_kernels *column_kernels_plain(void);
