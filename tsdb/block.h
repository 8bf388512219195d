/*
 * A block: the samples of some hours or days, as immutable files (docs/formats/block.md), and a
 * list of deletions beside them.
 *
 *     NAME/meta.json   what it is          NAME/index    series, labels, where their chunks are
 *     NAME/chunks      values, in pages    NAME/times    time columns, shared by chunks
 *     NAME/tombstones  deleted spans
 *
 * A block is a series_source: its views show everything but what is deleted. Files are read by
 * pread, never mapped. Damage makes reads fail with ERR_CORRUPT and a text that names file and
 * offset; what is not damaged can still be read.
 *
 * Ownership: reference-counted; a view holds a reference. Thread-safety: all functions from any
 * thread.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "model/matcher.h"
#include "model/series_source.h"
#include "tsdb/block_meta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block;
struct index_leaves;

/* Opens NAME under `directory`: meta.json and the directories of the files are read and checked. */
enum err block_open(const struct fs *fs, const char *path, struct block **out,
                    struct errbuf *err) MUST_CHECK;
struct block *block_ref(struct block *block);
void block_unref(struct block *block); /* NULL is fine */

/* As it was when the block was opened, and never changing. */
const struct block_meta *block_meta(const struct block *block);
/* With what may have changed since: deletions, a failed compaction. To be released. */
void block_meta_now(const struct block *block, struct block_meta *out);
/* Remembers, also in meta.json, that merging it failed. */
enum err block_mark_failed(struct block *block, struct errbuf *err) MUST_CHECK;
/* Marks it in meta.json as made of samples that came out of order, so that it does not say where the
 * head begins. Shows when the block is opened again. */
enum err block_mark_out_of_order(struct block *block, struct errbuf *err) MUST_CHECK;
const char *block_path(const struct block *block);
/* All its files. */
/* What it keeps in memory, its symbols aside. */
uint64_t block_memory(const struct block *block);
uint64_t block_size_bytes(const struct block *block);
struct series_source *block_source(struct block *block);
/* Readers keep pages of its index there; the block must be closed before it goes. NULL: nowhere, as
 * it is in the beginning. */
void block_keep_pages(struct block *block, struct index_leaves *leaves);

/* Deletes the samples of [min_ms, max_ms] of the series that match: they are not seen any more from
 * now on, and compaction leaves them out. `out_count` (may be NULL) is how many spans were added.
 */
enum err block_delete(struct block *block, const struct matcher *const *matchers, size_t count,
                      int64_t min_ms, int64_t max_ms, uint64_t *out_count,
                      struct errbuf *err) MUST_CHECK;
/* Spans that are deleted. */
uint64_t block_tombstone_count(const struct block *block);
