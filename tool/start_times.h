/*
 * Start times of samples in the newest chunks of the reference: a header byte, and behind each
 * sample from the first change on how far its start lies before the sample before.
 *
 * Thread-safety: one owner.
 */
#pragma once

#include "tool/bit_stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define START_TIMES_FIRST 0x80
#define START_TIMES_CHANGE 0x7f

struct start_times {
    bool has_first;
    uint8_t change; /* number of the sample, 0 = none */
    uint64_t start_ms;
    uint64_t distance_ms;
};

static inline void start_times_init(struct start_times *starts, uint8_t header)
{
    *starts = (struct start_times){.has_first = (header & START_TIMES_FIRST) != 0,
                                   .change = header & START_TIMES_CHANGE};
}

/* Behind sample `i`, which counts from 0. */
static inline void start_times_read(struct start_times *starts, struct bit_reader *reader, size_t i,
                                    uint64_t time_ms, uint64_t before_ms)
{
    if (i == 0) {
        if (starts->has_first)
            starts->start_ms = time_ms - (uint64_t)bit_read_varint(reader);
        return;
    }
    if (starts->change == 0 || i < starts->change)
        return;
    uint64_t read = (uint64_t)bit_read_varbit_int(reader);
    starts->distance_ms = i == starts->change ? read : starts->distance_ms + read;
    starts->start_ms = before_ms - starts->distance_ms;
}
