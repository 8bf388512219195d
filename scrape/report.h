/*
 * The series that a scrape says of itself: up, scrape_duration_seconds and so on, with the target's
 * labels, in the row of the scrape, whether it went well or not.
 *
 * A target that exposes a series of the same name and labels wins: its sample is staged first and
 * the report's is dropped as a duplicate, as in the reference.
 *
 * Ownership: part of its target. Thread-safety: the scraping thread.
 */
#pragma once

#include "base/compiler.h"
#include "model/labels.h"
#include "scrape/sample_labels.h"
#include "tsdb/appender.h"

#include <stdbool.h>
#include <stdint.h>

#define REPORT_SERIES_COUNT 8

/* Refs of the series; zero-initialised is empty. */
struct report {
    series_ref refs[REPORT_SERIES_COUNT];
};

struct report_values {
    bool up;
    double duration_s;
    uint64_t samples_scraped;
    uint64_t samples_kept;
    uint64_t series_added;
    bool extra; /* the three below are wanted too */
    double timeout_s;
    uint64_t sample_limit;
    int64_t body_size; /* -1 = the limit was hit, 0 = failed otherwise */
};

/* Stages the samples in the row of the appender's group. */
void report_write(struct report *report, struct sample_labels *maker, const struct labels *target,
                  const struct report_values *values, struct appender *appender);
/* Stages stale markers for what was ever written, unless someone goes on with it. */
void report_write_stale(const struct report *report, struct appender *appender, int64_t row_ms);
