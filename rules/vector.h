/*
 * The result of the expression of a rule: an instant vector; a scalar is a vector of one sample without
 * labels.
 *
 * Ownership: labels and histograms are those of the query's result, valid until rule_vector_release.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "promql/promql.h"
#include "rules/environment.h"

#include <stddef.h>
#include <stdint.h>

struct rule_vector_sample {
    const struct labels *labels;
    double value;
    const struct histogram *histogram; /* NULL = a float */
};

struct rule_vector {
    struct rule_vector_sample *items;
    size_t count;
    struct slice left_out; /* the first of what storage could not read; empty: it read all */
    /* private */
    struct promql_result *result;
};

enum err rule_vector_query(const struct rule_environment *environment,
                           const struct promql_expression *expression, int64_t t_ms,
                           struct rule_vector *out, struct errbuf *err) MUST_CHECK;
void rule_vector_release(struct rule_vector *vector);
