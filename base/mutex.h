/*
 * Locks with a rank. A thread may take a lock only when its rank is above those of all locks that it
 * holds, so a cycle is impossible; debug builds check the order at every lock and remember the owner.
 * docs/locking.md lists every lock with its rank and what it guards: the enum below is that page.
 */
#pragma once

#include "base/compiler.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
    LOCK_RANK_AUTO_RELOAD = 6,
    LOCK_RANK_RELOAD = 8,          /* one reload at a time; held for its whole length */
    LOCK_RANK_SERVER = 10,         /* configuration in force */
    LOCK_RANK_SCRAPE_MANAGER = 20, /* pools and targets */
    LOCK_RANK_SCRAPE_TARGET = 22,  /* state of one target that the API reads */
    LOCK_RANK_SCRAPE_METADATA = 24,
    LOCK_RANK_RULES = 30,
    LOCK_RANK_RULE_GROUP = 32,
    LOCK_RANK_NOTIFIER = 34,
    LOCK_RANK_PROMQL_LOOKAHEAD = 38, /* rows that are made ahead of one operator */
    LOCK_RANK_PROMQL_GATE = 40,
    LOCK_RANK_REMOTE_WRITE = 48,     /* refs that a receiver remembers; its scratch memory */
    LOCK_RANK_TSDB_MAINTENANCE = 50, /* one maintenance action at a time */
    LOCK_RANK_TSDB_COMMIT = 52,      /* order of commits: WAL, then memory */
    LOCK_RANK_TSDB_SYNC = 53,        /* syncing the log, closing its segments */
    LOCK_RANK_TSDB_WAL = 54,
    LOCK_RANK_TSDB_EXEMPLARS = 58, /* the ring of exemplars */
    LOCK_RANK_TSDB_HEAD = 60,     /* series map shards */
    LOCK_RANK_TSDB_POSTINGS = 62, /* label index */
    LOCK_RANK_TSDB_GROUP = 64,    /* time column of a sample group */
    LOCK_RANK_TSDB_SERIES = 66,   /* striped: open chunks */
    LOCK_RANK_BLOCK_LIST = 67, /* which blocks are served */
    LOCK_RANK_TSDB_ISOLATION = 68,
    LOCK_RANK_BLOCK = 69, /* a block's deletions and symbols */
    LOCK_RANK_INDEX_LEAVES = 69, /* pages of indexes that are kept */
    LOCK_RANK_HTTP_SERVER = 70,
    LOCK_RANK_HTTP_CONNECTION = 72,
    LOCK_RANK_HTTP_CLIENT = 74,
    LOCK_RANK_TSDB_CHUNK_POOL = 78, /* pages of sealed chunks */
    LOCK_RANK_QUEUE = 80,
    LOCK_RANK_SYMBOLS = 90, /* shards of the symbol table */
    LOCK_RANK_COUNTERS = 94,         /* the registry of the server's own metrics */
    LOCK_RANK_COUNTERS_SUMMARY = 96, /* windows of one summary */
    LOCK_RANK_LOG = 98,
};

struct mutex {
    pthread_mutex_t lock;
    enum lock_rank rank;
    pthread_t owner;
    bool held;
};

void mutex_init(struct mutex *mutex, enum lock_rank rank);
void mutex_release(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
/* Ends the process in debug builds when the calling thread does not hold it. */
void mutex_assert_held(const struct mutex *mutex);

/* For MUTEX_GUARD: locks until the end of the scope. */
static inline void mutex_guard_cleanup(struct mutex **mutex)
{
    mutex_unlock(*mutex);
}
#define MUTEX_GUARD_NAME_(line) mutex_guard_##line
#define MUTEX_GUARD_(pointer, line)                                                                \
    struct mutex *MUTEX_GUARD_NAME_(line) CLEANUP(mutex_guard_cleanup) UNUSED = (pointer);         \
    mutex_lock(MUTEX_GUARD_NAME_(line))
#define MUTEX_GUARD_LINE_(pointer, line) MUTEX_GUARD_(pointer, line)
#define MUTEX_GUARD(pointer) MUTEX_GUARD_LINE_(pointer, __LINE__)

/* A condition to wait for under a mutex; waits use the monotonic clock. */
struct condition {
    pthread_cond_t cond;
};

void condition_init(struct condition *condition);
void condition_release(struct condition *condition);
void condition_wait(struct condition *condition, struct mutex *mutex);
/* false when `deadline_ns` (monotonic, clock_monotonic_ns) has passed. */
bool condition_wait_until(struct condition *condition, struct mutex *mutex, int64_t deadline_ns);
void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);

/* A readers-writer lock under the same rank rules. */
struct rwlock {
    pthread_rwlock_t lock;
    enum lock_rank rank;
};

void rwlock_init(struct rwlock *rwlock, enum lock_rank rank);
void rwlock_release(struct rwlock *rwlock);
void rwlock_read_lock(struct rwlock *rwlock);
void rwlock_write_lock(struct rwlock *rwlock);
void rwlock_unlock(struct rwlock *rwlock);
