/*
 * An Alertmanager for tests: listens on 127.0.0.1, keeps the requests that it gets and answers them
 * as it is told. While it holds, requests are kept but not answered.
 *
 * Thread-safety: all functions from the test's thread; a thread of its own serves.
 */
#pragma once

#include "base/mutex.h"
#include "base/thread.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_CONNECTIONS_MAX 16

struct fake_request {
    char *head; /* request line and header */
    char *body;
};

struct fake_alertmanager {
    uint16_t port;
    int listener;
    int wakeup[2]; /* a pipe */
    struct thread thread;
    struct mutex lock;
    struct condition changed;
    /* guarded by lock: */
    int status;
    bool holds;
    bool stops;
    VEC(struct fake_request) requests;
    /* owned by the thread: */
    int connections[FAKE_CONNECTIONS_MAX];
    size_t connection_count;
};

void fake_alertmanager_start(struct fake_alertmanager *fake);
void fake_alertmanager_stop(struct fake_alertmanager *fake);
void fake_alertmanager_answer(struct fake_alertmanager *fake, int status);
void fake_alertmanager_hold(struct fake_alertmanager *fake, bool holds);
/* Waits (10 s, then the test fails) until so many requests have come; the last of them. */
struct fake_request fake_alertmanager_wait(struct fake_alertmanager *fake, size_t count);
size_t fake_alertmanager_count(struct fake_alertmanager *fake);
