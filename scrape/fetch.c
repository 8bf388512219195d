#include "scrape/fetch.h"

#include "base/codec.h"
#include "base/compress.h"
#include "base/float_text.h"

#define HTTP_STATUS_OK 200
/* Up to this size a body is unpacked at once: it takes less than a millisecond. */
#define FETCH_INLINE_BYTES_MAX (UINT64_C(1) << 20)
#define GZIP_SIZE_BYTES 4

void fetch_accept_header(const struct config_scrape *scrape, struct buf *out)
{
    /* weights fall by one from the number of known protocols plus one */
    int weight = CONFIG_SCRAPE_PROTOCOLS_MAX + 1;
    for (size_t i = 0; i < scrape->protocol_count; i++) {
        enum config_scrape_protocol protocol = scrape->protocols[i];
        buf_append_str(out, config_scrape_protocol_media_type(protocol));
        if (protocol == SCRAPE_PROTOCOL_TEXT_1 || protocol == SCRAPE_PROTOCOL_OPENMETRICS_1) {
            buf_append_str(out, ";escaping=");
            buf_append_slice(out, scrape->escaping_scheme.len > 0 ? scrape->escaping_scheme
                                                                  : SLICE("allow-utf-8"));
        }
        buf_printf(out, ";q=0.%d,", weight--);
    }
    buf_printf(out, "*/*;q=0.%d", weight);
}

struct http_transfer *fetch_start(struct http_client *client, const struct fetch_request *request)
{
    char timeout[FLOAT_TEXT_SIZE];
    size_t timeout_len = float_text_f((double)request->timeout_ms / 1000, timeout);
    timeout[timeout_len] = '\0';
    const struct http_client_header headers[] = {
        {.name = SLICE("User-Agent"), .value = slice_str(request->user_agent)},
        {.name = SLICE("Accept"), .value = slice_str(request->accept)},
        {.name = SLICE("Accept-Encoding"),
         .value = request->compression ? SLICE("gzip") : SLICE("identity")},
        {.name = SLICE("X-Prometheus-Scrape-Timeout-Seconds"),
         .value = slice_from(timeout, timeout_len)},
    };
    return http_client_start(
        client, &(struct http_client_request){
                    .method = "GET",
                    .url = request->url,
                    .unix_socket = request->unix_socket,
                    .profile = request->profile,
                    .headers = headers,
                    .header_count = ARRAY_SIZE(headers),
                    .timeout_ms = request->timeout_ms,
                    /* small bodies grow a little when they are compressed */
                    .body_size_max = request->body_size_limit + request->body_size_limit / 64 + 256,
                    .done = request->done,
                    .context = request->context,
                });
}

enum err fetch_unpack(struct slice packed, uint64_t body_size_limit, struct buf *out,
                      struct errbuf *err)
{
    enum err code = decompress_gzip(packed, body_size_limit - 1, out, err);
    if (code == ERR_LIMIT)
        return errbuf_set(err, ERR_LIMIT, "body size limit exceeded");
    return code;
}

/* The last member of a gzip body says at its end how large it is; it may lie, so this is but a
 * hint. */
static bool fetch_claims_large(struct slice packed)
{
    if (packed.len < GZIP_SIZE_BYTES)
        return false;
    struct codec_reader reader =
        codec_reader(packed.ptr + packed.len - GZIP_SIZE_BYTES, GZIP_SIZE_BYTES);
    return codec_read_u32(&reader) > FETCH_INLINE_BYTES_MAX;
}

enum err fetch_read(const struct http_client_response *response, uint64_t body_size_limit,
                    struct buf *inflated, struct slice *out_body, bool *out_large,
                    struct errbuf *err)
{
    *out_large = false;
    /* a status other than 200 is told even when the rest did not come */
    if (response->status != 0 && response->status != HTTP_STATUS_OK) {
        return errbuf_set(err, ERR_INVALID, "server returned HTTP status %s",
                          response->status_text);
    }
    if (response->error != ERR_NONE)
        return errbuf_set(err, response->error, "%s", response->error_text);
    *out_body = response->body;
    if (!slice_eq_str(response->content_encoding, "gzip")) {
        if (response->body.len >= body_size_limit)
            return errbuf_set(err, ERR_LIMIT, "body size limit exceeded");
        return ERR_NONE;
    }
    *out_large = fetch_claims_large(response->body);
    if (*out_large)
        return ERR_NONE;
    buf_reset(inflated);
    uint64_t inline_limit = MIN(body_size_limit, FETCH_INLINE_BYTES_MAX + 1);
    enum err code = fetch_unpack(response->body, inline_limit, inflated, err);
    if (code == ERR_LIMIT && inline_limit < body_size_limit) {
        *out_large = true;
        return ERR_NONE;
    }
    if (code == ERR_NONE)
        *out_body = buf_slice(inflated);
    return code;
}
