/*
 * Series for the codec benchmark: real captures where the shared data is (FERULA_SHARED, else
 * ../shared; read through `xz`), and made-up ones.
 *
 * Ownership: codec_set_free. Thread-safety: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codec_set {
    size_t series_count;
    size_t row_count;
    int64_t *times_ms; /* row_count */
    size_t *counts;    /* samples of each series */
    double **values;   /* counts[i] of each */
};

/* A capture, every `stride`-th scrape; a series that goes has one stale marker. NULL where the
 * shared data is not there. */
struct codec_set *codec_set_capture(const char *name, size_t stride, size_t series_max);

enum codec_shape {
    CODEC_INTEGERS,   /* gauges 0..100 that walk, whole */
    CODEC_DECIMALS,   /* the same with two decimals */
    CODEC_HISTOGRAMS, /* classic histograms of 12 buckets, with sum and count */
    CODEC_RANDOM,     /* full mantissas */
};
struct codec_set *codec_set_made(enum codec_shape shape, size_t series_count, size_t row_count);

void codec_set_free(struct codec_set *set);
