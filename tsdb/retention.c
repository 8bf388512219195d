#include "tsdb/retention.h"

#include <stdlib.h>

#include "base/compiler.h"

static int compare_newest(const void *a, const void *b)
{
    const struct retention_block *x = a, *y = b;
    if (x->max_ms != y->max_ms)
        return x->max_ms > y->max_ms ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* How many are within the time. */
static size_t within_time(const struct retention_limits *limits,
                          const struct retention_block *blocks, size_t count)
{
    size_t kept = 0;
    while (kept < count) {
        uint64_t age_ms = (uint64_t)blocks[0].max_ms - (uint64_t)blocks[kept].max_ms;
        if (kept > 0 && age_ms >= (uint64_t)limits->time_ms)
            break;
        kept++;
    }
    return kept;
}

static size_t within_size(const struct retention_limits *limits,
                          const struct retention_block *blocks, size_t count)
{
    uint64_t bytes = limits->besides;
    size_t kept = 0;
    while (kept < count && !__builtin_add_overflow(bytes, blocks[kept].bytes, &bytes) &&
           bytes <= limits->bytes)
        kept++;
    return kept;
}

struct retention_verdict retention_judge(const struct retention_limits *limits,
                                         struct retention_block *blocks, size_t count)
{
    struct retention_verdict verdict = {.kept = count};
    if (count == 0)
        return verdict;
    qsort(blocks, count, sizeof(*blocks), compare_newest);
    if (limits->time_ms > 0) {
        verdict.kept = within_time(limits, blocks, count);
        verdict.by_time = verdict.kept < count;
    }
    if (limits->bytes > 0) {
        size_t kept = within_size(limits, blocks, count);
        verdict.by_size = kept < count;
        verdict.kept = MIN(verdict.kept, kept);
    }
    return verdict;
}
