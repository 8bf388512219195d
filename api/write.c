/* write: the remote write receiver behind its flag. */
#include "api/api_internal.h"
#include "base/clock.h"
#include "remote/remote.h"

#include <stdio.h>

static void write_answer(struct http_response *response, unsigned status, const char *text)
{
    struct buf body CLEANUP(buf_release);
    buf_init(&body, (size_t)1 << 20);
    buf_printf(&body, "%s\n", text);
    http_response_header(response, "X-Content-Type-Options", "nosniff");
    http_response_text(response, status, "text/plain; charset=utf-8", buf_slice(&body));
}

static void write_count_header(struct http_response *response, const char *name, size_t count)
{
    char text[24];
    snprintf(text, sizeof(text), "%zu", count);
    http_response_header(response, name, text);
}

void write_remote(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    if (!api->options.enable_remote_write_receiver) {
        write_answer(response, 404,
                     "remote write receiver needs to be enabled with "
                     "--web.enable-remote-write-receiver");
        return;
    }
    struct remote_write_result result = {.http_status = 500};
    struct errbuf err = ERRBUF_INIT;
    enum err code = remote_write_receive(api->write_receiver, request->body,
                                         http_request_header(request, "Content-Type"),
                                         http_request_header(request, "Content-Encoding"),
                                         clock_now_ms(api->options.clock), &result, &err);
    if (result.counts_written) {
        write_count_header(response, "X-Prometheus-Remote-Write-Samples-Written", result.samples);
        write_count_header(response, "X-Prometheus-Remote-Write-Histograms-Written",
                           result.histograms);
        write_count_header(response, "X-Prometheus-Remote-Write-Exemplars-Written",
                           result.exemplars);
    }
    if (code != ERR_NONE) {
        write_answer(response, result.http_status, err.text);
        return;
    }
    http_response_status(response, result.http_status);
}
