/*
 * The label index of the head: for every label pair the refs of the series that have it, ascending,
 * as differences in varints (one or two bytes a ref). Refs are added in ascending order only, since
 * they count up, so adding is appending.
 *
 * Readers copy what they need under the lock and decode and compare outside, so that a costly
 * regular expression never holds up a writer. What is handed out as symbols stays alive as long as
 * the reader is registered (isolation.h).
 *
 * Thread-safety: all functions from any registered reader, unless `_locked`.
 */
#pragma once

#include "base/mutex.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/labels.h"
#include "tsdb/appender.h"
#include "tsdb/isolation.h"

#include <stddef.h>
#include <stdint.h>

struct postings {
    struct isolation *isolation;
    struct rwlock lock;
    /* guarded by lock: */
    struct table names; /* struct posting_name by symbol */
    size_t pair_count;
    size_t bytes;
};

typedef VEC(series_ref) ref_list;

/* One value of a label. */
struct posting_value {
    uint32_t symbol;
    uint32_t series_count;
};
typedef VEC(struct posting_value) posting_values;

void postings_init(struct postings *postings, struct isolation *isolation);
void postings_release(struct postings *postings);

/* The write lock is held: taking a ref and adding it are one step. */
void postings_add_locked(struct postings *postings, series_ref ref, const struct labels *labels);

/* Where the refs of a pair go, for adding very many series: made where the pair is new, and then a
 * ref must follow. Valid until series are removed. */
struct posting_place {
    struct posting_name *name;
    struct posting_list *list;
};
struct posting_place postings_place_locked(struct postings *postings, struct label_pair pair);
void postings_add_at_locked(struct postings *postings, const struct posting_place *place,
                            series_ref ref);

/* Takes series out; sorted by ref. */
struct posting_removal {
    series_ref ref;
    const struct labels *labels;
};
void postings_remove(struct postings *postings, const struct posting_removal *removed,
                     size_t count);

/* All names of labels; the series counts are those of all values together. */
void postings_names(struct postings *postings, posting_values *out);
/* All values of a name, unsorted. */
void postings_values(struct postings *postings, uint32_t name, posting_values *out);
/* How many series have the pair. */
size_t postings_count(struct postings *postings, uint32_t name, uint32_t value);
/* The refs of the series that have one of the values, ascending. */
void postings_read(struct postings *postings, uint32_t name, const uint32_t *values,
                   size_t value_count, ref_list *out);
/* Keeps what is in both; both ascending. */
void ref_list_intersect(ref_list *list, const ref_list *other);

size_t postings_pair_count(struct postings *postings);
size_t postings_memory(struct postings *postings);
