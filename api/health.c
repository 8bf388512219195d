/* Outside of /api/v1: health, readiness, the server's own metrics, the way in, lifecycle. */
#include "api/api_internal.h"
#include "exposition/exposition.h"

void health_healthy(struct http_request *request, struct http_response *response, void *context)
{
    http_response_text(response, 200, "text/plain; charset=utf-8",
                       SLICE("Prometheus Server is Healthy.\n"));
}

/* Not ready is answered by api_admit before this is reached. */
void health_ready(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct buf reason CLEANUP(buf_release);
    buf_init(&reason, 4096);
    if (tsdb_failed(api->db, &reason)) {
        buf_append_byte(&reason, '\n');
        http_response_text(response, 503, "text/plain; charset=utf-8", buf_slice(&reason));
        return;
    }
    http_response_text(response, 200, "text/plain; charset=utf-8",
                       SLICE("Prometheus Server is Ready.\n"));
}

void health_metrics(struct http_request *request, struct http_response *response, void *context)
{
    enum exposition_format format;
    const char *type =
        exposition_negotiate(http_request_header(request, "Accept"), &format);
    struct buf body CLEANUP(buf_release);
    buf_init(&body, (size_t)64 << 20);
    exposition_write_counters(format, &body);
    http_response_text(response, 200, type, buf_slice(&body));
}

void health_lifecycle(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    if (request->method == HTTP_GET || request->method == HTTP_HEAD) {
        http_response_text(response, 405, "text/plain; charset=utf-8",
                           SLICE("Only POST or PUT requests allowed"));
        return;
    }
    if (!api->options.enable_lifecycle) {
        http_response_text(response, 403, "text/plain; charset=utf-8",
                           SLICE("Lifecycle API is not enabled."));
        return;
    }
    struct buf text CLEANUP(buf_release);
    buf_init(&text, (size_t)1 << 20);
    bool quit = slice_eq_str(request->path, "/-/quit");
    bool done = quit ? api->options.quit(api->options.context, &text)
                     : api->options.reload(api->options.context, &text);
    http_response_text(response, done ? 200 : 500, "text/plain; charset=utf-8", buf_slice(&text));
}
