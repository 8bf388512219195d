/* Texts and headers are the reference's. */
#include "net/http_answer.h"

#include "base/arena.h"
#include "net/http_router.h"

#define ALLOW_SIZE_MAX 256

bool http_answer_is_cors_path(const struct http_request *request)
{
    return slice_has_prefix(request->path, SLICE(CORS_PATH_PREFIX));
}

void http_answer_plain(struct http_response *response, unsigned status, const char *text)
{
    http_response_header(response, "X-Content-Type-Options", "nosniff");
    http_response_text(response, status, "text/plain; charset=utf-8", slice_str(text));
}

void http_answer_redirect(const struct http_request *request, struct http_response *response,
                          unsigned status, struct slice path)
{
    struct buf location CLEANUP(buf_release);
    buf_init(&location, BUF_SIZE_ANY);
    buf_append_slice(&location, path);
    if (request->query.len > 0) {
        buf_append_byte(&location, '?');
        buf_append_slice(&location, request->query);
    }
    http_response_redirect(response, status, buf_cstr(&location));
}

static void add_allow(struct http_response *response, unsigned methods)
{
    struct buf allow CLEANUP(buf_release);
    buf_init(&allow, ALLOW_SIZE_MAX);
    http_router_allow_text(methods, &allow);
    http_response_header(response, "Allow", buf_cstr(&allow));
}

void http_answer_not_allowed(struct http_response *response, unsigned methods)
{
    add_allow(response, methods);
    http_answer_plain(response, 405, "Method Not Allowed\n");
}

void http_answer_options(const struct http_request *request, struct http_response *response,
                         unsigned methods)
{
    if (!http_answer_is_cors_path(request))
        add_allow(response, methods);
    http_response_status(response, 204);
}

void http_answer_add_headers(const struct http_request *request, struct http_response *response,
                             const struct regex *origins)
{
    bool api = http_answer_is_cors_path(request);
    if (api)
        http_response_header(response, "Vary", "Accept-Encoding, Origin");
    else if (response->encoding != HTTP_ENCODING_IDENTITY)
        http_response_header(response, "Vary", "Accept-Encoding");
    struct slice origin = http_request_header(request, "Origin");
    if (!api || origin.len == 0)
        return;
    http_response_header(response, "Access-Control-Allow-Headers",
                         "Accept, Authorization, Content-Type, Origin");
    http_response_header(response, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    http_response_header(response, "Access-Control-Expose-Headers", "Date");
    if (origins == NULL)
        http_response_header(response, "Access-Control-Allow-Origin", "*");
    else if (regex_match(origins, origin))
        http_response_header(response, "Access-Control-Allow-Origin",
                             arena_slice(request->arena, origin).ptr);
}
