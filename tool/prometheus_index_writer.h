/*
 * Writes the index of a block in the reference's format, version 2 (prometheus_index.h): symbols
 * first, then series as they come, postings at the end.
 *
 * Ownership: an embedded value; the list of series is borrowed until the end. Thread-safety: one
 * owner. Memory: 8 bytes for each label of each series, and the symbols.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/series_source.h"
#include "tool/file_writer.h"
#include "tool/prometheus_index.h"

#include <stdint.h>

struct prometheus_index_writer {
    const struct series_list *list;
    struct file_writer file;
    VEC(uint32_t) symbols; /* of the process, sorted by text */
    struct table numbers;  /* symbol to its place in the index */
    uint64_t series_begin;
    uint32_t *refs; /* of each series of the list, 0 = left out */
};

/* Writes the symbols of the series of the list, which are sorted. */
void prometheus_index_writer_open(struct prometheus_index_writer *writer, const struct fs *fs,
                                  const char *path, const struct series_list *list);
/* Series `number` of the list, larger than the one before, with its chunks. */
void prometheus_index_writer_series(struct prometheus_index_writer *writer, size_t number,
                                    const struct prometheus_chunk_meta *chunks, size_t count);
enum err prometheus_index_writer_finish(struct prometheus_index_writer *writer,
                                        struct errbuf *err) MUST_CHECK;
void prometheus_index_writer_release(struct prometheus_index_writer *writer);
