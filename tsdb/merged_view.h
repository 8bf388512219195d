/*
 * A view over several views, such as those of blocks and of the head: one series for each label set,
 * its samples in the order of time. Where two have a sample of one time, the later view in the list
 * wins. With one part, and where one part has all of a series, nothing is copied.
 *
 * Ownership: takes over the parts and closes them. Thread-safety: as series_view.
 */
#pragma once

#include "model/series_source.h"

#include <stddef.h>

/* A part shows nothing outside [min_ms, max_ms], both inclusive: what a part should not be asked
 * for, because another one has it. */
struct merged_part {
    struct series_view *view;
    int64_t min_ms;
    int64_t max_ms;
};

struct series_view *merged_view_new(const struct merged_part *parts, size_t count) MUST_CHECK;
