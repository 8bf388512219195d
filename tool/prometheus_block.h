/*
 * A block directory of the reference, as a series_source: what its tombstones delete is not seen.
 *
 *     NAME/meta.json  NAME/index  NAME/chunks/000001 ...  NAME/tombstones
 *
 * Damage makes reads fail with ERR_CORRUPT and a text that names file and offset. Nothing is ever
 * written.
 *
 * Ownership: the block must outlive its views. Thread-safety: as series_source; open and close
 * apart.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "model/series_source.h"
#include "tsdb/block_meta.h"

#include <stdbool.h>
#include <stdint.h>

struct prometheus_block;

/* Opens the directory `path`; meta.json, symbols and the list of series are read and checked. */
enum err prometheus_block_open(const struct fs *fs, const char *path, struct prometheus_block **out,
                               struct errbuf *err) MUST_CHECK;
void prometheus_block_close(struct prometheus_block *block); /* NULL is fine */

const struct block_meta *prometheus_block_meta(const struct prometheus_block *block);
/* All its files. */
uint64_t prometheus_block_size_bytes(const struct prometheus_block *block);
struct series_source *prometheus_block_source(struct prometheus_block *block);

/* The meta.json of a block directory alone. */
enum err prometheus_block_read_meta(const struct fs *fs, const char *path, struct block_meta *out,
                                    struct errbuf *err) MUST_CHECK;

/* The chunks of a series that the block's view calls `handle`, one after the other. */
struct prometheus_chunk_figures;
enum err prometheus_block_measure(struct prometheus_block *block, uint64_t handle,
                                  void (*each)(void *context,
                                               const struct prometheus_chunk_figures *figures),
                                  void *context, struct errbuf *err) MUST_CHECK;
