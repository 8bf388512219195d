/*
 * Reads the records of a segment, the inverse of wal_writer.h: for replay, and for those who follow
 * the log. It keeps what the segment has said so far: series by number, groups with their last
 * values.
 *
 * The bytes are checked: what cannot be right is ERR_CORRUPT, and the state is useless from then
 * on.
 *
 * Threads: one owner.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/labels.h"
#include "tsdb/exemplars.h"
#include "tsdb/token_packing.h"

#include <stdbool.h>
#include <stdint.h>

/* A group as the segment tells of it. */
struct wal_group {
    uint64_t id;
    uint32_t count;
    uint32_t capacity;
    uint32_t *series;  /* numbers by position */
    uint64_t *bits;    /* last values */
    uint8_t *states;   /* tokens.h */
    struct token_context *contexts;
    uint64_t *present; /* bitmap: in the last row */
    uint64_t *changed; /* bitmap: changed in the last row */
    int64_t last_ms;
    uint32_t layout_version; /* counts changes of `series` */
    void *context;           /* the visitor's */
};

/* A sample that is no row's. */
struct wal_sample {
    int64_t t_ms;
    uint64_t bits;
    const uint8_t *token; /* that led to the bits from those of the series' sample before */
    uint32_t series;
    uint8_t token_len; /* 0 = the bits are those of the sample before, or it came out of order */
    uint8_t state;     /* tokens.h: behind it */
};

struct wal_visitor {
    /* Series were defined; they get the numbers from `first` on. The sets are the decoder's, as long
     * as the segment lasts, or, if the visitor takes them, it owns a reference to each. */
    void (*series)(void *context, uint32_t first, const struct labels *const *labels, size_t count);
    bool takes_series;
    /* A row: the present positions have the values `bits`. */
    void (*row)(void *context, struct wal_group *group, int64_t t_ms);
    void (*samples)(void *context, const struct wal_sample *samples, size_t count,
                    bool out_of_order);
    void (*histogram)(void *context, uint32_t series, int64_t t_ms, struct slice encoded,
                      bool out_of_order);
    /* May be NULL. */
    void (*exemplar)(void *context, uint32_t series, const struct exemplar_entry *entry);
    /* The sample at `t_ms` counts since `start_ms`, and those after it unless it is late. May be
     * NULL. */
    void (*start)(void *context, uint32_t series, int64_t t_ms, int64_t start_ms, bool late);
    /* The samples of [min_ms, max_ms] that the series has so far are deleted. May be NULL. */
    void (*deletion)(void *context, uint32_t series, int64_t min_ms, int64_t max_ms);
    /* Blocks have the samples out of order of the segments before this one. May be NULL. */
    void (*late_stored)(void *context, uint64_t segment);
    /* A group is forgotten with its context. May be NULL. */
    void (*group_end)(void *context, struct wal_group *group);
};

struct wal_loose_state {
    uint64_t bits;
    uint8_t state;
    bool changed; /* the last sample of a packed record differed from the one before it */
    struct token_context context;
};

struct wal_decoder {
    const struct wal_visitor *visitor;
    void *context;
    VEC(const struct labels *) labels; /* counted, by number; NULL = the visitor took it */
    VEC(struct wal_loose_state) loose; /* by number */
    struct table groups;
    /* scratch */
    VEC(struct label_pair) pairs; /* of the label set before */
    VEC(uint32_t) pair_uses;      /* by sets of the record, since the pair is at its place */
    VEC(struct wal_sample) samples;
    VEC(uint8_t) tokens; /* of packed ones, as they were before */
};

void wal_decoder_init(struct wal_decoder *decoder, const struct wal_visitor *visitor,
                      void *context);
void wal_decoder_release(struct wal_decoder *decoder);
/* A new segment begins. */
void wal_decoder_reset(struct wal_decoder *decoder);
enum err wal_decoder_read(struct wal_decoder *decoder, struct slice payload,
                          struct errbuf *err) MUST_CHECK;
