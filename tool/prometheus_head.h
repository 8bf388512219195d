/*
 * What Prometheus has in no block yet, as a series_source: chunks_head/, wal/ with its checkpoint
 * and wbl/, read as a start of Prometheus reads them.
 *
 * The logs are in the order of time, not of series. They are replayed once to learn the series,
 * how many samples each has, and what is deleted; then once more for each *window*, a run of series
 * in the order of labels whose samples fit into a budget. Who reads series in that order, as
 * importing and dumping do, replays each log as often as the samples are larger than the budget.
 *
 *     open: chunks, logs ─▶ series, counts, deletions, notes
 *     read: window of the series ─▶ its chunks, its samples of the log, late ones; merged by time
 *
 * Ownership: the head must outlive its views; one view at a time reads. Thread-safety: one owner.
 * Memory: labels, some 100 bytes a series, and a window.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "model/series_source.h"
#include "tool/notes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prometheus_head;

struct prometheus_head_options {
    const struct fs *fs;
    const char *path;      /* the data directory */
    int64_t valid_from_ms; /* where blocks end; older samples are theirs, unless they came late */
    size_t window_bytes;   /* 0 = 512 MiB */
    /* how far the first replay is, in bytes; may be NULL */
    void (*progress)(uint64_t done, uint64_t total);
};

/* ERR_NOT_FOUND where there is no log. */
enum err prometheus_head_open(const struct prometheus_head_options *options,
                              struct prometheus_head **out, struct errbuf *err) MUST_CHECK;
void prometheus_head_close(struct prometheus_head *head); /* NULL is fine */

struct series_source *prometheus_head_source(struct prometheus_head *head);
/* What was damaged or is worth a word; of opening it, and of reading so far. */
struct notes *prometheus_head_notes(struct prometheus_head *head);
/* Of all that was read: the same for the same files. */
uint64_t prometheus_head_fingerprint(const struct prometheus_head *head);
/* Did somebody write to the log since it was opened? */
bool prometheus_head_has_changed(const struct prometheus_head *head);

/* The spans of PROMETHEUS_HEAD_SPAN_MS that may have samples, by their begin, sorted. */
#define PROMETHEUS_HEAD_SPAN_MS INT64_C(7200000)
struct prometheus_head_spans {
    const int64_t *begins_ms;
    size_t count;
};
struct prometheus_head_spans prometheus_head_spans(const struct prometheus_head *head);
/* The time of the newest sample. */
int64_t prometheus_head_max_ms(const struct prometheus_head *head);
