/*
 * URLs and forms: splitting, percent coding, query parameters. What is accepted and what is
 * refused, and in which words, follows Go's net/url, since users know these texts from their
 * configuration errors.
 *
 * Ownership: parts are borrowed from the text that was given, decoded text goes to the caller's
 * buffer or arena. Thread-safety: no state. Limits: URL_PARAMETERS_MAX, the caller's buffers and
 * arenas.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* The parts of an absolute URL, borrowed from its text; empty where absent. */
struct url {
    struct slice scheme;
    struct slice user_info;
    struct slice host; /* with brackets for IPv6 */
    struct slice port;
    struct slice path;
    struct slice query; /* without '?' */
    struct slice fragment;
};

/* Escapes are checked, not decoded. A relative reference has neither scheme nor host. */
enum err url_parse(struct slice text, struct url *out, struct errbuf *err) MUST_CHECK;

/* As Go's url.QueryEscape: space is +, unreserved stay. */
void url_query_escape(struct slice text, struct buf *out);
/* scheme://host/path of decoded parts, as Go's URL.String() escapes them. An empty scheme is left
 * out; a path without a slash in front gets one. */
void url_print(struct slice scheme, struct slice host, struct slice path, struct buf *out);
/* %XX and + decoded; false for a broken escape. */
bool url_query_unescape(struct slice text, struct buf *out);
/* %XX decoded, + stays. */
bool url_path_unescape(struct slice text, struct buf *out);

struct url_parameter {
    struct slice name;
    struct slice value;
};
#define URL_PARAMETERS_MAX 10000
/* a=1&b=2 in order; texts without escapes are borrowed, the others come from the arena. ERR_LIMIT;
 * or ERR_INVALID for a broken escape or a semicolon, with the words of Go. As in Go, a broken pair
 * is left out and the others are still given: *out and *out_count are set in every case. */
enum err url_parse_query(struct slice text, struct arena *arena, struct url_parameter **out,
                         size_t *out_count, struct errbuf *err) MUST_CHECK;
