/*
 * Range queries to the HTTP API of a Prometheus, or of a ferula.
 *
 * Ownership: heap object; what the sink gets is borrowed for the call. Thread-safety: one owner.
 * Limits: an answer of 256 MiB.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/labels_builder.h"

#include <stdint.h>

struct range_query_client;

struct range_query {
    struct slice expression;
    int64_t start_ms;
    int64_t end_ms;
    int64_t step_ms;
};

struct range_query_sink {
    void *context;
    /* A series, whose samples follow. */
    void (*series)(void *context, struct labels_builder *labels);
    void (*sample)(void *context, int64_t time_ms, double value);
    void (*warning)(void *context, struct slice text);
};

/* `url` is that of the server, with its prefix; it may hold user and password. */
enum err range_query_open(const char *url, struct range_query_client **out,
                          struct errbuf *err) MUST_CHECK;
void range_query_close(struct range_query_client *client); /* NULL is fine */

/* Waits for the answer. Native histograms in it are left out. */
enum err range_query_run(struct range_query_client *client, const struct range_query *query,
                         const struct range_query_sink *sink, struct errbuf *err) MUST_CHECK;
