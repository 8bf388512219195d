/*
 * The index of a block of the reference, versions 1 and 2
 * (https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/index.md): symbols, series
 * with their chunks, and the list of all series. The other lists of series are not read; who
 * filters walks over all.
 *
 *     magic  version | symbols | series | ... | postings | table of postings | table of contents
 *
 * The file is mapped; every number in it is checked, and each part against its checksum when it is
 * read. ERR_CORRUPT names path and offset.
 *
 * Ownership: an embedded value; symbols are borrowed from it. Thread-safety: an open index may be
 * read from any thread.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stddef.h>
#include <stdint.h>

struct prometheus_index {
    const struct fs *fs;
    char *path;
    int fd; /* -1 = not open */
    uint64_t size;
    const uint8_t *data;
    uint8_t version;
    uint64_t series_begin;
    uint64_t series_end;
    VEC(uint64_t) symbols; /* where each is in the file */
    const uint8_t *series; /* big-endian numbers, 4 bytes each */
    uint32_t series_count;
};

struct prometheus_index_pair {
    uint32_t name; /* numbers of symbols */
    uint32_t value;
};

struct prometheus_chunk_meta {
    int64_t min_ms;
    int64_t max_ms;
    uint64_t ref; /* file and offset (prometheus_chunks.h) */
};

struct prometheus_series {
    uint64_t ref;                            /* what tombstones call it */
    VEC(struct prometheus_index_pair) pairs; /* as in the file: sorted by name */
    VEC(struct prometheus_chunk_meta) chunks;
};
void prometheus_series_release(struct prometheus_series *series);

enum err prometheus_index_open(struct prometheus_index *index, const struct fs *fs,
                               const char *path, struct errbuf *err) MUST_CHECK;
void prometheus_index_close(struct prometheus_index *index);

/* Series `number`, counted from 0, in the order of the file. */
enum err prometheus_index_series(const struct prometheus_index *index, uint32_t number,
                                 struct prometheus_series *out, struct errbuf *err) MUST_CHECK;
struct slice prometheus_index_symbol(const struct prometheus_index *index, uint32_t number);
