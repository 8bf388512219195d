/*
 * Functions over range vectors for series with native histograms. Floats go alone through the
 * kernel of floats, histograms through a kernel of their own, which is asked window by window;
 * functions that only make sense for floats ignore histograms. A window that has both is, for most
 * functions, worth a warning and no result.
 *
 * What there is to say is collected as notes over all windows of a series, and said once.
 *
 * Ownership: new histograms are made in in->made and live as long as the row.
 * Thread-safety: as of kernels of floats.
 */
#pragma once

#include "promql/functions_range.h"

#include <stddef.h>
#include <stdint.h>

enum range_note {
    RANGE_NOTE_MIXED_TYPES = 1 << 0,
    RANGE_NOTE_MIXED_SCHEMAS = 1 << 1,
    RANGE_NOTE_NOT_COUNTER = 1 << 2,
    RANGE_NOTE_NOT_GAUGE = 1 << 3,
    RANGE_NOTE_IGNORED = 1 << 4,
    RANGE_NOTE_COLLISION = 1 << 5,
    RANGE_NOTE_RECONCILED_DIFFERENCE = 1 << 6,
    RANGE_NOTE_RECONCILED_SUM = 1 << 7,
    RANGE_NOTE_RECONCILED_TOTAL = 1 << 8,
};

/* For samples with histograms; `kernel` is the one of floats. */
bool range_mixed(struct range_input *in, enum function_id id, range_kernel kernel);
/* Says what was noted, of the series with these labels. */
void range_mixed_annotate(struct evaluation *ev, unsigned notes, const struct labels *labels,
                          uint32_t position);

/*
 * Kernels of histograms, in functions_histogram_range.c. They get a window with nothing but
 * histograms, at least one, at samples [low, low + count); in->scratch->events counts resets. NULL
 * where there is no result.
 */
typedef const struct histogram *(*range_histogram_kernel)(struct range_input *in, size_t step,
                                                          uint32_t low, uint32_t count);

const struct histogram *range_histogram_rate(struct range_input *in, size_t step, uint32_t low,
                                             uint32_t count);
const struct histogram *range_histogram_increase(struct range_input *in, size_t step, uint32_t low,
                                                 uint32_t count);
const struct histogram *range_histogram_delta(struct range_input *in, size_t step, uint32_t low,
                                              uint32_t count);
/* functions_histogram_extended.c: over anchored and smoothed ranges */
const struct histogram *range_histogram_extended_rate(struct range_input *in, size_t step,
                                                      uint32_t low, uint32_t count);
const struct histogram *range_histogram_extended_increase(struct range_input *in, size_t step,
                                                          uint32_t low, uint32_t count);
const struct histogram *range_histogram_extended_delta(struct range_input *in, size_t step,
                                                       uint32_t low, uint32_t count);
const struct histogram *range_histogram_irate(struct range_input *in, size_t step, uint32_t low,
                                              uint32_t count);
const struct histogram *range_histogram_idelta(struct range_input *in, size_t step, uint32_t low,
                                               uint32_t count);
const struct histogram *range_histogram_sum(struct range_input *in, size_t step, uint32_t low,
                                            uint32_t count);
const struct histogram *range_histogram_avg(struct range_input *in, size_t step, uint32_t low,
                                            uint32_t count);
