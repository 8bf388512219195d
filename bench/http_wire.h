/*
 * The least of an HTTP/1.1 client: one connection, kept alive, blocking; answers by length or chunked.
 * It costs microseconds, so that the server's time is what is measured. Thread-safety: one owner.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct http_wire {
    int fd;
    uint16_t port;
    int status;      /* of the last answer */
    struct buf in;   /* the answer, head included */
    struct buf body; /* without the head and the lengths of chunks; empty when only counted */
    size_t body_len;
    bool keep_body;
};

/* Connects to 127.0.0.1; ends the process where nobody listens. */
void http_wire_open(struct http_wire *wire, uint16_t port);
void http_wire_close(struct http_wire *wire);
/* Sends head and body (which must be whole) and reads the whole answer. false when the connection
 * broke; it is open again afterwards. */
bool http_wire_exchange(struct http_wire *wire, struct slice head, struct slice body);
