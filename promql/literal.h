/*
 * What the literals of a query are worth: numbers, durations, strings. The texts come from the
 * lexer, which has checked their shape. Thread-safety: no state.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Integers in decimal, hexadecimal (0x) and octal (0), decimal fractions, Inf and NaN in any case;
 * underscores between digits. ERR_INVALID with the reference's text. */
enum err literal_number(struct slice text, double *out, struct errbuf *err) MUST_CHECK;
/* 1h30m in seconds. */
enum err literal_duration(struct slice text, double *out_s, struct errbuf *err) MUST_CHECK;
/* The content of a quoted string, in the arena where escapes make a copy necessary, else in `text`.
 */
struct slice literal_string(struct slice text, struct arena *arena);

/* Seconds to milliseconds as the reference does it: rounded to nanoseconds, then cut. */
bool literal_seconds_in_range(double seconds);
int64_t literal_seconds_ms(double seconds);
