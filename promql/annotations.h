/*
 * Warnings and infos of an evaluation: what the reference says beside the answer. Equal texts are
 * one annotation; the place in the query is added at the end: "PromQL info: ... (1:6)".
 *
 * Ownership: embedded in the evaluation; texts are copied. Thread-safety: one owner.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "base/table.h"
#include "base/vec.h"
#include "promql/value.h"

#include <stddef.h>
#include <stdint.h>

/* What a repaired classic histogram adds to its text; grows with every occurrence. */
struct annotation_repair {
    uint64_t count;
    int64_t first_ms;
    int64_t last_ms;
    double bucket_min;
    double bucket_max;
    double difference_max;
};

struct annotation;

struct annotations {
    uint32_t rank; /* of whoever is at work: see annotations_add */
    VEC(struct annotation *) items;
    struct table by_text;
};

void annotations_init(struct annotations *annotations);
void annotations_release(struct annotations *annotations);

/* `position` is the byte offset of the expression that it is about. The text has no prefix. Where
 * one text comes up at several places, that of the highest rank is shown, then the later one: the
 * reference evaluates arguments before what they are for and keeps the last that it met. */
void annotations_add(struct annotations *annotations, enum promql_annotation_level level,
                     uint32_t position, const char *format, ...) PRINTF_LIKE(4, 5);

/* The same for what has happened so many times; said where it is more than once. */
void annotations_add_counted(struct annotations *annotations, enum promql_annotation_level level,
                             uint32_t position, uint64_t count, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* Info: input to histogram_quantile needed to be fixed for monotonicity. */
void annotations_add_repair(struct annotations *annotations, uint32_t position,
                            struct slice metric_name, const struct annotation_repair *repair);

/* The texts as they are shown, in the order in which they came up; in the arena. */
struct promql_annotation *annotations_take(struct annotations *annotations, struct slice query,
                                           struct arena *arena, size_t *out_count);

/* A number as Go's %g prints it, for texts. Returns `out`. */
#define ANNOTATION_NUMBER_SIZE 40
const char *annotation_number(double value, char out[ANNOTATION_NUMBER_SIZE]);
