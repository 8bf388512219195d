/*
 * The fast scanners of sample lines: where a series text ends, and what number follows it. They
 * take what is common and answer NULL for all else, which then goes token by token (entry.h). A
 * series text is not checked here beyond its end: labels are checked when they are taken apart.
 *
 * Private to exposition/. Thread-safety: no state.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Behind the series text at `at`: name, or name and braces; NULL where it is not plain. With
 * `blanks` there may be white space before the brace. */
const char *scan_series(const char *at, const char *end, bool blanks);

/* Behind the metric name at `at`, NULL where none starts. */
const char *scan_name(const char *at, const char *end);

/* Behind the number at `at`, which must be followed by a blank or newline (either is inside the
 * body); NULL for anything unusual. */
const char *scan_number(const char *at, const char *end, double *out);

/* Behind the digits at `at`, 1 to 18 of them; NULL otherwise. */
const char *scan_integer(const char *at, const char *end, int64_t *out);
