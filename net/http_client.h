/*
 * HTTP requests to the outside world (on libcurl, see wire.h). A client runs many transfers on the
 * calling thread: start requests, then http_client_run in a loop; each ends in its callback, on the
 * same thread. Handles and receive buffers are recycled.
 *
 * http and https only; proxy variables of the environment are ignored unless asked for; curl's own
 * decompression is off. Secrets given as files are read at each request. Redirects are followed up
 * to ten times; credentials and the profile's headers do not go to another host. Names are looked
 * up anew for each connection; connections are kept for five minutes.
 *
 * Ownership: profile and body belong to the caller until `done` was called; all else is copied.
 * Thread-safety: a client has one owner thread, but for http_client_wake.
 * Limits: each request's body_size_max; the bodies under way in one client 256 MB together.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/memory_budget.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a connection is made; kept by the caller while requests use it. Texts are NUL-terminated
 * slices, empty = not set. The struct mirrors the http client part of the configuration without
 * knowing it. */
struct http_client_profile {
    struct slice username;
    struct slice username_file;
    struct slice password;
    struct slice password_file;
    struct slice authorization_type; /* "Bearer" */
    struct slice credentials;
    struct slice credentials_file;
    struct slice ca, ca_file, cert, cert_file, key, key_file, server_name;
    struct slice tls_min_version, tls_max_version;
    bool insecure_skip_verify;
    bool follow_redirects;
    bool enable_http2;
    struct slice proxy_url;
    struct slice no_proxy;
    bool proxy_from_environment;
    const struct http_client_header *headers; /* sent with every request */
    size_t header_count;
    const struct http_client_header *proxy_headers; /* sent to the proxy with CONNECT */
    size_t proxy_header_count;
};

struct http_client_header {
    struct slice name;
    struct slice value; /* or the content of value_file */
    struct slice value_file;
};

struct http_client_response {
    enum err error; /* ERR_NONE when an answer came whole; ERR_LIMIT when the body was too large */
    const char *error_text;  /* in the words of the reference: dial tcp ...: connect: connection
                              * refused,  context deadline exceeded, body size limit exceeded */
    long status;             /* 0 = no answer */
    const char *status_text; /* "404 Not Found" */
    struct slice content_type;
    struct slice content_encoding;
    struct slice retry_after;
    struct slice body; /* as received, not decompressed */
    int64_t duration_ns;
};

/* Called once for every request, on the owner's thread; the response is borrowed until it returns.
 */
typedef void (*http_client_done)(const struct http_client_response *response, void *context);

struct http_client_request {
    const char *method; /* "GET", "POST" */
    const char *url;
    const char *unix_socket; /* NULL = TCP */
    const struct http_client_profile *profile;
    const struct http_client_header *headers; /* copied */
    size_t header_count;
    struct slice body;  /* borrowed until done */
    int64_t timeout_ms; /* of the whole transfer */
    size_t body_size_max;
    http_client_done done;
    void *context;
};

struct http_client;
struct http_transfer;

struct http_client *http_client_new(void) MUST_CHECK;
/* Bodies take of the budget from now on, as what scrapes receive. To be called before any transfer. */
void http_client_set_memory(struct http_client *client, struct memory_budget *memory);
void http_client_free(
    struct http_client *client); /* transfers that run are dropped without callback */
/* The handle is valid until `done` was called. */
struct http_transfer *http_client_start(struct http_client *client,
                                        const struct http_client_request *request);
/* Ends a transfer without calling `done`. */
void http_client_cancel(struct http_client *client, struct http_transfer *transfer);
/* Moves transfers on; waits for at most `wait_ms` for something to happen. */
void http_client_run(struct http_client *client, int wait_ms);
/* Ends the wait of http_client_run from another thread. */
void http_client_wake(struct http_client *client);
size_t http_client_active(const struct http_client *client);
