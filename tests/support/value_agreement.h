/*
 * When a value of a test script agrees with the one that is expected: within a relative 1e-6,
 * histograms bucket by bucket. Thread-safety: functions of their arguments.
 */
#pragma once

#include "model/histogram.h"

#include <stdbool.h>

bool values_agree(double a, double b);
/* Either may be NULL, which agrees with nothing. Reset hints are compared where they are said. */
bool histograms_agree(const struct histogram *expected, const struct histogram *actual,
                      bool with_hint);
