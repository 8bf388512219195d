/* The bounded queue: a ring of pointers under one lock. */
#include "base/queue.h"

#include "base/alloc.h"
#include "base/assert.h"

void queue_init(struct queue *queue, size_t count_max)
{
    ASSERT(count_max > 0);
    *queue = (struct queue){.count_max = count_max};
    mutex_init(&queue->lock, LOCK_RANK_QUEUE);
    condition_init(&queue->not_empty);
    condition_init(&queue->not_full);
    queue->items = mem_alloc_array(count_max, sizeof(*queue->items));
}

void queue_release(struct queue *queue)
{
    mem_free(queue->items);
    queue->items = NULL;
    condition_release(&queue->not_full);
    condition_release(&queue->not_empty);
    mutex_release(&queue->lock);
}

static bool queue_push_locked(struct queue *queue, void *item)
{
    if (queue->closed || queue->count == queue->count_max)
        return false;
    queue->items[(queue->head + queue->count++) % queue->count_max] = item;
    condition_signal(&queue->not_empty);
    return true;
}

static void *queue_pop_locked(struct queue *queue)
{
    if (queue->count == 0)
        return NULL;
    void *item = queue->items[queue->head];
    queue->head = (queue->head + 1) % queue->count_max;
    queue->count--;
    condition_signal(&queue->not_full);
    return item;
}

bool queue_try_push(struct queue *queue, void *item)
{
    ASSERT(item != NULL);
    MUTEX_GUARD(&queue->lock);
    return queue_push_locked(queue, item);
}

bool queue_push(struct queue *queue, void *item)
{
    ASSERT(item != NULL);
    MUTEX_GUARD(&queue->lock);
    while (!queue->closed && queue->count == queue->count_max)
        condition_wait(&queue->not_full, &queue->lock);
    return queue_push_locked(queue, item);
}

void *queue_pop(struct queue *queue)
{
    MUTEX_GUARD(&queue->lock);
    while (!queue->closed && queue->count == 0)
        condition_wait(&queue->not_empty, &queue->lock);
    return queue_pop_locked(queue);
}

void *queue_try_pop(struct queue *queue)
{
    MUTEX_GUARD(&queue->lock);
    return queue_pop_locked(queue);
}

void queue_close(struct queue *queue)
{
    MUTEX_GUARD(&queue->lock);
    queue->closed = true;
    condition_broadcast(&queue->not_empty);
    condition_broadcast(&queue->not_full);
}

size_t queue_count(struct queue *queue)
{
    MUTEX_GUARD(&queue->lock);
    return queue->count;
}
