/*
 * What start timestamps say about neighbouring samples of a counter: times since when samples
 * count, 0 where that is not known. `at` is the later of two neighbours.
 *
 * Thread-safety: functions of their arguments.
 */
#pragma once

#include "promql/selection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Did the counter begin anew between sample at - 1 and sample `at`? A start at the very time of the
 * sample before is one of a delta, unless the start of that one is unknown or impossible. */
static inline bool samples_start_anew(const struct samples *samples, size_t at)
{
    const int64_t *starts_ms = samples->start_timestamps_ms;
    int64_t start_ms = starts_ms[at], before_ms = samples->timestamps_ms[at - 1];
    if (start_ms == 0 || start_ms >= samples->timestamps_ms[at] || start_ms < before_ms)
        return false;
    if (start_ms > before_ms)
        return true;
    return starts_ms[at - 1] != 0 && starts_ms[at - 1] < before_ms;
}

/* Does the sample claim to count what the one before has counted already? */
static inline bool samples_overlap(const struct samples *samples, size_t at)
{
    const int64_t *starts_ms = samples->start_timestamps_ms;
    return starts_ms[at] != 0 && starts_ms[at] < samples->timestamps_ms[at - 1] &&
           starts_ms[at] != starts_ms[at - 1];
}

/* Does the sample count from 0 at a time behind `start_ms`? */
static inline bool samples_begin_after(const struct samples *samples, size_t at, int64_t start_ms)
{
    const int64_t *starts_ms = samples->start_timestamps_ms;
    return starts_ms != NULL && starts_ms[at] != 0 && starts_ms[at] > start_ms &&
           starts_ms[at] < samples->timestamps_ms[at];
}
