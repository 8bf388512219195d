/*
 * A io.prometheus.write.v2.Request into storage
 * (https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/): what is good of it is stored, and
 * what is not is told.
 *
 *     Request     4: symbols*   5: TimeSeries*
 *     TimeSeries  1: label refs*  2: Sample*  3: Histogram*  4: Exemplar*  5: Metadata (ignored)
 *     Sample      1: value (double)  2: timestamp (ms)  3: start timestamp (ms)
 *
 * Private to remote/. Thread-safety: none of its own.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "remote/remote.h"

/* Counts what was stored in `result`, and sets the status. ERR_INVALID with 400 where a part was
 * refused; the rest is stored then. */
enum err write_v2_store(struct tsdb *db, struct slice message, int64_t now_ms,
                        struct remote_write_result *result, struct errbuf *err) MUST_CHECK;
