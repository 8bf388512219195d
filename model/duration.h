/*
 * Durations in the reference's own form: 1y2w3d4h5m6s7ms, integers, each unit once, long to short.
 * In milliseconds.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

/* "0" is legal; errors read as the reference's: not a valid duration string: "5", empty duration
 * string, duration out of range. */
enum err duration_parse(struct slice text, int64_t *out_ms, struct errbuf *err) MUST_CHECK;
/* The reference's String(): 1m, 1h30m, 15d, 0s, 1m500ms. Weeks and years only where they divide
 * evenly. */
void duration_print(int64_t duration_ms, struct buf *out);
/* Go's time.Duration.String() of nanoseconds: 1m0s, 1.5s, 12ms, 0s. */
void duration_print_go(int64_t duration_ns, struct buf *out);
