/*
 * Why a request failed, in the words of the reference: these texts stand in target pages, logs and
 * users' notes. http_client finds out the kind; here it is put into words.
 *
 * Ownership: everything is borrowed. Thread-safety: no state.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum http_failure_kind {
    HTTP_FAILURE_RESOLVE, /* no such host */
    HTTP_FAILURE_DIAL,    /* connection refused and the like */
    HTTP_FAILURE_TIMEOUT,
    HTTP_FAILURE_NO_ANSWER, /* closed before a byte of an answer */
    HTTP_FAILURE_SHORT_BODY,
    HTTP_FAILURE_RESET,
    HTTP_FAILURE_MALFORMED, /* not HTTP */
    HTTP_FAILURE_NOT_TLS,   /* HTTP where TLS was expected */
    HTTP_FAILURE_CERTIFICATE,
    HTTP_FAILURE_TLS,
    HTTP_FAILURE_REDIRECTS,
    HTTP_FAILURE_BODY_LIMIT,
    HTTP_FAILURE_MEMORY,
    HTTP_FAILURE_OTHER, /* `detail` says it all */
};

struct http_failure {
    enum http_failure_kind kind;
    const char *method;
    const char *url;
    bool answered; /* status and header had come, so it is about the body */
    bool proxied;
    const char *host;    /* RESOLVE */
    const char *address; /* "127.0.0.1:9100", or the path of a Unix socket */
    bool is_unix;
    const char *local_address; /* RESET */
    int system_error;
    const char *detail;
};

/* Get "http://h:1/metrics": dial tcp 127.0.0.1:1: connect: connection refused */
void http_failure_print(const struct http_failure *failure, struct buf *out);
/* "404 Not Found" for answers without a reason; the number alone for unknown ones. */
void http_status_print(long status, struct buf *out);
