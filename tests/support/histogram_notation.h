/*
 * Native histograms as test scripts write them: {{schema:1 count:3 sum:4.5 buckets:[1 2]}}, with
 * offset, n_buckets, n_offset, z_bucket, z_bucket_w, custom_values and counter_reset_hint.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"
#include "model/histogram.h"

#include <stdbool.h>

struct notated_histogram {
    struct histogram *histogram; /* the arena's */
    bool has_hint;
};

/* The histogram in front of `text`, which then goes on behind it. false when it cannot be read. */
bool histogram_notation_take(struct slice *text, struct arena *arena,
                             struct notated_histogram *out);
