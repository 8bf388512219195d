/*
 * Turns: of the queries that were let in, as many compute at once as there are processors. The
 * others wait in order, since eight queries that share one processor in slices of the kernel all
 * end when the last one does, and throw each other's data out of the cache meanwhile.
 *
 * A turn lasts TURN_SLICE_NS. Who is not done by then goes behind those that wait; between these
 * and newcomers turns alternate, so that cheap queries pass long ones and long ones go on. Nobody
 * waits for longer than TURN_WAIT_MAX_NS: a holder may be waiting for a disk or a network itself.
 *
 *     wait ──granted, or too long──▶ compute ──slice over, others wait──▶ wait
 *                                       └──end
 *
 * Ownership: a turn is a value on the stack of the thread that computes.
 * Thread-safety: all functions from any thread; a turn belongs to one.
 */
#pragma once

#include "base/mutex.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TURN_SLICE_NS INT64_C(20000000)
#define TURN_WAIT_MAX_NS INT64_C(100000000)

struct turn {
    struct turns *turns;
    const atomic_bool *canceled; /* looked at while waiting; may be NULL */
    int64_t deadline_ns;         /* no use to wait for longer; monotonic */
    /* private: */
    int64_t slice_end_ns;
    struct condition ready;
    /* guarded by the lock of turns: */
    struct turn *next;
    bool is_waiting;
};

struct turn_queue {
    struct turn *first;
    struct turn *last;
};

struct turns {
    struct mutex lock;
    size_t count_max;
    int64_t slice_ns;
    int64_t wait_max_ns;
    /* guarded by lock: */
    size_t running; /* may be above count_max for a while: see TURN_WAIT_MAX_NS */
    struct turn_queue fresh;
    struct turn_queue old;
    bool old_is_due;
};

/* 0 = as many as the process may use processors. */
void turns_init(struct turns *turns, size_t count_max);
void turns_release(struct turns *turns);

/* Waits for a turn. Where there is no use in waiting (canceled, deadline), it goes on at once: whoever
 * computes looks at that anyway. */
void turn_begin(struct turn *turn, struct turns *turns, int64_t deadline_ns,
                const atomic_bool *canceled);
/* Lets others go first when the slice is over; call it now and then while computing. true: it waited. */
bool turn_pass(struct turn *turn, int64_t now_ns);
void turn_end(struct turn *turn);

/*
 * Spare turns: one more processor for a query that computes already, where one is free and nobody waits.
 * Whoever has one looks now and then whether it is wanted, and gives it back then.
 */
bool turns_take_spare(struct turns *turns);
bool turns_are_wanted(struct turns *turns);
void turns_return_spare(struct turns *turns);
