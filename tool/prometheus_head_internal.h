/*
 * The state of prometheus_head.h, shared by its replay (prometheus_replay.c) and what reads it.
 *
 *     ref (of the logs) ─▶ series ─▶ labels
 *         └─▶ its chunks          └─▶ counts, last time
 *
 * A series has a new ref after it was out of the head for a while, and may then have several; one
 * whose ref was deleted as a whole is dead for all that bears this ref.
 *
 * Thread-safety: one owner.
 */
#pragma once

#include "base/table.h"
#include "base/vec.h"
#include "model/histogram_arithmetic.h"
#include "model/labels.h"
#include "tool/prometheus_head.h"
#include "tool/prometheus_head_chunks.h"
#include "tool/prometheus_log.h"
#include "tool/prometheus_record.h"
#include "tsdb/tombstones.h"

#include <stdbool.h>
#include <stdint.h>

#define HEAD_NONE UINT32_MAX

struct head_ref {
    uint64_t ref;
    uint32_t series;
    uint32_t next; /* another ref of the series, or HEAD_NONE */
    size_t first_chunk;
    uint32_t chunk_count;
    bool is_dead;
    int64_t chunks_max_ms; /* up to here the log repeats what its chunks have */
};

struct head_series {
    struct labels *labels;
    uint32_t first_ref;
    uint32_t place;        /* in the order of labels */
    uint32_t sample_count; /* in the logs, at most */
    uint64_t sample_bytes;
    int64_t last_ms; /* of the samples in the order of time that were replayed */
};

struct head_sample {
    int64_t time_ms;
    int64_t start_ms;
    double value;
    const struct histogram *histogram; /* in the arena of the window */
};

/* The samples of some series: those of `order[first]` and its neighbours. */
struct head_window {
    size_t first;
    size_t count;
    struct head_sample *samples;
    size_t *begins; /* count + 1 of them: where in `samples` each series may write */
    uint32_t *lens; /* how many it did */
    struct arena arena;
};

struct prometheus_head {
    struct series_source source;
    const struct fs *fs;
    char *path;
    int64_t valid_from_ms;
    size_t window_bytes;
    void (*progress)(uint64_t done, uint64_t total);
    struct notes notes;
    struct prometheus_head_chunks chunks;
    struct prometheus_log log;
    struct prometheus_log late_log;
    struct prometheus_record_reader reader;
    VEC(struct head_ref) refs;
    VEC(struct head_series) series;
    struct table by_ref;             /* number in refs + 1 */
    struct table by_labels;          /* number in series + 1 */
    VEC(struct tombstone) deletions; /* by number in series */
    struct tombstones *tombstones;
    VEC(uint32_t) order; /* numbers in series, by labels */
    VEC(int64_t) spans;
    int64_t max_ms;
    uint64_t fingerprint;
    uint64_t unknown_count; /* samples whose series is not in the log */
    struct head_window window;
};

/* A deep copy that stays one of integers where it is. */
static inline const struct histogram *head_copy_histogram(struct arena *arena,
                                                          const struct histogram *histogram)
{
    struct histogram *copy = histogram_copy_into(arena, histogram);
    copy->is_float = histogram->is_float;
    return copy;
}

/* Learns the series and what is deleted. */
enum err prometheus_replay_learn(struct prometheus_head *head, struct errbuf *err) MUST_CHECK;
/* Fills the window with the series at `place` and its neighbours. */
enum err prometheus_replay_window(struct prometheus_head *head, size_t place,
                                  struct errbuf *err) MUST_CHECK;
void prometheus_replay_window_release(struct head_window *window);
