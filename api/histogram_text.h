/*
 * Buckets of native histograms as JSON text, [0,"0.5","1","3"]. The histograms of an answer have
 * nearly the same bounds, so the texts of bounds are kept.
 *
 * Ownership: a value without memory of its own. Thread-safety: one owner.
 */
#pragma once

#include "base/float_text.h"
#include "model/histogram_buckets.h"

#include <stdint.h>

#define HISTOGRAM_BOUNDS 256
/* What a bucket may write, text and waste behind it. */
#define HISTOGRAM_BUCKET_TEXT_SIZE (3 * FLOAT_TEXT_SHORT_SIZE + 16)

struct histogram_bound_text {
    uint64_t bits; /* of the bound */
    uint8_t len;   /* 0 = none is kept */
    char text[FLOAT_TEXT_SHORT_SIZE];
};

/* Zero-initialised is empty. */
struct histogram_writer {
    struct histogram_bound_text bounds[HISTOGRAM_BOUNDS];
};

/* [rule,"lower","upper","count"]: rule 0 is (a,b], 1 [a,b), 2 (a,b), 3 [a,b]. Returns the end of
 * the text; HISTOGRAM_BUCKET_TEXT_SIZE bytes of `out` may be written. */
char *histogram_put_bucket(struct histogram_writer *writer, char *out,
                           const struct histogram_bucket *bucket);
