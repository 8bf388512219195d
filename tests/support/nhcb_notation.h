/*
 * Classic histograms that a test script loads, collected and turned into native histograms with
 * custom buckets, as `load_with_nhcb` asks for.
 *
 * Ownership: the collection owns copies. Thread-safety: one owner.
 */
#pragma once

#include "base/vec.h"
#include "model/labels.h"
#include "tests/support/fake_source.h"

#include <stdbool.h>
#include <stdint.h>

struct nhcb_bucket {
    double bound;
    double count; /* cumulative */
};

struct nhcb_sample {
    int64_t timestamp_ms;
    bool has_count;
    double count;
    double sum;
    VEC(struct nhcb_bucket) buckets;
};

struct nhcb_series {
    struct labels *labels;
    VEC(struct nhcb_sample) samples;
};

struct nhcb_collection {
    VEC(struct nhcb_series) series;
};

void nhcb_collection_release(struct nhcb_collection *collection);
/* A sample of any series; those of classic histograms are kept. */
void nhcb_collection_add(struct nhcb_collection *collection, const struct labels *labels,
                         int64_t timestamp_ms, double value);
/* The native histograms as series of the source. */
void nhcb_collection_load(struct nhcb_collection *collection, struct fake_source *source);
