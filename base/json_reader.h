/*
 * JSON in (RFC 8259), as a tree. Depth, size and the number of values are limited; duplicate keys are
 * errors. Strings are copied, so the text may go. As in Go, bytes that are no UTF-8 and lone surrogates
 * become U+FFFD.
 *
 * Thread-safety: a tree may be read from any thread while nobody frees it.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_READER_SIZE_MAX ((size_t)256 << 20)
#define JSON_READER_DEPTH_MAX 256
#define JSON_READER_VALUE_COUNT_MAX ((size_t)8 << 20)

struct json_value; /* borrowed from its document, but for the root */

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* The root; free it with json_value_free. The error has line and column. */
enum err json_parse(struct slice text, struct json_value **out, struct errbuf *err) MUST_CHECK;
void json_value_free(struct json_value *root);

enum json_type json_value_type(const struct json_value *value);
bool json_value_bool(const struct json_value *value);      /* false for other types */
double json_value_number(const struct json_value *value);  /* 0 for other types */
struct slice json_value_string(const struct json_value *value); /* empty for other types */
size_t json_array_size(const struct json_value *value);
const struct json_value *json_array_at(const struct json_value *value, size_t index);
/* The member of that name, NULL if there is none or it is no object. */
const struct json_value *json_object_get(const struct json_value *value, const char *name);
/* Calls `each` for every member until it returns false. */
void json_object_each(const struct json_value *value,
                      bool (*each)(struct slice name, const struct json_value *member,
                                   void *context),
                      void *context);
