/*
 * When a target is scraped. Slots lie at `phase + k * interval` of the wall clock, where the phase
 * comes from the target's identity and the server's: targets spread over the interval, servers of a
 * pair differ, and a restart changes nothing. Waiting is done on the monotonic clock, so a step of
 * the wall clock costs at most one interval.
 *
 * A scrape that starts within the tolerance of its slot has the slot's time, so steps are equal to
 * the millisecond; a later one has its own time. Missed slots are skipped.
 *
 * Thread-safety: a value of its owner.
 */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    int64_t interval_ms;
    int64_t phase_ms;     /* 0 <= phase < interval */
    int64_t tolerance_ms; /* -1 = timestamps are not aligned */
    int64_t slot_ms;      /* wall time of the slot that comes next */
};

/* `tolerance_ms` is cut to a hundredth of the interval. */
void schedule_init(struct schedule *schedule, uint64_t target_hash, uint64_t seed,
                   int64_t interval_ms, bool align, int64_t tolerance_ms);
/* Chooses the first slot after `now_ms`; returns how long to wait for it. */
int64_t schedule_start(struct schedule *schedule, int64_t now_ms);
/* The scrape of the slot begins at `now_ms`: returns the time of its samples and moves on to the
 * next slot. */
int64_t schedule_take(struct schedule *schedule, int64_t now_ms);
/* How long to wait for the slot; never above the interval; negative when it has passed. */
int64_t schedule_wait_ms(const struct schedule *schedule, int64_t now_ms);
