/* What a metric is: type, help, unit. The names of types are the API's. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

enum metric_type {
    METRIC_UNKNOWN, /* also "untyped" of the text format */
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_GAUGE_HISTOGRAM,
    METRIC_SUMMARY,
    METRIC_INFO,
    METRIC_STATESET,
};

/* "counter", "gaugehistogram", "unknown", ... */
const char *metric_type_name(enum metric_type type);
/* From the API's names, and "untyped" for METRIC_UNKNOWN; false when it is none. */
bool metric_type_parse(struct slice name, enum metric_type *out);
