/*
 * Logging: constant messages with typed fields, one line each, to stderr in logfmt
 * (time=... level=INFO source=file.c:12 msg="..." key=value) or JSON. Only owners log (server, managers,
 * loops, maintenance); the code below them returns errors.
 *
 *     log_info("Server is ready to receive web requests.");
 *     log_warn("Scrape failed", log_str("target", url), log_err(&err));
 *
 * Fields are evaluated only when the level is on. Thread-safety: any thread; a line is one write.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

enum log_format {
    LOG_FORMAT_LOGFMT,
    LOG_FORMAT_JSON,
};

enum log_field_type {
    LOG_FIELD_END,
    LOG_FIELD_TEXT,
    LOG_FIELD_INT,
    LOG_FIELD_UINT,
    LOG_FIELD_DOUBLE,
    LOG_FIELD_BOOL,
    LOG_FIELD_DURATION, /* nanoseconds, printed as Go does: 1.5s, 12ms */
};

struct log_field {
    const char *key;
    enum log_field_type type;
    union {
        struct slice text;
        int64_t i;
        uint64_t u;
        double d;
        bool b;
    };
};

static inline struct log_field log_slice(const char *key, struct slice text)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_TEXT, .text = text};
}
static inline struct log_field log_str(const char *key, const char *text)
{
    return log_slice(key, slice_str(text == NULL ? "" : text));
}
static inline struct log_field log_int(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_INT, .i = value};
}
static inline struct log_field log_uint(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_UINT, .u = value};
}
static inline struct log_field log_double(const char *key, double value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_DOUBLE, .d = value};
}
static inline struct log_field log_bool(const char *key, bool value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_BOOL, .b = value};
}
static inline struct log_field log_duration_ns(const char *key, int64_t value_ns)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_DURATION, .i = value_ns};
}
/* err=<text> */
static inline struct log_field log_err(const struct errbuf *err)
{
    return log_str("err", err->text);
}

void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
bool log_enabled(enum log_level level);
/* A hook for tests: lines go to `write` in place of stderr; NULL = stderr again. */
void log_set_sink(void (*write)(const char *line, size_t len, void *context), void *context);

void log_write(enum log_level level, const char *file, int line, const char *message,
               const struct log_field *fields);

#define log_at_(level, message, ...)                                                               \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_write((level), __FILE__, __LINE__, (message),                                      \
                      (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ) { 0 }});               \
    } while (0)

#define log_debug(message, ...) log_at_(LOG_DEBUG, message __VA_OPT__(, ) __VA_ARGS__)
#define log_info(message, ...) log_at_(LOG_INFO, message __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(message, ...) log_at_(LOG_WARN, message __VA_OPT__(, ) __VA_ARGS__)
#define log_error(message, ...) log_at_(LOG_ERROR, message __VA_OPT__(, ) __VA_ARGS__)
