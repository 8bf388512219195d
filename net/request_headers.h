/*
 * The header lines of a request that goes out, in three groups: the request's own, those of the
 * profile (credentials among them; they do not follow a redirect to another host), those for the
 * proxy.
 *
 * Ownership: lines are copied. Buffers are kept when it is reset. Thread-safety: none.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "net/http_client.h"

#include <stdbool.h>
#include <stddef.h>

/* NUL-terminated lines one after the other: "Name: value". A header without value is "Name;", as
 * curl wants it. */
struct request_headers {
    struct buf own;
    struct buf profile;
    struct buf proxy;
};

void request_headers_init(struct request_headers *headers);
void request_headers_release(struct request_headers *headers);
void request_headers_reset(struct request_headers *headers);
/* Reads secrets from their files. `profile` may be NULL. */
enum err request_headers_make(struct request_headers *headers, const struct http_client_header *own,
                              size_t own_count, const struct http_client_profile *profile,
                              struct errbuf *err) MUST_CHECK;
/* The line behind `line` (NULL = the first one), NULL at the end. */
const char *request_headers_next(const struct buf *lines, const char *line);
bool request_headers_have(const struct buf *lines, const char *name);
