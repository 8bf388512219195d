/*
 * Samples that are gathered in any order before they become blocks: series with their labels, each
 * with its samples, all in memory, 16 bytes a sample.
 *
 * Ownership: an embedded value. Thread-safety: one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input_sample {
    int64_t time_ms;
    double value;
};

struct input_series {
    struct labels *labels;
    VEC(struct input_sample) samples;
    size_t next; /* the first that is in no block yet */
};

struct block_input {
    VEC(struct input_series) series;
    struct table by_labels; /* number of the series + 1 */
    int64_t min_ms;         /* of the samples */
    int64_t max_ms;
};

void block_input_init(struct block_input *input);
void block_input_release(struct block_input *input);

/* The number of the series of a counted label set, which is taken. */
size_t block_input_series(struct block_input *input, struct labels *labels);
void block_input_add(struct block_input *input, size_t series, int64_t time_ms, double value);

/* Two values of a series at one time: the first of them counts, or they are an error. */
enum input_conflict {
    INPUT_CONFLICT_FAILS,
    INPUT_CONFLICT_FIRST,
};
/* Sorts series by labels and samples by time. */
enum err block_input_sort(struct block_input *input, enum input_conflict conflict,
                          struct errbuf *err) MUST_CHECK;
