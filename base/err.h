/*
 * Errors: a code that the caller branches on, and a text for the person who reads it.
 *
 * A function that can fail returns `enum err` and takes an optional last argument
 * `struct errbuf *err` (NULL = not interested). The buffer is written on failure only; reporting
 * cannot fail, since the text lives in a fixed array and is cut when it is too long.
 *
 * Thread-safety: values; no shared state.
 */
#pragma once

#include "base/compiler.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum err {
    ERR_NONE = 0,
    ERR_INVALID,     /* the input is wrong: a file, a request, an expression */
    ERR_NOT_FOUND,   /* what was asked for does not exist */
    ERR_EXISTS,      /* it exists already */
    ERR_LIMIT,       /* a limit was reached: size, count, depth */
    ERR_CORRUPT,     /* bytes read back are not what was written; the text names file and offset */
    ERR_IO,          /* the operating system said no */
    ERR_NO_SPACE,    /* the disk is full */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_CANCELED,    /* the one who asked is gone */
    ERR_UNAVAILABLE, /* not now: starting, stopping or failed state */
    ERR_UNSUPPORTED, /* known, but not done by this program */
    ERR_EXECUTION,   /* a valid expression that cannot be evaluated on this data */
};

#define ERRBUF_TEXT_SIZE 1536

struct errbuf {
    enum err code;
    uint32_t line;   /* 1-based, 0 = unknown */
    uint32_t column; /* 1-based, in bytes, 0 = unknown */
    size_t position; /* 0-based byte offset in the input, where that makes sense */
    char text[ERRBUF_TEXT_SIZE];
};

#define ERRBUF_INIT                                                                                \
    {                                                                                              \
        0                                                                                          \
    }

/* Writes code and text; line, column and position become 0. Returns `code`. `err` may be NULL. */
enum err errbuf_set(struct errbuf *err, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);
enum err errbuf_set_va(struct errbuf *err, enum err code, const char *format, va_list arguments)
    PRINTF_LIKE(3, 0);

/* As errbuf_set, with a place in a text. */
enum err errbuf_set_at(struct errbuf *err, enum err code, uint32_t line, uint32_t column,
                       const char *format, ...) PRINTF_LIKE(5, 6);

/* Puts a text before the one that is there ("parsing F: " + text); place and code stay. */
void errbuf_prefix(struct errbuf *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* ERR_NO_SPACE for ENOSPC and EDQUOT, ERR_NOT_FOUND for ENOENT, ERR_EXISTS, else ERR_IO; the text is
 * "<what>: <strerror>". */
enum err errbuf_set_errno(struct errbuf *err, int error_number, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* A short name for logs: "invalid", "corrupt", ... Static. */
const char *err_name(enum err code);

#ifdef __cplusplus
}
#endif
