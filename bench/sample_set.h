/*
 * The samples of which disk_figures says what they cost on disk: shapes that are made up, and
 * captures of real servers where they are.
 *
 * A capture has 50 minutes. To have more it is replayed in stretches: stretch k takes every n-th
 * scrape from scrape k % n on, and every odd stretch runs backwards, so that gauges do not jump
 * where two meet and no code can gain by finding a stretch again. Series that never fall go on
 * rising by the same steps, rounded to the decimals that they have.
 *
 * Ownership: sample_set_release. Thread-safety: one owner.
 */
#pragma once

#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLE_SET_START_MS INT64_C(1700006400000) /* a midnight */

struct sample_set {
    const char *name;
    int64_t interval_ms;
    size_t series_count;
    size_t row_count;
    struct labels **labels; /* sorted */
    double **values;        /* by series; capture_absent where there is no sample */
    int64_t *times_ms;
    uint64_t sample_count;
};

/* Of one shape by its place in the list; false where its capture is not there. */
bool sample_set_make(struct sample_set *set, size_t shape, size_t row_count);
void sample_set_release(struct sample_set *set);

size_t sample_set_shape_count(void);
const char *sample_set_shape_name(size_t shape);
