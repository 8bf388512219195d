/*
 * Since when the samples of one series count. A counter starts again rarely, so what is kept is a
 * list of changes: from this time of a sample on, that start.
 *
 *     change   {at 1000, start 500} {at 9000, start 8800}
 *     samples  1000  2000  3000  9000  10000
 *     start     500   500   500  8800   8800
 *
 * Few series have any, so they hang behind series_extra. Threads: guarded by the lock of the
 * series.
 */
#pragma once

#include "base/compiler.h"
#include "base/vec.h"
#include "model/series_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct start_change {
    int64_t at_ms;
    int64_t start_ms; /* 0 = not known */
};

struct series_starts {
    VEC(struct start_change) changes; /* by time; neighbours differ */
};

void series_starts_free(struct series_starts *times);
/* The start of a sample at `t_ms`, 0 = not known; `times` may be NULL. */
int64_t series_starts_find(const struct series_starts *times, int64_t t_ms);
/* The sample at `t_ms` has this start. Those behind it keep theirs when it is `late`; else there
 * are none yet. */
void series_starts_set(struct series_starts *times, int64_t t_ms, int64_t start_ms, bool late);
/* Forgets what says nothing of samples from `min_ms` on. */
void series_starts_drop_before(struct series_starts *times, int64_t min_ms);
/* Fills the columns' start timestamps, where one of their samples has any. */
void series_starts_read(const struct series_starts *times, struct sample_columns *out);
