/* Routes are few (under a hundred), so a path is compared with one after the other. */
#include "net/http_router.h"

void http_router_init(struct http_router *router, const char *prefix,
                      const struct http_route *routes, size_t route_count)
{
    struct slice text = slice_str(prefix);
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    *router = (struct http_router){
        .prefix = text,
        .routes = routes,
        .route_count = route_count,
    };
}

/* Does the pattern stand for the path? */
static bool pattern_match(struct slice pattern, struct slice path, struct slice *out_tail)
{
    size_t star = slice_index(pattern, '*');
    if (star == SLICE_NONE) {
        *out_tail = SLICE_EMPTY;
        return slice_eq(pattern, path);
    }
    struct slice before = slice_sub(pattern, 0, star);
    struct slice after = slice_from_index(pattern, star + 1);
    if (path.len < before.len + after.len || !slice_has_prefix(path, before) ||
        !slice_has_suffix(path, after))
        return false;
    struct slice tail = slice_sub(path, before.len, path.len - before.len - after.len);
    /* in the middle the star is one segment, which is not empty */
    if (after.len > 0 && (tail.len == 0 || slice_index(tail, '/') != SLICE_NONE))
        return false;
    *out_tail = tail;
    return true;
}

/* Exact paths win over patterns. False when no route has that path. */
static bool find(const struct http_router *router, struct slice path, enum http_method method,
                 struct http_router_match *out)
{
    *out = (struct http_router_match){.inside = true, .path = path, .tail = SLICE_EMPTY};
    bool found = false;
    bool found_exact = false;
    for (size_t i = 0; i < router->route_count; i++) {
        const struct http_route *route = &router->routes[i];
        struct slice pattern = slice_str(route->path);
        struct slice tail;
        if (!pattern_match(pattern, path, &tail))
            continue;
        bool exact = slice_index(pattern, '*') == SLICE_NONE;
        if (found_exact && !exact)
            continue;
        if (exact && !found_exact) {
            out->methods_allowed = 0;
            out->route = NULL;
            found_exact = true;
        }
        bool serves = (route->methods & method) != 0;
        if (out->route == NULL || (serves && (out->route->methods & method) == 0)) {
            out->route = route;
            out->tail = tail;
        }
        out->methods_allowed |= route->methods;
        found = true;
    }
    return found;
}

/* Cleans "//", "/./" and "/../" as path.Clean of Go does, but keeps a slash at the end. */
static void path_clean(struct slice path, struct buf *out)
{
    size_t base = out->len;
    bool slash_at_end = path.len > 0 && path.ptr[path.len - 1] == '/';
    while (path.len > 0) {
        size_t slash = slice_index(path, '/');
        struct slice segment = slash == SLICE_NONE ? path : slice_sub(path, 0, slash);
        path = slash == SLICE_NONE ? SLICE_EMPTY : slice_from_index(path, slash + 1);
        if (segment.len == 0 || slice_eq(segment, SLICE(".")))
            continue;
        if (slice_eq(segment, SLICE(".."))) {
            const char *last =
                out->len == base ? NULL : memrchr(out->data + base, '/', out->len - base);
            buf_truncate(out, last == NULL ? base : (size_t)(last - out->data));
            continue;
        }
        buf_append_byte(out, '/');
        buf_append_slice(out, segment);
    }
    if (out->len == base || slash_at_end)
        buf_append_byte(out, '/');
}

static bool path_is_clean(struct slice path)
{
    static const struct {
        const char *text;
        bool only_at_end;
    } unclean[] = {{"//", false}, {"/./", false}, {"/../", false}, {"/.", true}, {"/..", true}};
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(unclean); i++) {
        struct slice text = slice_str(unclean[i].text);
        if (unclean[i].only_at_end ? slice_has_suffix(path, text)
                                   : slice_find(path, text) != SLICE_NONE)
            return false;
    }
    return true;
}

/* A path for a Location header: what may not stand there as it is becomes %XX. */
static void path_escape(struct slice path, struct buf *out)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-_.~/$&+,:;=@!*'()", c) != NULL);
        if (plain)
            buf_append_byte(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* Is there a route when the slash at the end is taken away? */
static bool found_without_slash(const struct http_router *router, struct slice path,
                                enum http_method method)
{
    struct http_router_match match;
    return path.len > 1 && path.ptr[path.len - 1] == '/' &&
           find(router, slice_sub(path, 0, path.len - 1), method, &match);
}

enum http_router_verdict http_router_match(const struct http_router *router, struct slice path,
                                           enum http_method method, struct http_router_match *out,
                                           struct buf *location)
{
    *out = (struct http_router_match){.path = path, .tail = SLICE_EMPTY};
    if (!path_is_clean(path)) {
        struct buf clean CLEANUP(buf_release);
        buf_init(&clean, BUF_SIZE_ANY);
        path_clean(path, &clean);
        path_escape(buf_slice(&clean), location);
        return HTTP_ROUTER_REDIRECT;
    }
    struct slice rest = path;
    if (router->prefix.len > 0) {
        if (slice_eq(path, SLICE("/"))) {
            path_escape(router->prefix, location);
            return HTTP_ROUTER_TO_PREFIX;
        }
        if (slice_eq(path, router->prefix)) {
            path_escape(router->prefix, location);
            buf_append_byte(location, '/');
            return HTTP_ROUTER_REDIRECT;
        }
        if (!slice_has_prefix(path, router->prefix) || path.ptr[router->prefix.len] != '/')
            return HTTP_ROUTER_NOT_FOUND;
        rest = slice_from_index(path, router->prefix.len);
    }
    if (find(router, rest, method, out))
        return (out->route->methods & method) != 0 ? HTTP_ROUTER_FOUND
                                                   : HTTP_ROUTER_METHOD_NOT_ALLOWED;
    if (found_without_slash(router, rest, method)) {
        path_escape(slice_sub(path, 0, path.len - 1), location);
        return HTTP_ROUTER_REDIRECT;
    }
    return HTTP_ROUTER_NOT_FOUND;
}

void http_router_allow_text(unsigned methods, struct buf *out)
{
    static const struct {
        enum http_method method;
        const char *name;
    } names[] = {
        {HTTP_DELETE, "DELETE"},   {HTTP_GET, "GET"},   {HTTP_HEAD, "HEAD"},
        {HTTP_OPTIONS, "OPTIONS"}, {HTTP_POST, "POST"}, {HTTP_PUT, "PUT"},
    };
    bool first = true;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (((methods | HTTP_OPTIONS) & names[i].method) == 0)
            continue;
        if (!first)
            buf_append_str(out, ", ");
        first = false;
        buf_append_str(out, names[i].name);
    }
}
