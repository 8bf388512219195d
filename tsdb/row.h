/*
 * One row of a sample group on its way into storage: staged by an appender, compared with the row
 * before it, and applied. Values lie densely by position; the usual case, the same series in the
 * same order as last time, neither hashes nor touches a series.
 *
 * Life: row_begin, row_stage ..., then under the commit lock row_prepare, row_encode, (the WAL),
 * and row_apply or row_abandon.
 *
 * Threads: owned by its appender.
 */
#pragma once

#include "base/table.h"
#include "base/vec.h"
#include "tsdb/group.h"

#include <stdbool.h>
#include <stdint.h>

/* A series that is not (or no longer) a member. */
struct row_joiner {
    struct series *series;
    uint64_t bits;
};

/* A position whose value differs from the last row's. */
struct row_change {
    uint32_t position;
    uint8_t token_len;
    uint8_t state; /* behind the token */
};

struct row {
    struct sample_group *group; /* NULL = no row is staged */
    int64_t t_ms;
    uint32_t position_count; /* the group's when it began */
    uint32_t cursor;
    uint32_t staged_count; /* values by position */
    VEC(uint64_t) bits;
    VEC(uint64_t) present;
    VEC(struct row_joiner) joiners;
    VEC(uint32_t) joiner_slots; /* open addressing by ref: index + 1 */
    /* made by row_encode: */
    VEC(struct row_change) changes;
    VEC(uint8_t) tokens;
    VEC(uint32_t) toggles; /* positions that come or go, ascending */
};

void row_release(struct row *row);
void row_begin(struct row *row, struct sample_group *group, int64_t t_ms);
/* Forgets what was staged; keeps the memory. */
void row_reset(struct row *row);

enum row_staged {
    ROW_STAGED,
    ROW_SAME,   /* staged already with the same bits */
    ROW_OTHER,  /* staged already with other bits */
    ROW_UNKNOWN /* the series is neither at the cursor nor a member: see row_stage_series */
};

/* The fast path: the series is where it was last time. */
static inline bool row_stage_next(struct row *row, series_ref ref, uint64_t bits)
{
    uint32_t at = row->cursor;
    if (at >= row->position_count || row->group->refs[at] != ref ||
        (row->present.items[at / 64] >> (at % 64) & 1))
        return false;
    row->bits.items[at] = bits;
    row->present.items[at / 64] |= UINT64_C(1) << (at % 64);
    row->staged_count++;
    row->cursor = at + 1;
    return true;
}

/* Any other member; ROW_UNKNOWN when it is none. */
enum row_staged row_stage_member(struct row *row, struct series *series, uint64_t bits);
/* A series that is not a member and whose newest sample is older than the row. */
enum row_staged row_stage_joiner(struct row *row, struct series *series, uint64_t bits);

/* Gives positions to joiners, and hands those samples over that cannot be part of the row. */
void row_prepare(struct row *row, bool replaying,
                 void (*spill)(void *context, struct series *series, uint64_t bits), void *context);
/* Takes a member out of the row; false when it is not in it. */
bool row_unstage(struct row *row, const struct series *series, uint64_t *out_bits);
void row_encode(struct row *row);
/* Samples in the row, after row_prepare. */
static inline uint32_t row_sample_count(const struct row *row)
{
    return row->staged_count;
}
void row_apply(struct row *row, uint64_t commit);
/* The commit failed: nothing of it stays. */
void row_abandon(struct row *row);
