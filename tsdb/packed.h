/*
 * A packed run: some bytes of an index as they lie in a file, LZ4 where that is smaller, with a
 * checksum over all of it.
 *
 *     u32 raw length  u32 stored length  u8 codec (0 plain, 1 LZ4)  3 bytes 0  u32 CRC32C  stored
 * bytes
 *
 * The checksum covers the twelve bytes before it and the stored bytes. Thread-safety: pure
 * functions.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

#define PACKED_HEADER_SIZE 16
#define PACKED_RAW_SIZE_MAX (256u << 20)

/* Appends the run; returns how many bytes it has. */
size_t packed_write(struct slice raw, struct buf *out);
/* Replaces `raw` by the content of the run that is all of `stored`. ERR_CORRUPT. */
enum err packed_read(struct slice stored, struct buf *raw, struct errbuf *err) MUST_CHECK;

/* Reads the run at `offset` of a file; `stored` is memory that is reused. Errors name the path. */
enum err packed_read_file(const struct fs *fs, int fd, const char *path, uint64_t offset,
                          size_t stored_len, struct buf *stored, struct buf *raw,
                          struct errbuf *err) MUST_CHECK;
