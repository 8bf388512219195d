/*
 * An exemplar: an observation that stands for a sample of a series, with labels of its own that say
 * where it came from, such as a trace id.
 *
 * Ownership: everything is borrowed.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names and values of an exemplar's labels together, in code points (OpenMetrics). */
#define EXEMPLAR_LABEL_RUNES_MAX 128

struct exemplar_label {
    struct slice name;
    struct slice value;
};

struct exemplar {
    const struct exemplar_label *labels; /* in any order; those without a value do not count */
    size_t label_count;
    double value;
    int64_t timestamp_ms;
    bool has_timestamp; /* false: it has the time of its sample, since it came without one */
};
