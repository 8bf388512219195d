/*
 * A server that gives the same answer to every request, as it is told, and misbehaves in the end;
 * for the tests of the HTTP client. It serves one connection at a time on a thread of its own.
 */
#pragma once

#include "base/mutex.h"
#include "base/thread.h"

#include <stdatomic.h>
#include <stdint.h>

/* What it does after an answer. */
enum fake_server_end {
    FAKE_CLOSE,
    FAKE_HOLD, /* leave the connection open and silent */
    FAKE_KEEP, /* read the next request */
    FAKE_RESET,
};

struct fake_server {
    int listener;
    uint16_t port;
    struct mutex lock;
    const char *answer;      /* guarded by lock */
    char last_request[8192]; /* guarded by lock */
    enum fake_server_end end;
    atomic_int connections;
    atomic_int requests;
    int held[64];
    atomic_bool stopping;
    struct thread thread;
};

/* On a free port of 127.0.0.1. `answer` must live as long as the server. */
void fake_server_start(struct fake_server *fake, const char *answer, enum fake_server_end end);
/* What the thread runs, for listeners of other kinds. */
void fake_server_run(void *context);
void fake_server_stop(struct fake_server *fake);
