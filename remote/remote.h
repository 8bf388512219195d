/*
 * Samples in over the wire: the receiver of remote write 1.0 and 2.0
 * (https://prometheus.io/docs/specs/prw/remote_write_spec/). Sender and remote read follow.
 *
 * A receiver remembers which series the label bytes of earlier requests meant, so that the labels
 * of a series are taken apart once. It belongs to one database and lives no longer than that.
 *
 * Thread-safety: any thread, but new and free.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "tsdb/tsdb.h"

#include <stddef.h>
#include <stdint.h>

#define REMOTE_WRITE_DECODED_BYTES_MAX (32 * 1024 * 1024)
/* Samples further ahead of now are refused. */
#define REMOTE_WRITE_AHEAD_MS_MAX INT64_C(600000)

struct remote_write_receiver;

struct remote_write_result {
    unsigned http_status; /* 204, 400, 415, 503, 500 */
    size_t samples;       /* of 1.0, with histograms */
    size_t histograms;
    size_t exemplars;
    bool counts_written;   /* the counts go into headers of the answer: remote write 2.0 */
    size_t invalid_series; /* skipped: no name, bad or duplicate labels */
};

/* What bodies decode to takes of `memory`, which may be NULL. */
struct remote_write_receiver *remote_write_receiver_new(struct tsdb *db,
                                                        struct memory_budget *memory) MUST_CHECK;
void remote_write_receiver_free(struct remote_write_receiver *receiver);

/* One request body, snappy-compressed protobuf. Of 2.0, what is good is stored and the rest is
 * told. Of 1.0: all its good series are stored or nothing is: a sample that storage does not take
 * refuses the whole request. Series with unusable labels are skipped and counted, as the reference
 * does; a request that has no other series is refused. The text of `err` is for the body of the
 * answer. */
enum err remote_write_receive(struct remote_write_receiver *receiver, struct slice body,
                              struct slice content_type, struct slice content_encoding,
                              int64_t now_ms, struct remote_write_result *out,
                              struct errbuf *err) MUST_CHECK;
