/*
 * net/http_client.h without a network: a test says how each request is answered. Waiting moves a
 * manual clock, so minutes of scraping take milliseconds. Tests link it in place of net's own
 * client.
 */
#pragma once

#include "base/clock.h"
#include "net/http_client.h"

#include <stdbool.h>
#include <stddef.h>

/* Fills in the answer of a request; false = there is none (yet), it hangs until its timeout. Texts
 * live until the next call. */
typedef bool (*fake_http_handler)(const struct http_client_request *request,
                                  struct http_client_response *out, void *context);

/* For all clients from now on. `latency_ms` passes between a request and its answer. */
void fake_http_set(struct clock_manual *clock, fake_http_handler handler, void *context,
                   int64_t latency_ms);
/* The value of a header of a request, empty if it has none. */
struct slice fake_http_header(const struct http_client_request *request, const char *name);
