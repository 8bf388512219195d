/*
 * Series in memory behind model/series_source.h, for tests of the query engine. Series keep the
 * order in which they were made; selecting looks at all of them.
 *
 * Ownership: the fake owns its series; views borrow from it and must be closed before it is freed.
 * Thread-safety: many readers, or one writer.
 */
#pragma once

#include "base/vec.h"
#include "model/series_source.h"

#include <stddef.h>
#include <stdint.h>

struct fake_series {
    struct labels *labels;
    VEC(int64_t) timestamps_ms;
    VEC(double) values;
    VEC(struct histogram *) histograms; /* NULL for floats */
    bool has_histograms;
    struct arena arena;               /* of histograms */
    VEC(int64_t) start_timestamps_ms; /* 0 = not known */
    bool has_start_timestamps;
};

struct fake_source {
    struct series_source source;
    VEC(struct fake_series *) series;
    size_t open_views;
    bool appends; /* views copy samples behind those that are kept */
};

struct fake_source *fake_source_new(void);
void fake_source_free(struct fake_source *fake);
/* Forgets all series. */
void fake_source_clear(struct fake_source *fake);

/* The series of a label set, made when it is new. */
struct fake_series *fake_source_series(struct fake_source *fake, const struct labels *labels);
/* Samples must come in time order; a sample at the time of the last one replaces it. */
void fake_series_add(struct fake_series *series, int64_t timestamp_ms, double value);
/* Since when the last sample counts. */
void fake_series_set_start(struct fake_series *series, int64_t start_ms);
/* A copy is kept, with the reset hint that storage gives it. A stale marker behind a histogram
 * becomes one. */
void fake_series_add_histogram(struct fake_series *series, int64_t timestamp_ms,
                               const struct histogram *histogram);
