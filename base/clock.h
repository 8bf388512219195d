/*
 * Time. One owner of "now": code asks a `struct clock` and tests hand in one that they move. Wall time
 * is int64_t milliseconds since 1970 (`_ms`), monotonic time int64_t nanoseconds (`_ns`).
 */
#pragma once

#include <stdint.h>

struct clock {
    int64_t (*now_ms)(const struct clock *clock);
    int64_t (*monotonic_ns)(const struct clock *clock);
};

/* The clock of the system. */
extern const struct clock *const clock_system;

/* A clock for tests, which stands still until it is moved. */
struct clock_manual {
    struct clock clock;
    _Atomic int64_t wall_ms;
    _Atomic int64_t mono_ns;
};
void clock_manual_init(struct clock_manual *manual, int64_t wall_ms);
void clock_manual_advance_ms(struct clock_manual *manual, int64_t delta_ms);

static inline int64_t clock_now_ms(const struct clock *clock)
{
    return clock->now_ms(clock);
}
static inline int64_t clock_monotonic_ns(const struct clock *clock)
{
    return clock->monotonic_ns(clock);
}
