/*
 * The table of open connections and the thread that looks after them, for what libmicrohttpd does
 * not do:
 *
 * - a request's header has to be there `header_timeout_ms` after its first byte, its body
 *   `body_timeout_ms` after the header; slower ones are shut down;
 * - a client that leaves while its request is worked on (its connection is suspended, so nobody
 * reads from it) is noticed by polling for POLLRDHUP;
 * - when there are more connections than `connection_count_max`, those that are longest without a
 * request are shut down, so that idle ones never lock others out; and no more than USED_IDLE_MAX
 * are kept that were used, because each of these holds its memory;
 * - when exactly as many events come at once as it takes at once (128), it waits for one more
 * before it looks at them; so it is woken when bytes lie unread;
 * - a client that is gone between or before requests, which libmicrohttpd can miss, is shut down
 * too.
 *
 * That a header has begun is seen from the kernel's count of bytes received (TCP_INFO).
 *
 * A descriptor may be shut down as long as its connection is in the table: its owner takes it out
 * before closing. Shutting down makes libmicrohttpd close it.
 *
 *     IDLE_NEW --bytes--> HEADER --> BODY --> BUSY <--> SUSPENDED
 *     IDLE_USED --bytes--^                     |
 *        ^-------------------------------------'
 *
 * Threads: one of its own; all functions from any thread.
 */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USED_IDLE_MAX 1024

enum http_watched_state {
    HTTP_WATCHED_IDLE_NEW,  /* connected, not a byte came */
    HTTP_WATCHED_IDLE_USED, /* between two requests */
    HTTP_WATCHED_HEADER,
    HTTP_WATCHED_BODY,
    HTTP_WATCHED_BUSY,      /* being answered */
    HTTP_WATCHED_SUSPENDED, /* being answered, and nobody reads from the socket */
    HTTP_WATCHED_CLOSING,   /* was shut down, its owner will take it out */
};
#define HTTP_WATCHED_STATE_COUNT (HTTP_WATCHED_CLOSING + 1)

/* Embedded in a connection. */
struct http_watched {
    int descriptor;
    /* guarded by the watcher's lock: */
    enum http_watched_state state;
    size_t index;
    int64_t since_ns;              /* when the state began */
    uint64_t received_bytes;       /* when it became idle; UINT64_MAX = not looked at yet */
    bool left_told;                /* in this state the client was seen to have left */
    bool unread_seen;              /* bytes lay unread at the last look */
    struct http_watched *previous; /* of that state */
    struct http_watched *next;
};

struct http_watcher_options {
    int64_t header_timeout_ms;
    int64_t body_timeout_ms;
    size_t connection_count_max;
    /* The client of a suspended connection is gone; `closed` = for good, else it may still read.
     * Called under the watcher's lock. */
    void (*left)(struct http_watched *watched, bool closed);
    /* Nobody reads what has come in, or closes what was shut down: the threads that should sleep.
     * Called under the watcher's lock, once a second at most. */
    void (*stuck)(void *context);
    void *stuck_context;
};

struct http_watcher;

struct http_watcher *http_watcher_new(const struct http_watcher_options *options);
/* All connections must be out. */
void http_watcher_free(struct http_watcher *watcher);

/* true when many that were shut down are not closed yet: who accepts should give the others time.
 */
bool http_watcher_add(struct http_watcher *watcher, struct http_watched *watched,
                      int descriptor) MUST_CHECK;
void http_watcher_remove(struct http_watcher *watcher, struct http_watched *watched);
void http_watcher_set(struct http_watcher *watcher, struct http_watched *watched,
                      enum http_watched_state state);
/* Calls `each` for all connections under the lock. */
void http_watcher_each(struct http_watcher *watcher,
                       void (*each)(struct http_watched *watched, void *context), void *context);
size_t http_watcher_count(struct http_watcher *watcher);
/* Connections with a request that is being answered. */
size_t http_watcher_busy_count(struct http_watcher *watcher);
