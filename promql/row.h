/*
 * Rows: what operators hand to each other. A row is one label set with a column of values for all
 * steps of the evaluation and a bitmap that says at which steps there is a value. Loops compute
 * every slot, the bitmap is combined apart; slots whose bit is clear hold anything.
 *
 * Invariants of what an operator hands out:
 * 1. Bits at and above the number of steps are clear.
 * 2. At any one step, the rows that are present have distinct label sets. Two rows may have the
 * same set at different steps (the sides of `or`, joins): whoever needs whole series merges them.
 * 3. values, present and the array `histograms` belong to the receiver until it asks for the next
 * row: it may overwrite them.
 *
 * Native histograms: `histograms` is NULL where all present steps are floats; else a present step
 * is a float where its entry is NULL, and its value is undefined where it is not. Loops over values
 * run over all slots all the same. A histogram is never changed; it belongs to whoever made it and
 * is valid until the next row is asked for: who keeps it longer copies it (row_store does). All are
 * taken as float histograms, whatever is_float says.
 */
#pragma once

#include "model/labels.h"
#include "promql/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct row {
    const struct labels *labels;
    double *values;
    uint64_t *present;
    const struct histogram **histograms; /* NULL where all are floats; see above */
    bool drop_name; /* its reserved labels go at the end of the query (delayed name removal) */
};

static inline int64_t steps_time(const struct promql_steps *steps, size_t index)
{
    return steps->start_ms + (int64_t)index * steps->step_ms;
}

static inline int64_t steps_end(const struct promql_steps *steps)
{
    return steps_time(steps, steps->count - 1);
}

/* The bits of word `word` that lie below `count`. */
static inline uint64_t bitmap_mask(size_t count, size_t word)
{
    size_t from = word * 64;
    return count - from >= 64 ? UINT64_MAX : (UINT64_C(1) << (count - from)) - 1;
}

static inline void bitmap_clear(uint64_t *bitmap, size_t count)
{
    memset(bitmap, 0, promql_bitmap_words(count) * sizeof(*bitmap));
}

static inline void bitmap_fill(uint64_t *bitmap, size_t count)
{
    for (size_t word = 0; word < promql_bitmap_words(count); word++)
        bitmap[word] = bitmap_mask(count, word);
}

static inline void bitmap_copy(uint64_t *to, const uint64_t *from, size_t count)
{
    memcpy(to, from, promql_bitmap_words(count) * sizeof(*to));
}

static inline bool bitmap_any(const uint64_t *bitmap, size_t count)
{
    uint64_t seen = 0;
    for (size_t word = 0; word < promql_bitmap_words(count); word++)
        seen |= bitmap[word];
    return seen != 0;
}

static inline size_t bitmap_count(const uint64_t *bitmap, size_t count)
{
    size_t total = 0;
    for (size_t word = 0; word < promql_bitmap_words(count); word++)
        total += (size_t)__builtin_popcountll(bitmap[word]);
    return total;
}

static inline bool bitmap_full(const uint64_t *bitmap, size_t count)
{
    for (size_t word = 0; word < promql_bitmap_words(count); word++) {
        if (bitmap[word] != bitmap_mask(count, word))
            return false;
    }
    return true;
}

static inline bool bitmap_overlap(const uint64_t *a, const uint64_t *b, size_t count)
{
    uint64_t both = 0;
    for (size_t word = 0; word < promql_bitmap_words(count); word++)
        both |= a[word] & b[word];
    return both != 0;
}

static inline void bitmap_or(uint64_t *to, const uint64_t *other, size_t count)
{
    for (size_t word = 0; word < promql_bitmap_words(count); word++)
        to[word] |= other[word];
}

static inline void bitmap_and(uint64_t *to, const uint64_t *other, size_t count)
{
    for (size_t word = 0; word < promql_bitmap_words(count); word++)
        to[word] &= other[word];
}

static inline void bitmap_and_not(uint64_t *to, const uint64_t *other, size_t count)
{
    for (size_t word = 0; word < promql_bitmap_words(count); word++)
        to[word] &= ~other[word];
}

static inline void bitmap_unset(uint64_t *bitmap, size_t index)
{
    bitmap[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

/* The histogram at a present step; NULL for a float. */
static inline const struct histogram *row_histogram(const struct row *row, size_t index)
{
    return row->histograms == NULL ? NULL : row->histograms[index];
}

/* for (each set bit): `index` runs over the bits of `bitmap` below `count`. */
#define BITMAP_FOR_EACH(bitmap, count, index)                                                      \
    for (size_t word_##index = 0; word_##index < promql_bitmap_words(count); word_##index++)       \
        for (uint64_t rest_##index = (bitmap)[word_##index], index = 0;                            \
             rest_##index != 0 &&                                                                  \
             (index = word_##index * 64 + (size_t)__builtin_ctzll(rest_##index), true);            \
             rest_##index &= rest_##index - 1)

/* Are there histograms among the present steps? */
static inline bool row_has_histograms(const struct row *row, size_t count)
{
    if (row->histograms == NULL)
        return false;
    BITMAP_FOR_EACH(row->present, count, i)
    {
        if (row->histograms[i] != NULL)
            return true;
    }
    return false;
}

static inline bool row_has_floats(const struct row *row, size_t count)
{
    if (row->histograms == NULL)
        return bitmap_any(row->present, count);
    BITMAP_FOR_EACH(row->present, count, i)
    {
        if (row->histograms[i] == NULL)
            return true;
    }
    return false;
}

/* For what ignores histograms: their steps are taken out. */
static inline void row_drop_histograms(struct row *row, size_t count)
{
    if (row->histograms == NULL)
        return;
    BITMAP_FOR_EACH(row->present, count, i)
    {
        if (row->histograms[i] != NULL)
            bitmap_unset(row->present, i);
    }
    row->histograms = NULL;
}
