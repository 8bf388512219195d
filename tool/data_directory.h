/*
 * A data directory that is looked at while no server has it, or beside one that has: ours, or one
 * of Prometheus, of which the blocks are read.
 *
 * Ownership: heap objects of the caller. Thread-safety: one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/vec.h"
#include "model/series_source.h"
#include "tsdb/block_meta.h"

#include <stdbool.h>
#include <stdint.h>

struct block;
struct prometheus_block;
struct prometheus_head;
struct tsdb;

struct data_block {
    char *path;
    struct block_meta meta;
    uint64_t size_bytes;
};

struct data_directory {
    char *path; /* where ours is, or theirs */
    bool is_prometheus;
    VEC(struct data_block) blocks; /* by their begin */
    size_t unreadable;             /* blocks that were left out */
};

/* Ours at `path`, or in the folder of a Prometheus directory where a server of ours keeps it, or a
 * Prometheus one. Blocks whose meta.json cannot be read are told on stderr and left out. */
enum err data_directory_open(const char *path, struct data_directory *out,
                             struct errbuf *err) MUST_CHECK;
/* A Prometheus one whatever lies in it. */
enum err data_directory_open_prometheus(const char *path, struct data_directory *out,
                                        struct errbuf *err) MUST_CHECK;
void data_directory_release(struct data_directory *directory);

/* The samples of one block. */
struct data_source {
    struct block *block;
    struct prometheus_block *prometheus;
    struct series_source *source;
};
enum err data_source_open(const struct data_directory *directory, const struct data_block *block,
                          struct data_source *out, struct errbuf *err) MUST_CHECK;
void data_source_close(struct data_source *source);

/* What a Prometheus directory has in no block yet, NULL where it has no log. What is worth a word,
 * of opening it, is told on stderr and counted in *out_damaged. */
enum err data_directory_open_prometheus_head(const struct data_directory *directory,
                                             struct prometheus_head **out, size_t *out_damaged,
                                             struct errbuf *err) MUST_CHECK;

/* All samples: blocks, and the head where no server has it. What is left out is told on stderr. */
struct data_view {
    const struct data_directory *directory;
    struct tsdb *db; /* NULL = blocks alone */
    struct prometheus_head *prometheus_head;
    VEC(struct data_source) sources;
    struct series_view *view;
};
enum err data_view_open(const struct data_directory *directory, int64_t min_ms, int64_t max_ms,
                        struct data_view *out, struct errbuf *err) MUST_CHECK;
void data_view_close(struct data_view *view);
/* Tells on stderr what the view had to leave out so far. Returns how many texts that were. */
size_t series_view_tell_left_out(struct series_view *view);
/* Opens the database of ours unless a server has it; NULL then, which is told on stderr. */
struct tsdb *data_directory_open_head(const struct data_directory *directory) MUST_CHECK;
void data_directory_close_head(const struct data_directory *directory, struct tsdb *db);
