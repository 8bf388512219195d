/* From the rows of the plan to the result of the query. */
#pragma once

#include "promql/ast.h"
#include "promql/evaluation.h"
#include "promql/value.h"

#include <stdbool.h>

/* Makes the plan of the expression, runs it and fills rows, points or text of the result, whose
 * arena is ev->result. */
bool answer_make(struct evaluation *ev, const struct node *root, struct promql_result *result);
