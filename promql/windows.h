/*
 * Where steps and windows lie among the samples of a series. Samples are arrays in time order;
 * a window of a step at time t is left-open: (t - range, t].
 *
 * Cursors only move forward. Scrapes are regular, so the distance of the last move is tried first:
 * most steps cost one comparison however many samples lie between them.
 */
#pragma once

#include "base/compiler.h"
#include "promql/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* offset and @ of a selector, resolved: the time to look at for a step. */
struct time_shift {
    bool is_fixed; /* @: the same time for all steps */
    int64_t fixed_ms;
    int64_t offset_ms;
};

static inline int64_t time_shift_apply(const struct time_shift *shift, int64_t step_ms)
{
    return (shift->is_fixed ? shift->fixed_ms : step_ms) - shift->offset_ms;
}

struct sample_cursor {
    size_t at;     /* samples up to the last time asked for */
    size_t stride; /* how far it went the last time */
};

/* How many samples have a time <= `time_ms`, which must not be below the last one asked for. */
static inline size_t sample_cursor_move(struct sample_cursor *cursor, const int64_t *timestamps_ms,
                                        size_t count, int64_t time_ms)
{
    size_t at = cursor->at;
    size_t guess = at + cursor->stride;
    if (LIKELY(guess <= count) && (guess == 0 || timestamps_ms[guess - 1] <= time_ms))
        at = guess;
    while (at < count && timestamps_ms[at] <= time_ms)
        at++;
    cursor->stride = at - cursor->at;
    cursor->at = at;
    return at;
}

/* The windows of all steps over one series: samples [low[i], high[i]). */
struct windows {
    uint32_t *low;
    uint32_t *high;
};

void windows_find(struct windows *windows, const int64_t *timestamps_ms, size_t count,
                  const struct promql_steps *steps, const struct time_shift *shift,
                  int64_t range_ms);
/* Windows that reach beyond the range: they are to begin with the last sample that is not within
 * it, the anchor; a window without a sample within its range becomes empty. */
void windows_anchor(struct windows *windows, const int64_t *timestamps_ms, size_t count,
                    const struct promql_steps *steps, const struct time_shift *shift,
                    int64_t range_ms);
