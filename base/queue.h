/*
 * A bounded queue of pointers between threads, and a pool of threads that works one off.
 *
 * Thread-safety: all functions but _init and _release may be called from any thread.
 */
#pragma once

#include "base/mutex.h"
#include "base/thread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue {
    /* immutable */
    size_t count_max;
    struct mutex lock;
    struct condition not_empty;
    struct condition not_full;
    /* guarded by lock: */
    void **items;
    size_t head;
    size_t count;
    bool closed;
};

void queue_init(struct queue *queue, size_t count_max);
void queue_release(struct queue *queue); /* items that are left are the caller's: pop them first */
/* false when it is full or closed; the item stays the caller's. */
bool queue_try_push(struct queue *queue, void *item);
/* Waits while it is full; false when it is closed. */
bool queue_push(struct queue *queue, void *item);
/* Waits for an item; NULL when it is closed and empty. */
void *queue_pop(struct queue *queue);
void *queue_try_pop(struct queue *queue);
/* No more pushes; pops drain what is left. */
void queue_close(struct queue *queue);
size_t queue_count(struct queue *queue);

/* Threads that run tasks; they start when there is work and none is idle, up to `thread_count_max`. */
struct worker_pool;
struct worker_pool *worker_pool_new(const char *name, size_t thread_count_max,
                                    size_t task_count_max);
/* Waits for the tasks that run and drops no task that was accepted. */
void worker_pool_free(struct worker_pool *pool);
/* false when task_count_max tasks wait already. */
bool worker_pool_submit(struct worker_pool *pool, void (*run)(void *context), void *context);
