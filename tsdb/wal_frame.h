/*
 * Frames: how bytes lie in a WAL segment. docs/formats/wal.md draws them.
 *
 *     segment  32 bytes of header, then frames
 *     frame    16 bytes of header, then the payload, LZ4 or plain
 *
 * Thread-safety: values.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

#define WAL_SEGMENT_MAGIC "FERULAWL"
#define WAL_SEGMENT_HEADER_SIZE 32
#define WAL_FRAME_HEADER_SIZE 16
/* What is written; of the older ones all are read. */
#define WAL_VERSION 2
/* No commit is as large; a length above is damage. */
#define WAL_PAYLOAD_SIZE_MAX (UINT32_C(1) << 30)

enum wal_frame_type {
    WAL_FRAME_COMMIT = 1, /* the records of one commit (wal_record.h) */
};

/* `run` names the process that wrote the segment. */
void wal_segment_header(uint64_t run, struct buf *out);
enum err wal_segment_header_read(struct slice segment, uint64_t *out_run,
                                 struct errbuf *err) MUST_CHECK;

/* Appends a frame. */
enum err wal_frame_write(enum wal_frame_type type, struct slice payload, struct buf *out,
                         struct errbuf *err) MUST_CHECK;

struct wal_frame {
    enum wal_frame_type type;
    size_t size;          /* with its header */
    struct slice payload; /* in the segment or in the buffer */
};

/* The frame at the start of `bytes`, which must not be empty; unpacks into `unpacked` where needed.
 * ERR_CORRUPT says what is wrong with it, ERR_UNSUPPORTED that a later version wrote it. */
enum err wal_frame_read(struct slice bytes, struct buf *unpacked, struct wal_frame *out,
                        struct errbuf *err) MUST_CHECK;
