/*
 * Writes a block directory in the reference's format, which every version from 2.0 on reads: index
 * version 2, chunks of up to 120 samples, no tombstones.
 *
 *     open ─▶ series ... ─▶ finish
 *                      └──▶ abort
 *
 * The directory comes into being beside its place and is renamed when all of it is on disk.
 *
 * Ownership: heap object, freed by finish and abort; the list of series is borrowed until then.
 * Thread-safety: one owner. Memory: as prometheus_index_writer.h.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "model/series_source.h"
#include "tsdb/block_meta.h"

#include <stdbool.h>
#include <stddef.h>

struct prometheus_block_writer;

struct prometheus_block_writer_options {
    const struct fs *fs;
    const char *directory;          /* where blocks are */
    const struct block_meta *meta;  /* all but the statistics; copied */
    const struct series_list *list; /* sorted */
};

enum err prometheus_block_writer_open(const struct prometheus_block_writer_options *options,
                                      struct prometheus_block_writer **out,
                                      struct errbuf *err) MUST_CHECK;
/* The samples of series `number` of the list, in rising order of numbers; none is fine. */
void prometheus_block_writer_series(struct prometheus_block_writer *writer, size_t number,
                                    const struct sample_columns *samples);
/* Has a write failed? Then finish says so; a caller may stop early. */
bool prometheus_block_writer_failed(const struct prometheus_block_writer *writer);
/* Syncs and renames. Without any sample nothing stays and the statistics are 0. `out_meta` is to be
 * released by the caller. */
enum err prometheus_block_writer_finish(struct prometheus_block_writer *writer,
                                        struct block_meta *out_meta, struct errbuf *err) MUST_CHECK;
void prometheus_block_writer_abort(struct prometheus_block_writer *writer);
