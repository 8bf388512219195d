/*
 * What a handler answers, on its way to the connection. The handler's thread writes, the
 * connection's thread reads; between them is a bounded run of bytes (RESPONSE_UNSENT_MAX). While
 * the handler runs and nothing was given out yet the answer is "held": status and headers may
 * change, and when it ends in time its length is known. As soon as more comes than the bound allows
 * (or on flush) it is "started": headers are final, the body goes out in chunks and the writer
 * waits for the reader.
 *
 *     held --finish--> done            (whole, with Content-Length)
 *     held --full or flush--> started --finish--> done
 *     any  --abandon--> gone           (writes fail, the reader gets an error)
 *
 * A quick handler may not wait: its answer is held to the end, whatever its size.
 *
 * The reader says when it has nothing to read (`waiting`); the writer then calls `wake` once, when half
 * of the bound is there, on flush, and at the end. Both are called under the lock, so that a wake is
 * never lost.
 *
 * Threads: fields under "handler's" belong to its thread until it ends; status and headers are read
 * by the connection's thread once they are sealed. The others are guarded by lock.
 */
#pragma once

#include "base/buf.h"
#include "base/compress.h"
#include "base/mutex.h"
#include "base/slice.h"
#include "base/vec.h"
#include "net/compressor_pool.h"
#include "net/http_server.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define RESPONSE_UNSENT_MAX ((size_t)1 << 20)
/* Writer and reader wake each other at this, so that they take turns seldom. */
#define RESPONSE_UNSENT_HALF (RESPONSE_UNSENT_MAX / 2)
/* A quick answer is built in memory as a whole. */
#define RESPONSE_QUICK_MAX ((size_t)256 << 20)
/* A client that takes nothing for so long is given up. */
#define RESPONSE_STALL_NS ((int64_t)30 * 1000 * 1000 * 1000)

enum http_response_encoding {
    HTTP_ENCODING_IDENTITY,
    HTTP_ENCODING_GZIP,
    HTTP_ENCODING_DEFLATE,
};

struct http_response_field {
    char *name;
    char *value;
};

struct http_response {
    /* immutable once the handler runs */
    struct arena *arena;
    bool may_wait; /* slow handler */
    enum http_response_encoding encoding_accepted;
    void (*wake)(void *context); /* the reader may go on; called under lock */
    /* The last chance to add headers, on the handler's thread; may be NULL. */
    void (*headers_complete)(void *context);
    void *context;
    struct compressor_pool *compressors;
    int64_t stall_ns;
    /* handler's: */
    unsigned status;
    VEC(struct http_response_field) fields;
    struct buf raw; /* waits for compression */
    struct compress_stream *stream;
    struct buf compressed; /* scratch */
    bool sealed;           /* headers are final */
    enum http_response_encoding encoding;
    size_t raw_bytes;
    struct mutex lock;
    struct condition drained;
    /* guarded by lock: */
    struct buf body;
    size_t body_sent;  /* bytes of `body` that the reader took */
    size_t body_bytes; /* in all */
    bool waiting;      /* the reader sleeps until `wake` */
    bool started;
    bool done;
    bool failed; /* cut off: what came is not the whole answer */
    bool gone;   /* nobody reads any more */
};

void http_response_init(struct http_response *response, struct arena *arena,
                        struct compressor_pool *compressors);
void http_response_release(struct http_response *response);

/* The handler has returned: the rest of the body is made, the reader woken. */
void http_response_finish(struct http_response *response);
/* The client is gone: wakes a writer that waits. */
void http_response_abandon(struct http_response *response);

enum http_response_read {
    HTTP_READ_DATA,
    HTTP_READ_END,
    HTTP_READ_WAIT,
    HTTP_READ_FAILED,
};
/* Takes up to `size` bytes of the body; lock held. */
enum http_response_read http_response_read_locked(struct http_response *response, char *out,
                                                  size_t size, size_t *out_len);
const char *http_response_field_value(const struct http_response *response, const char *name);
/* gzip or deflate, whichever the header of the client names first. */
enum http_response_encoding http_response_accepted(struct slice accept_encoding);
