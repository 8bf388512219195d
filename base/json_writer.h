/*
 * Writes JSON into a sink as it goes, commas and nesting included. Strings are escaped as Go's
 * encoding/json does (HTML-safe: < > & become \u003c ..., U+2028/2029 too; invalid UTF-8 becomes
 * U+FFFD), since clients compare bytes with the reference's.
 *
 * Thread-safety: one owner.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64

struct json_writer {
    struct buf *out;
    /* private */
    uint32_t depth;
    bool after_key;
    bool has_items[JSON_DEPTH_MAX];
};

void json_writer_init(struct json_writer *json, struct buf *out);

void json_object_begin(struct json_writer *json);
void json_object_end(struct json_writer *json);
void json_array_begin(struct json_writer *json);
void json_array_end(struct json_writer *json);
void json_key(struct json_writer *json, const char *name); /* a literal without characters to escape */
void json_key_slice(struct json_writer *json, struct slice name);

void json_string(struct json_writer *json, struct slice text);
/* Escapes only what JSON demands and leaves other bytes alone, as the reference writes the names and
 * values of labels in query results. */
void json_string_plain(struct json_writer *json, struct slice text);
void json_key_plain(struct json_writer *json, struct slice name);
void json_cstring(struct json_writer *json, const char *text);
void json_int(struct json_writer *json, int64_t value);
void json_uint(struct json_writer *json, uint64_t value);
void json_double(struct json_writer *json, double value); /* as Go marshals float64; finite only */
void json_bool(struct json_writer *json, bool value);
void json_null(struct json_writer *json);
/* Text that is JSON already: one value, or several with commas between them. */
void json_raw(struct json_writer *json, struct slice text);
/* The same in place: room for `size` bytes, of which json_raw_commit says how many were written (not
 * none). NULL when the buffer is full. */
char *json_raw_reserve(struct json_writer *json, size_t size);
void json_raw_commit(struct json_writer *json, size_t len);

/* "key":"value" */
void json_key_string(struct json_writer *json, const char *name, struct slice text);
void json_key_cstring(struct json_writer *json, const char *name, const char *text);
void json_key_int(struct json_writer *json, const char *name, int64_t value);
void json_key_double(struct json_writer *json, const char *name, double value);
void json_key_bool(struct json_writer *json, const char *name, bool value);
