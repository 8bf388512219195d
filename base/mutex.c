/* Ranked locks. The ranks that a thread holds are kept in a small stack of its own. */
#include "base/mutex.h"

#include "base/assert.h"

#include <errno.h>
#include <time.h>

#define LOCKS_HELD_MAX 16

static _Thread_local enum lock_rank lock_ranks_held[LOCKS_HELD_MAX];
static _Thread_local unsigned lock_held_count;

static void lock_push(enum lock_rank rank)
{
    DCHECK(lock_held_count == 0 || lock_ranks_held[lock_held_count - 1] < rank);
    ASSERT(lock_held_count < LOCKS_HELD_MAX);
    lock_ranks_held[lock_held_count++] = rank;
}

/* Locks may be released in any order: take the topmost of that rank out. */
static void lock_pop(enum lock_rank rank)
{
    unsigned at = lock_held_count;
    while (at > 0 && lock_ranks_held[at - 1] != rank)
        at--;
    ASSERT(at > 0);
    for (; at < lock_held_count; at++)
        lock_ranks_held[at - 1] = lock_ranks_held[at];
    lock_held_count--;
}

void mutex_init(struct mutex *mutex, enum lock_rank rank)
{
    int failed = pthread_mutex_init(&mutex->lock, NULL);
    ASSERT(failed == 0);
    mutex->rank = rank;
    mutex->held = false;
}

void mutex_release(struct mutex *mutex)
{
    pthread_mutex_destroy(&mutex->lock);
}

void mutex_lock(struct mutex *mutex)
{
    lock_push(mutex->rank);
    int failed = pthread_mutex_lock(&mutex->lock);
    ASSERT(failed == 0);
    mutex->owner = pthread_self();
    mutex->held = true;
}

void mutex_unlock(struct mutex *mutex)
{
    DCHECK(mutex->held);
    mutex->held = false;
    int failed = pthread_mutex_unlock(&mutex->lock);
    ASSERT(failed == 0);
    lock_pop(mutex->rank);
}

void mutex_assert_held(const struct mutex *mutex)
{
    DCHECK(mutex->held && pthread_equal(mutex->owner, pthread_self()));
    (void)mutex;
}

void condition_init(struct condition *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(&condition->cond, &attributes);
    ASSERT(failed == 0);
    pthread_condattr_destroy(&attributes);
}

void condition_release(struct condition *condition)
{
    pthread_cond_destroy(&condition->cond);
}

void condition_wait(struct condition *condition, struct mutex *mutex)
{
    mutex->held = false;
    pthread_cond_wait(&condition->cond, &mutex->lock);
    mutex->owner = pthread_self();
    mutex->held = true;
}

bool condition_wait_until(struct condition *condition, struct mutex *mutex, int64_t deadline_ns)
{
    struct timespec deadline = {
        .tv_sec = deadline_ns / 1000000000,
        .tv_nsec = deadline_ns % 1000000000,
    };
    mutex->held = false;
    int result = pthread_cond_timedwait(&condition->cond, &mutex->lock, &deadline);
    mutex->owner = pthread_self();
    mutex->held = true;
    return result != ETIMEDOUT;
}

void condition_signal(struct condition *condition)
{
    pthread_cond_signal(&condition->cond);
}

void condition_broadcast(struct condition *condition)
{
    pthread_cond_broadcast(&condition->cond);
}

void rwlock_init(struct rwlock *rwlock, enum lock_rank rank)
{
    int failed = pthread_rwlock_init(&rwlock->lock, NULL);
    ASSERT(failed == 0);
    rwlock->rank = rank;
}

void rwlock_release(struct rwlock *rwlock)
{
    pthread_rwlock_destroy(&rwlock->lock);
}

void rwlock_read_lock(struct rwlock *rwlock)
{
    lock_push(rwlock->rank);
    int failed = pthread_rwlock_rdlock(&rwlock->lock);
    ASSERT(failed == 0);
}

void rwlock_write_lock(struct rwlock *rwlock)
{
    lock_push(rwlock->rank);
    int failed = pthread_rwlock_wrlock(&rwlock->lock);
    ASSERT(failed == 0);
}

void rwlock_unlock(struct rwlock *rwlock)
{
    int failed = pthread_rwlock_unlock(&rwlock->lock);
    ASSERT(failed == 0);
    lock_pop(rwlock->rank);
}
