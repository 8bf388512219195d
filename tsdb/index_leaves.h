/*
 * Pages of indexes that were checked and unpacked, kept for whoever asks next: dashboards ask for
 * the same few series of the same blocks again and again.
 *
 * All blocks that are served share one store of a few pages (INDEX_LEAVES_MAX of at most
 * INDEX_LEAF_SIZE_MAX bytes); the page that was not asked for the longest makes room. What nobody
 * asked for since the last maintenance goes then. Who walks through an index page by page does not
 * keep them (index_cursor.c).
 *
 * A leaf that is asked for again learns places: the rows of a page of series are differences from
 * one to the next, and a place is a row from which a reader may go on, so that it need not begin at
 * the first.
 *
 * Ownership: leaves are reference-counted; the store holds those that it keeps. Thread-safety: a
 * store from any thread; a leaf does not change once it is kept, but for its places, which are made
 * once and published in one step.
 */
#pragma once

#include "base/buf.h"
#include "base/mutex.h"
#include "base/vec.h"
#include "tsdb/index_rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_LEAVES_MAX 32
#define INDEX_LEAF_SIZE_MAX 32768
/* Rows from one place to the next. */
#define INDEX_PLACES_APART 32

struct index_page;
struct index_reader;

/* The row before number INDEX_PLACES_APART * (1 + this place's own number) of the page. */
struct index_place {
    size_t offset; /* of the row behind it */
    size_t pair_first;
    size_t pair_count;
    size_t times_first;
    size_t times_count;
    uint64_t chunk_first;
    uint32_t chunk_step;
};

struct index_places {
    VEC(struct index_place) items;
    VEC(struct index_pair) pairs;
    VEC(struct index_chunk_times) times;
};

struct index_leaf {
    _Atomic uint32_t reference_count;
    const struct index_reader *index;
    const struct index_page *page;
    struct buf raw;
    _Atomic(struct index_places *) places; /* NULL = not known */
};

struct index_leaf *index_leaf_new(void);
void index_leaf_unref(struct index_leaf *leaf); /* NULL is fine */
/* Nobody else has it: it may be filled anew. */
bool index_leaf_is_own(const struct index_leaf *leaf);
/* The places of a page of series; made at the first call. Borrowed from the leaf. */
const struct index_places *index_leaf_places(struct index_leaf *leaf);
/* Puts `row` where the rows behind the place go on. */
void index_place_restore(const struct index_places *places, size_t number, struct index_row *row);

struct index_leaves {
    struct mutex lock;
    /* guarded by lock: */
    struct {
        struct index_leaf *leaf; /* NULL = none */
        uint64_t asked;          /* the number of the last question for it */
    } kept[INDEX_LEAVES_MAX];
    uint64_t questions;
    uint64_t questions_aged; /* at the last call of index_leaves_age */
};

void index_leaves_init(struct index_leaves *leaves);
void index_leaves_release(struct index_leaves *leaves);
/* Counted for the caller; NULL when it is not kept. */
struct index_leaf *index_leaves_find(struct index_leaves *leaves, const struct index_page *page);
/* Keeps it unless it is large or another has brought the same page. */
void index_leaves_keep(struct index_leaves *leaves, struct index_leaf *leaf);
/* Lets go of those of an index that is closed. */
void index_leaves_forget(struct index_leaves *leaves, const struct index_reader *index);
/* Lets go of those that nobody asked for since the last call. */
void index_leaves_age(struct index_leaves *leaves);
uint64_t index_leaves_memory(struct index_leaves *leaves);
