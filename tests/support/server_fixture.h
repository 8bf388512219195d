/*
 * A server with routes of every kind on a free port, and short ways to ask it; for the tests of the
 * HTTP server. Thread-safety: one server at a time.
 */
#pragma once

#include "base/compiler.h"
#include "net/http_server.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the answer of /large and /large_quick; byte i is fixture_large_byte(i). */
#define FIXTURE_LARGE_SIZE ((size_t)10 << 20)

/* What is waited for comes at once, but on a machine that is busy with other things. */
#define FIXTURE_PATIENCE_MS 30000
/* What fixture_stop leaves to requests that run; longer than any may take. */
#define FIXTURE_GRACE_MS 30000

/* What handlers and hooks of the running server saw. */
struct server_fixture {
    struct http_server *server;
    uint16_t port;
    atomic_int blocked_started;
    atomic_int blocked_canceled;
    atomic_size_t large_written;
    atomic_int large_error;
    atomic_int observed_status;
    atomic_size_t observed_bytes;
    atomic_bool refuse_all; /* set it, and nobody is admitted */
};
extern struct server_fixture fixture;

/* Routes: /hello /slow /show /api/v1/query /api/v1/label/STAR/values /user/STAR /two /large
 * /large_quick /block /events /empty /no_body /compressed. */
extern const struct http_route *const fixture_routes;
extern const size_t fixture_route_count;

void fixture_start(struct http_server_options options);
void fixture_stop(void);
int64_t fixture_now_ms(void);
char fixture_large_byte(size_t i);
void fixture_check_large(struct slice body);
void fixture_wait_for(atomic_int *counter, int value);
/* The body of the answer to a request line (and header lines); NULL = any. */
void fixture_expect(const char *request_head, int status, const char *body);
/* NULL = the header is not there. */
void fixture_expect_header(const char *request_head, const char *name, const char *value);
/* What the hook was told last. */
void fixture_expect_observed(int status, size_t bytes);
