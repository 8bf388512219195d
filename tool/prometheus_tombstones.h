/*
 * What is deleted of a block of the reference
 * (https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/tombstones.md), into the set
 * that our own blocks have.
 *
 *     u32 magic  u8 version  x: uvarint series  varint begin  varint end     u32 CRC32C of the
 * entries
 *
 * Thread-safety: no state.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "tsdb/tombstones.h"

/* An empty set where there is no file. ERR_CORRUPT names path and offset. */
enum err prometheus_tombstones_read(const struct fs *fs, const char *path, struct tombstones **out,
                                    struct errbuf *err) MUST_CHECK;
/* A file of no deletions, which the reference wants to have. */
enum err prometheus_tombstones_write_none(const struct fs *fs, const char *path,
                                          struct errbuf *err) MUST_CHECK;
