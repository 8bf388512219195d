/*
 * The exemplars of all series in one ring: the newest overwrites what was stored first, so memory
 * is bounded whatever comes. The exemplars of a series are a list in the order of time through the
 * ring's slots:
 *
 *     slots   [ a1 | b1 | a3 | a2 | b2 | .. ]      next_slot ──▶ the oldest, or the first free one
 *     series a: oldest 0 ──▶ 3 ──▶ 2 newest
 *
 * The ring grows as it fills, up to the limit; 0 stores nothing.
 *
 * Threads: a lock of its own (rank TSDB_EXEMPLARS), under which nothing else is taken but symbols.
 */
#pragma once

#include "base/mutex.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/exemplar.h"
#include "model/labels.h"
#include "tsdb/appender.h"

#include <stdbool.h>
#include <stdint.h>

/* What a series has in the ring. */
struct exemplar_series {
    const struct labels *labels; /* counted */
    int32_t oldest;              /* slots */
    int32_t newest;
};

struct exemplar_slot {
    struct exemplar_series *series; /* NULL = free */
    char *labels;                   /* encoded (exemplar_labels.h) */
    uint32_t labels_len;
    bool has_timestamp;
    int32_t next; /* later in the series, -1 = none */
    int32_t previous;
    int64_t timestamp_ms;
    double value;
};

struct exemplars {
    _Atomic int64_t slots_max;
    struct mutex lock;
    /* guarded by lock: */
    VEC(struct exemplar_slot) slots;
    size_t next_slot;
    struct table series; /* by label set */
    uint64_t appended;
    uint64_t out_of_order;
};

/* An exemplar on its way; the labels are encoded and borrowed. */
struct exemplar_entry {
    int64_t timestamp_ms;
    double value;
    struct slice labels;
    bool has_timestamp;
};

void exemplars_init(struct exemplars *exemplars, int64_t slots_max);
void exemplars_release(struct exemplars *exemplars);
/* Keeps the newest. */
void exemplars_resize(struct exemplars *exemplars, int64_t slots_max);

/* Would it be taken? */
enum exemplar_result exemplars_check(struct exemplars *exemplars, const struct labels *labels,
                                     const struct exemplar_entry *entry, int64_t window_ms);
void exemplars_add(struct exemplars *exemplars, const struct labels *labels,
                   const struct exemplar_entry *entry, int64_t window_ms);

/* For the metrics. */
struct exemplars_figures {
    uint64_t appended;
    uint64_t out_of_order;
    size_t count;
    size_t series_count;
    int64_t oldest_ms; /* of the first in the ring; 0 when it is empty */
};
void exemplars_figures(struct exemplars *exemplars, struct exemplars_figures *out);
