/*
 * Start timestamps as test scripts write them, on a line of their own before that of the samples:
 *
 *     requests_total@st  _ -1m -30s-1mx2 _x3 0x2
 *     requests_total     1  2  3 4 5     ...
 *
 * Each is an offset to the time of its sample; -30s-1mx2 is -30s -90s -150s, _ is unknown.
 */
#pragma once

#include "base/slice.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct start_offset {
    bool is_omitted;
    int64_t offset_ms;
};

struct start_line {
    VEC(struct start_offset) items;
};

/* Is it such a line? `out_offsets` then is what comes behind the metric. */
bool start_line_is(struct slice line, struct slice *out_offsets);
/* Adds to `out`; false when the text cannot be read. */
bool start_line_parse(struct slice offsets, struct start_line *out);
void start_line_release(struct start_line *line);
