/*
 * The web pages: one HTML file for all of them, whose scripts ask the API; their files; and the ways in
 * that older links use. Pages know their place by relative URLs, so a prefix and a proxy in front
 * change nothing.
 */
#include "api/api_internal.h"
#include "api/assets.h"

static const struct asset *page_asset(struct slice name)
{
    for (size_t i = 0; i < asset_count; i++) {
        if (slice_eq_str(name, assets[i].name))
            return &assets[i];
    }
    return NULL;
}

static void append_html(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '<':
            buf_append_str(out, "&lt;");
            break;
        case '>':
            buf_append_str(out, "&gt;");
            break;
        case '&':
            buf_append_str(out, "&amp;");
            break;
        case '"':
            buf_append_str(out, "&#34;");
            break;
        default:
            buf_append_byte(out, text.ptr[i]);
        }
    }
}

/* Scripts come from here alone, so that a text that got into the page cannot run. */
static void page_headers(struct http_response *response)
{
    http_response_header(response, "X-Content-Type-Options", "nosniff");
    http_response_header(response, "Content-Security-Policy",
                         "default-src 'self'; style-src 'self' 'unsafe-inline'; "
                         "frame-ancestors 'self'; base-uri 'none'; form-action 'self'");
}

void page_show(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct slice html = page_asset(SLICE("index.html"))->content;
    struct slice mark = SLICE("@TITLE@");
    size_t at = slice_find(html, mark);
    struct buf body CLEANUP(buf_release);
    buf_init(&body, BUF_SIZE_ANY);
    buf_append(&body, html.ptr, at);
    append_html(&body, slice_str(api->options.page_title));
    buf_append_slice(&body, slice_from_index(html, at + mark.len));
    page_headers(response);
    http_response_text(response, 200, "text/html; charset=utf-8", buf_slice(&body));
}

static void page_file(struct http_response *response, struct slice name)
{
    const struct asset *asset = page_asset(name);
    if (asset == NULL || slice_eq_str(name, "index.html")) {
        http_response_text(response, 404, "text/plain; charset=utf-8",
                           SLICE("404 page not found\n"));
        return;
    }
    page_headers(response);
    http_response_header(response, "Cache-Control", "no-cache");
    http_response_text(response, 200, asset->content_type, asset->content);
}

void page_asset_file(struct http_request *request, struct http_response *response, void *context)
{
    page_file(response, request->route_tail);
}

void page_favicon(struct http_request *request, struct http_response *response, void *context)
{
    page_file(response, SLICE("favicon.svg"));
}

/* / and the old path /graph lead to /query and keep what is asked. */
void page_redirect(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    bool keeps_query = request->query.len > 0 && slice_eq_str(request->path, "/graph");
    char *location =
        arena_printf(request->arena, "%s/query%s%.*s", buf_cstr(&api->external_path),
                     keeps_query ? "?" : "", keeps_query ? (int)request->query.len : 0,
                     request->query.ptr == NULL ? "" : request->query.ptr);
    http_response_redirect(response, 302, location);
}
