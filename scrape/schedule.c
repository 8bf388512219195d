#include "scrape/schedule.h"

#include "base/assert.h"

/* The first slot after a time. */
static int64_t schedule_slot_after(const struct schedule *schedule, int64_t now_ms)
{
    int64_t since = (now_ms - schedule->phase_ms) % schedule->interval_ms;
    if (since < 0)
        since += schedule->interval_ms;
    return now_ms - since + schedule->interval_ms;
}

void schedule_init(struct schedule *schedule, uint64_t target_hash, uint64_t seed,
                   int64_t interval_ms, bool align, int64_t tolerance_ms)
{
    ASSERT(interval_ms > 0);
    *schedule = (struct schedule){
        .interval_ms = interval_ms,
        .phase_ms = (int64_t)((target_hash ^ seed) % (uint64_t)interval_ms),
        .tolerance_ms = align ? MIN(interval_ms / 100, tolerance_ms) : -1,
    };
}

int64_t schedule_start(struct schedule *schedule, int64_t now_ms)
{
    schedule->slot_ms = schedule_slot_after(schedule, now_ms);
    return schedule->slot_ms - now_ms;
}

int64_t schedule_take(struct schedule *schedule, int64_t now_ms)
{
    int64_t slot_ms = schedule->slot_ms;
    int64_t late_ms = now_ms - slot_ms;
    /* a little early is as good as a little late: waits are whole milliseconds */
    bool near = late_ms <= schedule->tolerance_ms && -late_ms <= schedule->tolerance_ms;
    schedule->slot_ms = schedule_slot_after(schedule, now_ms);
    /* early: the slot that was just taken is not taken again */
    if (schedule->slot_ms == slot_ms)
        schedule->slot_ms += schedule->interval_ms;
    return near ? slot_ms : now_ms;
}

int64_t schedule_wait_ms(const struct schedule *schedule, int64_t now_ms)
{
    /* the wall clock may have been set back while we waited */
    return MIN(schedule->slot_ms - now_ms, schedule->interval_ms);
}
