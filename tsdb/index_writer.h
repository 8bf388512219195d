/*
 * Writing the index of a block (index_format.h). Series come in the order of labels_compare; their
 * labels are kept as small differences until the end, when all symbols are known and get their
 * ranks.
 *
 * Ownership: heap object; the label sets are borrowed during a call only, and their symbols must
 * stay alive until the writer is freed. Thread-safety: one owner. Memory: about 15 bytes a series,
 * and at the end 8 a label pair of one name at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "model/labels.h"

#include <stdint.h>

struct index_writer;

struct index_writer *index_writer_new(void) MUST_CHECK;
void index_writer_free(struct index_writer *writer);

void index_writer_series(struct index_writer *writer, const struct labels *labels);
/* A chunk of the last series, by time. Times inclusive. */
void index_writer_chunk(struct index_writer *writer, int64_t min_ms, int64_t max_ms);
/* Where the chunks of the last series are, if not behind those of the series before: they have the
 * numbers first, first + step, ... */
void index_writer_place(struct index_writer *writer, uint64_t first, uint32_t step);

/* Appends the whole file. ERR_LIMIT when `out` is too small. To be called once. */
enum err index_writer_finish(struct index_writer *writer, struct buf *out,
                             struct errbuf *err) MUST_CHECK;
