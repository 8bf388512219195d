/*
 * A query whose selectors all look at one fixed time gives the same answer whenever it is asked.
 * The script runner makes such a variant of every instant query, and asks it at several times.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Writes the variant with `@ time` at every selector and subquery that has no time yet. false where
 * there is none: the text is no query, or a function in it depends on the time of the evaluation.
 */
bool at_variant_print(struct slice query, unsigned features, int64_t time_ms, struct buf *out);
