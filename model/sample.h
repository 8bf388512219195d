/*
 * A sample: a time in milliseconds and a double, or a histogram. A float sample with the bits of
 * SAMPLE_STALE_BITS is the stale marker, which ends a series; all NaN bit patterns are kept by
 * every layer, so compare bits, not values.
 */
#pragma once

#include "base/codec.h"

#include <stdbool.h>
#include <stdint.h>

#define SAMPLE_STALE_BITS UINT64_C(0x7ff0000000000002)
#define SAMPLE_NAN_BITS UINT64_C(0x7ff8000000000001)

struct histogram;

struct sample {
    int64_t timestamp_ms;
    double value;
};

static inline double sample_stale(void)
{
    return codec_bits_double(SAMPLE_STALE_BITS);
}
static inline bool sample_is_stale(double value)
{
    return codec_double_bits(value) == SAMPLE_STALE_BITS;
}
