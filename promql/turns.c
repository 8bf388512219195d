#include "promql/turns.h"

#include <sched.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/compiler.h"

/* How long a canceled query may go on waiting without noticing. */
#define TURN_LOOK_NS INT64_C(50000000)

static size_t processor_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    return MAX((size_t)CPU_COUNT(&set), (size_t)1);
}

void turns_init(struct turns *turns, size_t count_max)
{
    *turns = (struct turns){
        .count_max = count_max == 0 ? processor_count() : count_max,
        .slice_ns = TURN_SLICE_NS,
        .wait_max_ns = TURN_WAIT_MAX_NS,
    };
    mutex_init(&turns->lock, LOCK_RANK_PROMQL_GATE);
}

void turns_release(struct turns *turns)
{
    ASSERT(turns->running == 0);
    mutex_release(&turns->lock);
}

static void queue_add(struct turn_queue *queue, struct turn *turn)
{
    turn->next = NULL;
    turn->is_waiting = true;
    if (queue->first == NULL)
        queue->first = turn;
    else
        queue->last->next = turn;
    queue->last = turn;
}

static struct turn *queue_take(struct turn_queue *queue)
{
    struct turn *turn = queue->first;
    queue->first = turn->next;
    turn->is_waiting = false;
    return turn;
}

/* Somewhere in the middle; false when it is not in this queue. */
static bool queue_remove(struct turn_queue *queue, struct turn *turn)
{
    struct turn *before = NULL;
    struct turn *at = queue->first;
    for (; at != NULL && at != turn; at = at->next)
        before = at;
    if (at == NULL)
        return false;
    if (before == NULL)
        queue->first = turn->next;
    else
        before->next = turn->next;
    if (queue->last == turn)
        queue->last = before;
    turn->is_waiting = false;
    return true;
}

static bool anyone_waits_locked(const struct turns *turns)
{
    return turns->fresh.first != NULL || turns->old.first != NULL;
}

/* Gives free turns to those that wait. */
static void turns_grant_locked(struct turns *turns)
{
    while (turns->running < turns->count_max && anyone_waits_locked(turns)) {
        bool old = turns->fresh.first == NULL || (turns->old.first != NULL && turns->old_is_due);
        struct turn *turn = queue_take(old ? &turns->old : &turns->fresh);
        turns->old_is_due = !old;
        turns->running++;
        condition_signal(&turn->ready);
    }
}

static bool is_canceled(const struct turn *turn)
{
    return turn->canceled != NULL && atomic_load_explicit(turn->canceled, memory_order_relaxed);
}

static void turn_wait_locked(struct turn *turn, struct turn_queue *queue)
{
    struct turns *turns = turn->turns;
    int64_t now_ns = clock_monotonic_ns(clock_system);
    int64_t end_ns = MIN(now_ns + turns->wait_max_ns, turn->deadline_ns);
    queue_add(queue, turn);
    while (turn->is_waiting && now_ns < end_ns && !is_canceled(turn)) {
        (void)condition_wait_until(&turn->ready, &turns->lock, MIN(end_ns, now_ns + TURN_LOOK_NS));
        now_ns = clock_monotonic_ns(clock_system);
    }
    if (turn->is_waiting) {
        bool found = queue_remove(queue, turn);
        ASSERT(found);
        turns->running++;
    }
}

static void slice_begin(struct turn *turn)
{
    turn->slice_end_ns = clock_monotonic_ns(clock_system) + turn->turns->slice_ns;
}

void turn_begin(struct turn *turn, struct turns *turns, int64_t deadline_ns,
                const atomic_bool *canceled)
{
    *turn = (struct turn){.turns = turns, .deadline_ns = deadline_ns, .canceled = canceled};
    condition_init(&turn->ready);
    mutex_lock(&turns->lock);
    if (turns->running < turns->count_max)
        turns->running++;
    else
        turn_wait_locked(turn, &turns->fresh);
    mutex_unlock(&turns->lock);
    slice_begin(turn);
}

bool turn_pass(struct turn *turn, int64_t now_ns)
{
    if (LIKELY(now_ns < turn->slice_end_ns))
        return false;
    struct turns *turns = turn->turns;
    mutex_lock(&turns->lock);
    bool waits = anyone_waits_locked(turns);
    if (waits) {
        turns->running--;
        turns_grant_locked(turns);
        turn_wait_locked(turn, &turns->old);
    }
    mutex_unlock(&turns->lock);
    slice_begin(turn);
    return waits;
}

void turn_end(struct turn *turn)
{
    struct turns *turns = turn->turns;
    mutex_lock(&turns->lock);
    ASSERT(turns->running > 0 && !turn->is_waiting);
    turns->running--;
    turns_grant_locked(turns);
    mutex_unlock(&turns->lock);
    condition_release(&turn->ready);
}

bool turns_take_spare(struct turns *turns)
{
    MUTEX_GUARD(&turns->lock);
    if (turns->running >= turns->count_max || anyone_waits_locked(turns))
        return false;
    turns->running++;
    return true;
}

bool turns_are_wanted(struct turns *turns)
{
    MUTEX_GUARD(&turns->lock);
    return anyone_waits_locked(turns);
}

void turns_return_spare(struct turns *turns)
{
    MUTEX_GUARD(&turns->lock);
    ASSERT(turns->running > 0);
    turns->running--;
    turns_grant_locked(turns);
}
