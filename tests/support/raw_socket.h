/*
 * A TCP client for tests that says exactly what it is told and reads one HTTP answer at a time.
 * Every wait is bounded (10 s), so a server that hangs fails the test.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct raw_answer {
    int status;      /* 0 = the connection ended before an answer came */
    struct buf head; /* status line and header, with the empty line */
    struct buf body; /* without chunked coding */
    bool chunked;
    bool whole; /* the body ended as announced */
};

/* A connection to 127.0.0.1; ends the test when there is none. */
int raw_connect(uint16_t port);
void raw_send(int descriptor, const void *data, size_t len);
void raw_send_text(int descriptor, const char *text);
/* Reads one answer; `is_head` = no body follows. */
void raw_read_answer(int descriptor, bool is_head, struct raw_answer *out);
void raw_answer_release(struct raw_answer *answer);
/* The value of a header, NULL when it is not there; valid until the next call. */
const char *raw_answer_header(const struct raw_answer *answer, const char *name);
/* true when the other side closes within the time; what comes before is dropped. */
bool raw_is_closed(int descriptor, int wait_ms);
/* Connects, sends, reads one answer, closes. */
void raw_exchange(uint16_t port, const char *request, bool is_head, struct raw_answer *out);
