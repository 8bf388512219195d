/*
 * Doubles to text and back, as Go's strconv does it (float_text.cc is the only user of <charconv>).
 * Thread-safety: no state.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest text of any form below, 'f' of the smallest denormal included. */
#define FLOAT_TEXT_SIZE 1100
/* Room for the shortest forms that switch to an exponent: 26 bytes, and what float_text_json puts behind
 * its text on its way. */
#define FLOAT_TEXT_SHORT_SIZE 40

/* Shortest digits. Each returns the length and writes no NUL. Infinities are +Inf and -Inf, all NaN
 * are NaN. */
/* FormatFloat(v, 'f', -1, 64) */
size_t float_text_f(double value, char out[FLOAT_TEXT_SIZE]);
/* FormatFloat(v, 'g', -1, 64): with an exponent below 1e-4 and from 1e6 */
size_t float_text_g(double value, char out[FLOAT_TEXT_SHORT_SIZE]);
/* FormatFloat(v, 'e', -1, 64): 1e+00 */
size_t float_text_e(double value, char out[FLOAT_TEXT_SHORT_SIZE]);
/* Sample values of the HTTP API: 'f', but 'e' below 1e-6 and from 1e21 with the exponent as
 * encoding/json writes it ("1e-07", "1e+21"). The hot path of answers: bytes behind the text are
 * overwritten. */
size_t float_text_json(double value, char out[FLOAT_TEXT_SHORT_SIZE]);
/* OpenMetrics form of le and quantile labels: 'g', with ".0" where there is neither '.', 'e' nor a
 * letter; +Inf, -Inf, NaN. */
size_t float_text_openmetrics(double value, char out[FLOAT_TEXT_SHORT_SIZE]);

/* strconv.ParseFloat(text, 64): decimal, hex floats with p, inf and infinity with or without a sign,
 * nan without one, in any case; only underscores between digits are refused. false where it gives an
 * error (above the range is ±Inf and false, with *out_range set when not NULL). */
bool float_text_parse(struct slice text, double *out, bool *out_range);

/* The plain decimal grammar of exposition values, hot path: [+-]digits[.digits][e[+-]digits] or an
 * Inf/NaN spelling; the whole of `text` must be used up. No hex, no underscore. */
bool float_text_parse_decimal(struct slice text, double *out);

#ifdef __cplusplus
}
#endif
