/*
 * Where a label set lies between 0 and 1, for limit_ratio: its hash as the reference computes it
 * (XXH64 over names and values, each after its length), so that the same series are taken.
 */
#pragma once

#include "model/labels.h"
#include "promql/evaluation.h"

double ratio_offset(struct evaluation *ev, const struct labels *labels);
