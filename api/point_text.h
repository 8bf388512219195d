/*
 * Points of query results as JSON text, [1700000000.123,"42.5"]: answers have hundreds of thousands of
 * them, so the writer keeps the leading digits of the time, which hardly ever change, and puts each point
 * straight to where it belongs.
 *
 * Ownership: a value. Thread-safety: one owner.
 */
#pragma once

#include "base/float_text.h"

#include <stddef.h>
#include <stdint.h>

/* A time with three decimals and a sign, as long as any. */
#define POINT_TIME_SIZE 32
/* What a point may write, text and waste behind it. */
#define POINT_TEXT_SIZE (POINT_TIME_SIZE + FLOAT_TEXT_SHORT_SIZE + 8)

struct point_writer {
    uint64_t block; /* of ten thousand seconds; the one that `text` is for */
    size_t text_len;
    char text[16];
};

void point_writer_init(struct point_writer *writer);

/* Seconds, with three decimals where there is a fraction. POINT_TIME_SIZE bytes of `out` may be written;
 * returns the end of the text. */
char *point_put_time(struct point_writer *writer, char *out, int64_t timestamp_ms);
/* [time,"value"]; POINT_TEXT_SIZE bytes may be written. */
char *point_put(struct point_writer *writer, char *out, int64_t timestamp_ms, double value);
