/*
 * URLs and forms: splitting, percent coding, query parameters. Thread-safety: no state.
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

enum err url_parse(struct slice text, struct url *out, struct errbuf *err) MUST_CHECK;

/* As Go's url.QueryEscape: space is +, unreserved stay. */
void url_query_escape(struct slice text, struct buf *out);
/* %XX and + decoded; false for a broken escape. */
bool url_query_unescape(struct slice text, struct buf *out);
/* %XX decoded, + stays. */
bool url_path_unescape(struct slice text, struct buf *out);

struct url_parameter {
    struct slice name;
    struct slice value;
};
#define URL_PARAMETERS_MAX 10000
/* a=1&b=2 in order; memory from the arena. ERR_INVALID for a broken escape, ERR_LIMIT. */
enum err url_parse_query(struct slice text, struct arena *arena, struct url_parameter **out,
                         size_t *out_count, struct errbuf *err) MUST_CHECK;
