/* What the operators of aggregation share: their groups and their parameter. */
#pragma once

#include "promql/label_groups.h"
#include "promql/operator.h"

/* by() and without() of a node. */
struct label_grouping aggregation_grouping(struct evaluation *ev, const struct node *node);
/* What is known of rows that have the labels of groups. */
void aggregation_describe(struct operator* op, const struct label_grouping *grouping);

/* The column of a parameter and what the reference asks of it as a whole. */
struct aggregation_parameter {
    const double *values;
    double min;
    double max;
    bool has_nan;
};
/* Starts the operator of the parameter and looks at its column. */
bool aggregation_parameter_start(struct aggregation_parameter *parameter, struct operator* op,
                                 const struct promql_steps *steps);
