/*
 * One HTTP request of a target, and what its answer means: status, size limit, gzip, content type.
 * Error texts are the reference's.
 *
 * Thread-safety: the scraping thread. Limits: the size limit counts uncompressed bytes.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "config/config.h"
#include "exposition/exposition.h"
#include "net/http_client.h"

#include <stdbool.h>
#include <stdint.h>

#define FETCH_BODY_BYTES_DEFAULT (UINT64_C(64) << 20)

/* The Accept header for the job's protocols. */
void fetch_accept_header(const struct config_scrape *scrape, struct buf *out);

/* One target's request; everything is borrowed until http_client_start has returned, but for the
 * profile, which must live until the transfer ends. */
struct fetch_request {
    const char *url;
    const char *unix_socket; /* NULL = TCP */
    const char *accept;
    const char *user_agent;
    bool compression;
    int64_t timeout_ms;
    uint64_t body_size_limit;
    const struct http_client_profile *profile;
    http_client_done done;
    void *context;
};
struct http_transfer *fetch_start(struct http_client *client, const struct fetch_request *request);

/* The body of an answer: borrowed from the response, or from `inflated`, into which a compressed
 * one is unpacked. A body of `body_size_limit` bytes is too large already: ERR_LIMIT. Where
 * unpacking would take long, `*out_large` is set and the body is given as it came, for
 * fetch_unpack. */
enum err fetch_read(const struct http_client_response *response, uint64_t body_size_limit,
                    struct buf *inflated, struct slice *out_body, bool *out_large,
                    struct errbuf *err) MUST_CHECK;
/* Unpacks a large body; from any thread. */
enum err fetch_unpack(struct slice packed, uint64_t body_size_limit, struct buf *out,
                      struct errbuf *err) MUST_CHECK;
