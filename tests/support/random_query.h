/*
 * Random series and random PromQL from a source of bytes, and the check that the engine's columns
 * are what the naive evaluator finds at every step. Shared by the fuzz target, whose bytes are the
 * input, and by the unit test, whose bytes come from a seed.
 *
 * Values are small multiples of 1/8, so that sums are exact in any order, but for NaN, infinities
 * and stale markers. What ends in other last digits (deviations, lines) stands at the root only,
 * where a tolerance applies; sums of fractions have one too, and where such a sum may decide a
 * comparison, or hints of counter resets a sum of histograms, a difference is passed over. The rest
 * is compared to the bit, but for the sign of zero.
 */
#pragma once

#include "base/buf.h"
#include "promql/promql.h"
#include "tests/support/fake_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random_bytes {
    const uint8_t *bytes; /* NULL: from `state` without end */
    size_t len;
    uint64_t state;
};

/* 0 <= result < bound; 0 when the bytes are used up. */
uint32_t random_below(struct random_bytes *bytes, uint32_t bound);

struct random_outcome {
    size_t points; /* compared */
    bool failed;   /* engine and naive evaluator both say that the query fails */
};

/* The data alone, to be freed by fake_source_free; then a query, whose expression is to be freed. The text
 * is always well-formed. */
struct fake_source *random_query_data(struct random_bytes *bytes);
struct promql_query random_query_make(struct random_bytes *bytes, struct fake_source *source,
                                      struct promql_expression **out_expression,
                                      struct buf *out_text);

/* Makes data and a query, evaluates both ways and compares. false, with a text that says what and
 * where, when they differ. */
bool random_query_check(struct random_bytes *bytes, struct random_outcome *out,
                        struct buf *out_text);
