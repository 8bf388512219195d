/*
 * Chunks of the reference's head that are complete, chunks_head/000001 and so on
 * (https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/head_chunks.md): a header of
 * 8 bytes, chunks back to back, and zeros where the file was made longer in advance.
 *
 *     u64 series  i64 first time  i64 last time  u8 encoding  uvarint length  data  u32 CRC32C
 *
 * The upper bit of the encoding marks samples that came late. What lies behind damage, such as a
 * kill leaves, is not read, as in the reference: the log has it too, so this is a note and no loss.
 *
 * Ownership: an embedded value. Files are mapped until it is closed. Thread-safety: once open, any
 * thread.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/slice.h"
#include "base/vec.h"
#include "tool/chunk_samples.h"
#include "tool/notes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prometheus_head_chunk {
    uint64_t series;
    int64_t min_ms;
    int64_t max_ms;
    struct slice data;
    uint32_t sequence; /* its place among all */
    uint8_t encoding;  /* without the mark */
    bool is_late;
};

struct prometheus_head_file {
    int fd;
    void *data;
    uint64_t size;
    uint64_t number;
    char *path;
};

struct prometheus_head_chunks {
    const struct fs *fs;
    VEC(struct prometheus_head_file) files;
    VEC(struct prometheus_head_chunk) items; /* by series, then as in the files */
    uint64_t fingerprint;
};

/* A directory that is not there has no chunks. Damage is noted. */
enum err prometheus_head_chunks_open(struct prometheus_head_chunks *chunks, const struct fs *fs,
                                     const char *directory, struct notes *notes,
                                     struct errbuf *err) MUST_CHECK;
void prometheus_head_chunks_close(struct prometheus_head_chunks *chunks);
/* The first chunk of a series in `items`, and how many it has. */
size_t prometheus_head_chunks_find(const struct prometheus_head_chunks *chunks, uint64_t series,
                                   size_t *out_count);

/* Appends the samples of a chunk. */
enum err prometheus_head_chunk_read(const struct prometheus_head_chunk *chunk,
                                    struct chunk_samples *out, struct errbuf *err) MUST_CHECK;

/* The chunks of the bytes of one file, up to damage: then ERR_CORRUPT with the place in `err`. Each
 * was decoded once. */
enum err prometheus_head_chunks_parse(struct prometheus_head_chunks *chunks, struct slice file,
                                      struct errbuf *err) MUST_CHECK;
