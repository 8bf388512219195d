/*
 * Series captured from real servers, where the shared data is (FERULA_SHARED, else ../shared; read
 * through `xz`): every scrape of some minutes, one a second.
 *
 * Ownership: capture_free. Thread-safety: constant once opened.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture {
    size_t series_count;
    size_t row_count;
    int64_t *times_ms; /* row_count */
    double *values;    /* series by series, row_count each */
    char **names;      /* as in the exposition; NULL where not asked for */
};

/* NULL where the shared data is not there or is not readable. */
struct capture *capture_open(const char *name, bool with_names);
void capture_free(struct capture *capture);

/* The mark of a series that a scrape did not show. */
bool capture_absent(double value);
