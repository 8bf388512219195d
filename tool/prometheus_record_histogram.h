/*
 * A native histogram in a record of the reference's logs: integer or float, exponential or with
 * custom buckets.
 *
 * Ownership: the result lies in the arena. Thread-safety: function of its arguments.
 */
#pragma once

#include "base/arena.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/err.h"
#include "model/histogram.h"

#include <stdbool.h>

/* *out is NULL for a schema that is not known, which the reference leaves out, too. */
enum err prometheus_record_histogram_read(struct codec_reader *reader, bool is_float,
                                          struct arena *arena, const struct histogram **out,
                                          struct errbuf *err) MUST_CHECK;
