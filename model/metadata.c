#include "model/metadata.h"

#include <stddef.h>

#include "base/assert.h"

static const char *const names[] = {
    [METRIC_UNKNOWN] = "unknown",
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",
    [METRIC_GAUGE_HISTOGRAM] = "gaugehistogram",
    [METRIC_SUMMARY] = "summary",
    [METRIC_INFO] = "info",
    [METRIC_STATESET] = "stateset",
};

const char *metric_type_name(enum metric_type type)
{
    ASSERT((size_t)type < ARRAY_SIZE(names));
    return names[type];
}

bool metric_type_parse(struct slice name, enum metric_type *out)
{
    if (slice_eq_str(name, "untyped")) {
        *out = METRIC_UNKNOWN;
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (slice_eq_str(name, names[i])) {
            *out = (enum metric_type)i;
            return true;
        }
    }
    return false;
}
