/*
 * The labels of an exemplar as bytes, for the store and the WAL: uvarint count, then name and value
 * of each as uvarint length and text, sorted by name, without empty values. Equal labels have equal
 * bytes.
 *
 * Threads: none of its own.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "model/exemplar.h"

#include <stdbool.h>
#include <stddef.h>

/* A code point takes at most 4 bytes, and a value has one at least. */
#define EXEMPLAR_LABEL_BYTES_MAX (4 * EXEMPLAR_LABEL_RUNES_MAX + 4 * EXEMPLAR_LABEL_RUNES_MAX)

/* Appends the bytes, at most EXEMPLAR_LABEL_BYTES_MAX; false when the labels are too long. */
bool exemplar_labels_encode(const struct exemplar_label *labels, size_t count, struct buf *out);
/* Are these bytes labels? */
bool exemplar_labels_valid(struct slice encoded);
/* Valid bytes as labels in memory of the arena, with the text; NULL when the arena is full. */
const struct exemplar_label *exemplar_labels_decode(struct slice encoded, struct arena *arena,
                                                    size_t *out_count) MUST_CHECK;
