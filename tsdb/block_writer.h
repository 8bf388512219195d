/*
 * Writing a block: series by series, in the order of their labels, each with its samples in the
 * order of time.
 *
 *     block_writer_open ─▶ (block_writer_series ─▶ block_writer_samples ...) ... ─▶
 * block_writer_finish └─▶ block_writer_abort
 *
 * The block comes into being in NAME.tmp and is renamed when all of it is on disk. Samples of a
 * series are gathered and cut into chunks at multiples of a power-of-two part of two hours, chosen
 * by their distance, so that the series of one target are cut at the same samples and share the
 * columns of their times.
 *
 * Ownership: heap object, freed by finish and abort. Thread-safety: one owner. Memory: the samples
 * of one series, the labels of all as in index_writer.h, up to 16 MiB of time columns and of chunks
 * of relatives, and 40 bytes for each series that comes unsorted.
 */
#pragma once

#include "base/compiler.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/fs.h"
#include "model/labels.h"
#include "model/series_source.h"
#include "tsdb/block_meta.h"

#include <stdbool.h>
#include <stdint.h>

struct block_writer;

/* Observed for every chunk: what the chunks of a first block are like. */
struct block_chunk_counters {
    struct counter *size_bytes;
    struct counter *samples;
    struct counter *range_seconds;
};

struct block_writer_options {
    const struct fs *fs;
    const char *directory; /* where blocks are */
    /* ulid, times, level, sources, parents and marks of the block to be; the writer fills in the
     * statistics. Copied. */
    const struct block_meta *meta;
    bool dense; /* larger chunks and pages, LZ4HC: for blocks of a day and more */
    const struct block_chunk_counters *chunk_counters; /* may be NULL */
};

enum err block_writer_open(const struct block_writer_options *options, struct block_writer **out,
                           struct errbuf *err) MUST_CHECK;

/* The next series; larger than the one before by labels_compare; NULL ends the one before. The set
 * is borrowed until the next call or the end, its symbols must live until the end. A series without
 * samples is left out. */
void block_writer_series(struct block_writer *writer, const struct labels *labels);
/* The same for a series that moves like the one before (chunk_family.h). */
void block_writer_relative(struct block_writer *writer, const struct labels *labels);
/* Between these two series may come in any order, all of them larger than those before; their sets
 * are borrowed until the end of it. */
void block_writer_begin_unsorted(struct block_writer *writer);
void block_writer_end_unsorted(struct block_writer *writer);
/* Samples of the series, later than those before and in the block's time: else finish says
 * ERR_CORRUPT, since they may come of a file. */
void block_writer_samples(struct block_writer *writer, const struct sample_columns *samples);

/* Has something failed? Then finish says so; a caller may stop early. */
bool block_writer_failed(const struct block_writer *writer);

/* Syncs and renames. Without any sample nothing stays and `out_meta->stats.samples` is 0.
 * `out_meta` is to be released by the caller. */
enum err block_writer_finish(struct block_writer *writer, struct block_meta *out_meta,
                             struct errbuf *err) MUST_CHECK;
void block_writer_abort(struct block_writer *writer);
