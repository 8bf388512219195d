/*
 * Which route answers a path: exact paths, or patterns with one '*' that stands for a segment, or
 * for the rest of the path when it comes last. Knows the ways in which the reference's routers send
 * a client on: unclean paths, a trailing slash too many, the bare route prefix.
 *
 * Ownership: borrows routes and prefix. Thread-safety: none needed, nothing changes after _init.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "net/http_server.h"

#include <stdbool.h>
#include <stddef.h>

struct http_router {
    struct slice prefix; /* "" or "/prometheus" */
    const struct http_route *routes;
    size_t route_count;
};

enum http_router_verdict {
    HTTP_ROUTER_FOUND,
    HTTP_ROUTER_NOT_FOUND,
    HTTP_ROUTER_METHOD_NOT_ALLOWED,
    HTTP_ROUTER_REDIRECT,  /* moved for good: another spelling of the path */
    HTTP_ROUTER_TO_PREFIX, /* 302 from "/" to the prefix */
};

struct http_router_match {
    const struct http_route *route; /* also set for METHOD_NOT_ALLOWED: some route of that path */
    bool inside;                    /* the path begins with the prefix */
    struct slice path;              /* without the prefix */
    struct slice tail;              /* what the star stands for */
    unsigned methods_allowed;
};

void http_router_init(struct http_router *router, const char *prefix,
                      const struct http_route *routes, size_t route_count);
/* `path` is decoded. For redirects `location` gets the path to go to, encoded, without query. */
enum http_router_verdict http_router_match(const struct http_router *router, struct slice path,
                                           enum http_method method, struct http_router_match *out,
                                           struct buf *location);
/* "GET, OPTIONS, POST": in the order of the alphabet, OPTIONS always among them. */
void http_router_allow_text(unsigned methods, struct buf *out);
