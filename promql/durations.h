/*
 * Duration expressions, whose value is known once the query's range and step are.
 * Thread-safety: no state.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "promql/ast.h"

#include <stdbool.h>
#include <stdint.h>

struct duration_context {
    int64_t step_ms;  /* of the query; 0 for an instant query */
    int64_t range_ms; /* end - start */
};

/* In milliseconds, the rest cut off. ERR_INVALID with the reference's text, which begins with the
 * place in bytes. */
enum err duration_evaluate(const struct node *node, const struct duration_context *context,
                           bool allow_negative, int64_t *out_ms, struct errbuf *err) MUST_CHECK;
