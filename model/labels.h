/*
 * A label set: name-value pairs of symbols, sorted by the text of the names, immutable, with its
 * 64-bit hash. The metric name is the label `__name__`. Empty values do not occur: a label with an
 * empty value is a label that is not there.
 *
 * There are two kinds. A *counted* set lives on the heap, owns a reference to each of its symbols
 * and is shared by labels_ref/labels_unref (atomic). A *borrowed* set (reference_count 0) lives in
 * someone's arena, owns nothing and is valid as long as its maker says; labels_ref on it is a
 * mistake that asserts: use labels_copy. Borrowed sets are what query evaluation makes.
 *
 * Thread-safety: immutable, so any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "model/symbols.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABEL_METRIC_NAME "__name__"

struct label_pair {
    uint32_t name;
    uint32_t value;
};

struct labels {
    _Atomic uint32_t reference_count; /* 0 = borrowed */
    uint32_t count;
    uint64_t hash; /* of the pairs; equal sets have equal hashes within this process only */
    struct label_pair pairs[];
};

/* A counted set from sorted pairs without duplicates or empty values; takes its own references. */
struct labels *labels_new(const struct label_pair *pairs, size_t count) MUST_CHECK;
/* The same, but it takes over references that the caller has. */
struct labels *labels_adopt(const struct label_pair *pairs, size_t count) MUST_CHECK;
/* A borrowed set in an arena; the caller keeps the symbols alive. */
const struct labels *labels_borrow(struct arena *arena, const struct label_pair *pairs,
                                   size_t count) MUST_CHECK;
/* A counted copy of either kind. */
struct labels *labels_copy(const struct labels *labels) MUST_CHECK;
const struct labels *labels_ref(const struct labels *labels);
void labels_unref(const struct labels *labels); /* NULL is fine */
/* The empty set; borrowed, static. */
const struct labels *labels_empty(void);

uint64_t labels_hash_pairs(const struct label_pair *pairs, size_t count);
bool labels_equal(const struct labels *a, const struct labels *b);
bool labels_equal_pairs(const struct labels *a, const struct label_pair *pairs, size_t count);
/* The reference's order: name by name and value by value as text, then the shorter first. */
int labels_compare(const struct labels *a, const struct labels *b);

/* The value symbol of a name, SYMBOL_EMPTY if it is not there. */
uint32_t labels_value(const struct labels *labels, uint32_t name);
/* The value's text, empty if it is not there; valid as long as the set. */
struct slice labels_get(const struct labels *labels, struct slice name);
struct slice labels_metric_name(const struct labels *labels);

/* The symbol of `__name__`; held for ever. */
uint32_t labels_name_symbol(void);

/* The reference's text form: {a="b", c="d"}, metric name included as __name__="...". */
void labels_print(const struct labels *labels, struct buf *out);
/* As shown to people: up{job="x"}; names that are not identifiers are quoted. */
void labels_print_metric(const struct labels *labels, struct buf *out);

/* Are these names legal? UTF-8 scheme: valid and not empty. Legacy: [a-zA-Z_][a-zA-Z0-9_]* and, for
 * metrics, colons. */
bool labels_name_valid_legacy(struct slice name);
bool labels_metric_name_valid_legacy(struct slice name);
bool labels_name_valid_utf8(struct slice name);
