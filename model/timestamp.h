/*
 * Times as the HTTP API takes and gives them. A time is int64_t milliseconds since 1970; the ends
 * of what can be said are TIMESTAMP_MIN and TIMESTAMP_MAX (they leave room for arithmetic).
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define TIMESTAMP_MIN (INT64_MIN / 4)
#define TIMESTAMP_MAX (INT64_MAX / 4)

/* Unix seconds with a fraction, or RFC 3339; rounded to milliseconds. Far futures are legal. false
 * when it is neither. */
bool timestamp_parse(struct slice text, int64_t *out_ms);
/* Seconds with three decimals only where there is a fraction: 1.500, 4, -0.001. */
void timestamp_print_seconds(int64_t timestamp_ms, struct buf *out);
/* RFC 3339 in UTC with the fraction as Go's RFC3339Nano prints it: 2026-11-20T13:46:00.5Z. */
void timestamp_print_rfc3339(int64_t timestamp_ms, struct buf *out);
/* 0001-01-01T00:00:00Z, "never". */
#define TIMESTAMP_RFC3339_NEVER "0001-01-01T00:00:00Z"
