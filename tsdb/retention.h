/*
 * Which blocks are kept no longer. Pure, so that it can be tested with tables.
 *
 * By time: a block goes when its end lies at least the retention before the end of the newest
 * block. The clock does not matter: a server that stood still forgets nothing when it starts. By
 * size: the oldest go until what is left, with the log and the files of the head, is within the
 * limit. A block goes as a whole, and with it all that are older.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retention_block {
    int64_t max_ms;
    uint64_t bytes;
    size_t place; /* the caller's own */
};

struct retention_limits {
    int64_t time_ms;  /* 0 = none */
    uint64_t bytes;   /* 0 = none */
    uint64_t besides; /* bytes that are not in blocks, and count */
};

struct retention_verdict {
    size_t kept; /* the blocks behind these go */
    bool by_time;
    bool by_size;
};

/* Sorts the blocks, the newest first. */
struct retention_verdict retention_judge(const struct retention_limits *limits,
                                         struct retention_block *blocks, size_t count);
