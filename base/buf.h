/*
 * A growing run of bytes that its holder owns. Every buffer is created with a maximum size; a write
 * beyond it is refused, sets `overflow` and leaves the content as it was, so that a caller may write
 * freely and look at the flag once at the end.
 *
 * The byte behind the content is always NUL, so `data` may be passed to C libraries as a string
 * (data is NULL while nothing was ever written; buf_cstr never returns NULL).
 *
 * Thread-safety: none; one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/slice.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct buf {
    char *data;
    size_t len;
    size_t size_max;
    bool overflow; /* a write did not fit since the last reset */
    /* private */
    size_t capacity;
};

/* A maximum for buffers whose content is bounded by other means. */
#define BUF_SIZE_ANY ((size_t)1 << 40)

void buf_init(struct buf *buf, size_t size_max);
void buf_release(struct buf *buf); /* frees; the buffer may be used again after buf_init */
void buf_reset(struct buf *buf);   /* empties, keeps the memory, clears `overflow` */

bool buf_append(struct buf *buf, const void *data, size_t len);
bool buf_append_slice(struct buf *buf, struct slice slice);
bool buf_append_str(struct buf *buf, const char *text);
bool buf_append_byte(struct buf *buf, char byte);
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
bool buf_vprintf(struct buf *buf, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
bool buf_append_uint(struct buf *buf, uint64_t value);
bool buf_append_int(struct buf *buf, int64_t value);

/* Makes room for `len` more bytes and returns where to write them, NULL if that is too much.
 * buf_commit makes what was written part of the content. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);

/* Cuts the content to `len` bytes, which must not be above the present length. */
void buf_truncate(struct buf *buf, size_t len);
/* Drops `len` bytes from the front. */
void buf_consume(struct buf *buf, size_t len);

static inline struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){buf->data == NULL ? "" : buf->data, buf->len};
}

/* The content as a C string; valid until the next write. */
static inline const char *buf_cstr(const struct buf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

/* Moves the memory out (NUL-terminated, to be freed by mem_free); the buffer is empty afterwards. */
char *buf_take(struct buf *buf);

#ifdef __cplusplus
}
#endif
