/*
 * A recording rule: the result of its expression under a name and labels of its own.
 * Thread-safety: no state.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "rules/outputs.h"
#include "rules/rule_file.h"
#include "rules/vector.h"

/* The samples to be written; histograms in them are borrowed from the vector. Errors: the same labels
 * twice, more than `limit` series (0 = no limit). */
enum err recording_samples(const struct rule_definition *definition,
                           const struct rule_vector *vector, int64_t limit,
                           struct output_samples *out, struct errbuf *err) MUST_CHECK;
