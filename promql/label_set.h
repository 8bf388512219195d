/*
 * New label sets from old ones while a query runs: borrowed sets in the arena of the result, put
 * together from the symbols of the old set, so no text is touched and no reference counted.
 *
 * Ownership: sets live as long as the result. Thread-safety: that of the evaluation.
 */
#pragma once

#include "base/slice.h"
#include "model/labels.h"
#include "promql/evaluation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of label names as symbols, for by(), without(), on(), ignoring(). */
struct label_names {
    uint32_t *symbols;
    size_t count;
};

/* Interns the names; the list is in the scratch arena. */
struct label_names label_names_make(struct evaluation *ev, const struct slice *names, size_t count);
bool label_names_has(const struct label_names *names, uint32_t symbol);

/* Without __name__, __type__ and __unit__. The set itself when it has none of them. */
const struct labels *label_set_without_reserved(struct evaluation *ev, const struct labels *labels);
/* Only these names; everything but these names. */
const struct labels *label_set_keep(struct evaluation *ev, const struct labels *labels,
                                    const struct label_names *names);
const struct labels *label_set_remove(struct evaluation *ev, const struct labels *labels,
                                      const struct label_names *names);
/* With the label set to the value, or removed where the value is SYMBOL_EMPTY. */
const struct labels *label_set_with(struct evaluation *ev, const struct labels *labels,
                                    uint32_t name, uint32_t value);
bool label_set_is_reserved(const struct evaluation *ev, uint32_t name);
