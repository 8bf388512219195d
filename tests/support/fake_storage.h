/*
 * Storage in memory behind tsdb/appender.h: it keeps every sample that was committed, in order, and
 * judges samples as storage does (equal time: duplicate, earlier: out of order). Tests link it in
 * place of tsdb's own appender.
 */
#pragma once

#include "base/slice.h"
#include "tsdb/appender.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_sample {
    series_ref ref;
    int64_t t_ms;
    double value;
    bool in_row; /* at the time of the group */
};

/* Forgets all series and samples. */
void fake_storage_reset(void);
/* begin fails from now on, or works again. */
void fake_storage_set_failing(bool failing);
/* Older samples are taken from now on, as with an out-of-order window. */
void fake_storage_take_out_of_order(void);
/* The head forgets the series: its ref is unknown from now on. */
void fake_storage_forget(const char *series);

/* The series as people write it: up{job="x"}, without blanks; 0 when it is not there. */
series_ref fake_storage_find(const char *series);
size_t fake_storage_series_count(void);
/* Committed samples of a series: how many, and the one at `index`, counted from the end if
 * negative. */
size_t fake_storage_count(const char *series);
struct fake_sample fake_storage_sample(const char *series, int index);
/* Is the newest sample of the series a stale marker? */
bool fake_storage_is_stale(const char *series);
size_t fake_storage_sample_count(void);
/* The histogram that was appended last, committed or not; NULL if there was none since the reset.
 * Its sample has the sum as value. */
const struct histogram *fake_storage_last_histogram(void);
/* All exemplars that were appended since the reset, committed or not, a line each:
 * up{job="x"} 1000:2 id="a". One that is older than the newest of all is out of order. */
const char *fake_storage_exemplars(void);
size_t fake_storage_commit_count(void);
