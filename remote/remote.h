/*
 * Samples in over the wire: the remote write 1.0 receiver
 * (https://prometheus.io/docs/specs/prw/remote_write_spec/). Sender and remote read follow.
 *
 * Thread-safety: any thread.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "tsdb/tsdb.h"

#include <stddef.h>
#include <stdint.h>

#define REMOTE_WRITE_DECODED_BYTES_MAX (32 * 1024 * 1024)

struct remote_write_result {
    unsigned http_status; /* 204, 400, 415, 503, 500 */
    size_t samples;
    size_t invalid_series; /* skipped: no name, bad or duplicate labels */
};

/* One request body, snappy-compressed protobuf. The whole request is stored or nothing is. The text of
 * `err` is for the body of the answer. */
enum err remote_write_receive(struct tsdb *db, struct slice body, struct slice content_type,
                              struct slice content_encoding, int64_t now_ms,
                              struct remote_write_result *out, struct errbuf *err) MUST_CHECK;
