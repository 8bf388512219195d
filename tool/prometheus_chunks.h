/*
 * The chunk files of a block of the reference
 * (https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/chunks.md): chunks/000001
 * and so on, each a header of 8 bytes and chunks back to back.
 *
 *     uvarint length  u8 encoding  data  u32 CRC32C of encoding and data
 *
 * A chunk is named by the number of its file, from 0, in the upper 32 bits and its offset in the
 * lower. Files are read by pread. ERR_CORRUPT names path and offset.
 *
 * Ownership: an embedded value. Thread-safety: once open, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/vec.h"
#include "tool/chunk_samples.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prometheus_chunks {
    const struct fs *fs;
    char *directory;
    VEC(int) files; /* descriptors */
};

enum err prometheus_chunks_open(struct prometheus_chunks *chunks, const struct fs *fs,
                                const char *directory, struct errbuf *err) MUST_CHECK;
void prometheus_chunks_close(struct prometheus_chunks *chunks);

/* Appends the samples of a chunk that is at hand. ERR_CORRUPT says what is wrong, not where. */
enum err prometheus_chunk_decode(uint8_t encoding, struct slice data, struct chunk_samples *out,
                                 struct errbuf *err) MUST_CHECK;

/* Appends the samples of a chunk. `scratch` holds its bytes meanwhile. */
enum err prometheus_chunks_read(const struct prometheus_chunks *chunks, uint64_t ref,
                                struct buf *scratch, struct chunk_samples *out,
                                struct errbuf *err) MUST_CHECK;

/* What a chunk is made of. */
struct prometheus_chunk_figures {
    bool is_histogram;
    size_t samples;
    size_t bytes;   /* of its data */
    size_t buckets; /* of all its histograms */
};
/* Decodes it into `columns`. */
enum err prometheus_chunks_measure(const struct prometheus_chunks *chunks, uint64_t ref,
                                   struct buf *scratch, struct sample_columns *columns,
                                   struct prometheus_chunk_figures *out,
                                   struct errbuf *err) MUST_CHECK;
