/* The system's clock, and one for tests. */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static int64_t clock_system_now_ms(const struct clock *clock)
{
    (void)clock;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t clock_system_monotonic_ns(const struct clock *clock)
{
    (void)clock;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static const struct clock clock_system_table = {
    .now_ms = clock_system_now_ms,
    .monotonic_ns = clock_system_monotonic_ns,
};

const struct clock *const clock_system = &clock_system_table;

static int64_t clock_manual_now_ms(const struct clock *clock)
{
    const struct clock_manual *manual = (const struct clock_manual *)clock;
    return atomic_load(&manual->wall_ms);
}

static int64_t clock_manual_monotonic_ns(const struct clock *clock)
{
    const struct clock_manual *manual = (const struct clock_manual *)clock;
    return atomic_load(&manual->mono_ns);
}

void clock_manual_init(struct clock_manual *manual, int64_t wall_ms)
{
    manual->clock = (struct clock){clock_manual_now_ms, clock_manual_monotonic_ns};
    atomic_init(&manual->wall_ms, wall_ms);
    /* not 0, so that a test sees code that takes 0 for "never" */
    atomic_init(&manual->mono_ns, 1000000000);
}

void clock_manual_advance_ms(struct clock_manual *manual, int64_t delta_ms)
{
    atomic_fetch_add(&manual->wall_ms, delta_ms);
    atomic_fetch_add(&manual->mono_ns, delta_ms * 1000000);
}
