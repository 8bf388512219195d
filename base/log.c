/* Log lines as Go's slog writes them: logfmt or JSON. */
#include "base/log.h"

#include "base/buf.h"
#include "base/float_text.h"
#include "base/json_writer.h"
#include "base/utf8.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A field may hold an expression of a user: a text is cut, and a line has room for many of them. */
#define LOG_TEXT_SIZE_MAX ((size_t)16 << 10)
#define LOG_LINE_SIZE_MAX ((size_t)1 << 20)

struct log_sink {
    void (*write)(const char *line, size_t len, void *context);
    void *context;
};

static _Atomic enum log_level log_level_min = LOG_INFO;
static _Atomic enum log_format log_line_format = LOG_FORMAT_LOGFMT;
static struct log_sink log_sink; /* set by tests before they start threads */

void log_set_level(enum log_level level)
{
    atomic_store(&log_level_min, level);
}

void log_set_format(enum log_format format)
{
    atomic_store(&log_line_format, format);
}

bool log_enabled(enum log_level level)
{
    return level >= atomic_load_explicit(&log_level_min, memory_order_relaxed);
}

void log_set_sink(void (*write)(const char *line, size_t len, void *context), void *context)
{
    log_sink = (struct log_sink){write, context};
}

static const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    return names[level];
}

static size_t log_time(char *out, size_t size)
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &parts);
    return len + (size_t)snprintf(out + len, size - len, ".%03ldZ", now.tv_nsec / 1000000);
}

/* A fraction of `unit` without the zeros at its end: 1.5, 12, 0.25. */
static void log_append_scaled(struct buf *out, uint64_t value, uint64_t unit)
{
    buf_append_uint(out, value / unit);
    uint64_t rest = value % unit;
    if (rest == 0)
        return;
    buf_append_byte(out, '.');
    while (rest != 0) {
        unit /= 10;
        buf_append_byte(out, (char)('0' + rest / unit));
        rest %= unit;
    }
}

/* Go's Duration.String: 1h2m3.5s, 1.5s, 12ms, 0s. */
static void log_append_duration(struct buf *out, int64_t value_ns)
{
    const uint64_t second = 1000000000;
    uint64_t size = value_ns < 0 ? -(uint64_t)value_ns : (uint64_t)value_ns;
    if (value_ns < 0)
        buf_append_byte(out, '-');
    if (size == 0) {
        buf_append_str(out, "0s");
    } else if (size < 1000) {
        log_append_scaled(out, size, 1);
        buf_append_str(out, "ns");
    } else if (size < 1000000) {
        log_append_scaled(out, size, 1000);
        buf_append_str(out, "µs");
    } else if (size < second) {
        log_append_scaled(out, size, 1000000);
        buf_append_str(out, "ms");
    } else {
        uint64_t minutes = size / second / 60;
        if (minutes >= 60)
            buf_printf(out, "%lluh", (unsigned long long)(minutes / 60));
        if (minutes > 0)
            buf_printf(out, "%llum", (unsigned long long)(minutes % 60));
        log_append_scaled(out, size % (60 * second), second);
        buf_append_byte(out, 's');
    }
}

static struct slice log_cut(struct slice text)
{
    return slice_from(text.ptr, MIN(text.len, LOG_TEXT_SIZE_MAX));
}

static void log_append_double(struct buf *out, double value)
{
    char text[FLOAT_TEXT_SHORT_SIZE];
    buf_append(out, text, float_text_g(value, text));
}

static bool log_needs_quotes(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte <= ' ' || byte == '"' || byte == '=')
            return true;
    }
    return text.len == 0 || !utf8_valid(text);
}

static void log_append_quoted_byte(struct buf *out, unsigned char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        buf_append_byte(out, '\\');
        buf_append_byte(out, (char)byte);
        break;
    case '\n':
        buf_append_str(out, "\\n");
        break;
    case '\r':
        buf_append_str(out, "\\r");
        break;
    case '\t':
        buf_append_str(out, "\\t");
        break;
    default:
        if (byte < ' ' || byte >= 0x7f)
            buf_printf(out, "\\x%02x", byte);
        else
            buf_append_byte(out, (char)byte);
    }
}

static void log_append_text(struct buf *out, struct slice text)
{
    if (!log_needs_quotes(text)) {
        buf_append_slice(out, text);
        return;
    }
    buf_append_byte(out, '"');
    while (text.len > 0) {
        uint32_t rune;
        size_t len = utf8_decode(text, &rune);
        if (len == 1)
            log_append_quoted_byte(out, (unsigned char)text.ptr[0]);
        else
            buf_append(out, text.ptr, len);
        text = slice_from_index(text, len);
    }
    buf_append_byte(out, '"');
}

static void log_append_value(struct buf *out, const struct log_field *field)
{
    switch (field->type) {
    case LOG_FIELD_TEXT:
        log_append_text(out, log_cut(field->text));
        break;
    case LOG_FIELD_INT:
        buf_append_int(out, field->i);
        break;
    case LOG_FIELD_UINT:
        buf_append_uint(out, field->u);
        break;
    case LOG_FIELD_DOUBLE:
        log_append_double(out, field->d);
        break;
    case LOG_FIELD_BOOL:
        buf_append_str(out, field->b ? "true" : "false");
        break;
    case LOG_FIELD_DURATION:
        log_append_duration(out, field->i);
        break;
    case LOG_FIELD_END:
        break;
    }
}

static void log_line_logfmt(struct buf *out, enum log_level level, struct slice source,
                            const char *message, const struct log_field *fields)
{
    char now[40];
    buf_append_str(out, "time=");
    buf_append(out, now, log_time(now, sizeof(now)));
    buf_printf(out, " level=%s source=", log_level_name(level));
    buf_append_slice(out, source);
    buf_append_str(out, " msg=");
    log_append_text(out, slice_str(message));
    for (; fields->type != LOG_FIELD_END; fields++) {
        buf_printf(out, " %s=", fields->key);
        log_append_value(out, fields);
    }
}

static void log_json_value(struct json_writer *json, const struct log_field *field)
{
    if (field->type == LOG_FIELD_TEXT) {
        json_string(json, log_cut(field->text));
    } else if (field->type == LOG_FIELD_DURATION) {
        json_int(json, field->i);
    } else {
        struct buf text CLEANUP(buf_release);
        buf_init(&text, LOG_LINE_SIZE_MAX);
        log_append_value(&text, field);
        bool bare = field->type != LOG_FIELD_DOUBLE || field->d - field->d == 0;
        if (bare)
            json_raw(json, buf_slice(&text));
        else
            json_string(json, buf_slice(&text));
    }
}

static void log_line_json(struct buf *out, enum log_level level, struct slice source,
                          const char *message, const struct log_field *fields)
{
    char now[40];
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key_string(&json, "time", slice_from(now, log_time(now, sizeof(now))));
    json_key_cstring(&json, "level", log_level_name(level));
    json_key_string(&json, "source", source);
    json_key_cstring(&json, "msg", message);
    for (; fields->type != LOG_FIELD_END; fields++) {
        json_key(&json, fields->key);
        log_json_value(&json, fields);
    }
    json_object_end(&json);
}

static void log_emit(const char *line, size_t len)
{
    if (log_sink.write != NULL) {
        log_sink.write(line, len, log_sink.context);
        return;
    }
    /* nobody is left to tell when stderr fails */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}

void log_write(enum log_level level, const char *file, int line, const char *message,
               const struct log_field *fields)
{
    struct buf out CLEANUP(buf_release);
    buf_init(&out, LOG_LINE_SIZE_MAX);
    const char *slash = strrchr(file, '/');
    char source[128];
    snprintf(source, sizeof(source), "%s:%d", slash == NULL ? file : slash + 1, line);
    if (atomic_load(&log_line_format) == LOG_FORMAT_JSON)
        log_line_json(&out, level, slice_str(source), message, fields);
    else
        log_line_logfmt(&out, level, slice_str(source), message, fields);
    buf_append_byte(&out, '\n');
    log_emit(out.data, out.len);
}
