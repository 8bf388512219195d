/* Threads that work off a bounded ring of tasks. A thread starts when a task finds none idle. */
#include "base/queue.h"

#include "base/alloc.h"
#include "base/assert.h"

struct worker_task {
    void (*run)(void *context);
    void *context;
};

struct worker_pool {
    /* immutable */
    char *name;
    size_t thread_count_max;
    size_t task_count_max;
    struct mutex lock;
    struct condition changed;
    /* guarded by lock: */
    struct worker_task *tasks;
    size_t head;
    size_t task_count;
    struct thread *threads;
    size_t thread_count;
    size_t idle_count;
    bool closed;
};

struct worker_pool *worker_pool_new(const char *name, size_t thread_count_max,
                                    size_t task_count_max)
{
    ASSERT(thread_count_max > 0);
    ASSERT(task_count_max > 0);
    struct worker_pool *pool = mem_zalloc(sizeof(*pool));
    pool->name = mem_strdup(name);
    pool->thread_count_max = thread_count_max;
    pool->task_count_max = task_count_max;
    mutex_init(&pool->lock, LOCK_RANK_QUEUE);
    condition_init(&pool->changed);
    pool->tasks = mem_alloc_array(task_count_max, sizeof(*pool->tasks));
    pool->threads = mem_zalloc_array(thread_count_max, sizeof(*pool->threads));
    return pool;
}

/* The next task; false when there will be none any more. */
static bool worker_pool_next(struct worker_pool *pool, struct worker_task *out)
{
    MUTEX_GUARD(&pool->lock);
    pool->idle_count++;
    while (!pool->closed && pool->task_count == 0)
        condition_wait(&pool->changed, &pool->lock);
    pool->idle_count--;
    if (pool->task_count == 0)
        return false;
    *out = pool->tasks[pool->head];
    pool->head = (pool->head + 1) % pool->task_count_max;
    pool->task_count--;
    return true;
}

static void worker_pool_run(void *context)
{
    struct worker_pool *pool = context;
    struct worker_task task;
    while (worker_pool_next(pool, &task))
        task.run(task.context);
}

bool worker_pool_submit(struct worker_pool *pool, void (*run)(void *context), void *context)
{
    MUTEX_GUARD(&pool->lock);
    ASSERT(!pool->closed);
    if (pool->task_count == pool->task_count_max)
        return false;
    size_t at = (pool->head + pool->task_count++) % pool->task_count_max;
    pool->tasks[at] = (struct worker_task){run, context};
    if (pool->idle_count < pool->task_count && pool->thread_count < pool->thread_count_max)
        thread_start(&pool->threads[pool->thread_count++], pool->name, worker_pool_run, pool);
    condition_signal(&pool->changed);
    return true;
}

void worker_pool_free(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    mutex_lock(&pool->lock);
    pool->closed = true;
    condition_broadcast(&pool->changed);
    mutex_unlock(&pool->lock);
    /* nobody starts threads any more */
    for (size_t i = 0; i < pool->thread_count; i++)
        thread_join(&pool->threads[i]);
    condition_release(&pool->changed);
    mutex_release(&pool->lock);
    mem_free(pool->threads);
    mem_free(pool->tasks);
    mem_free(pool->name);
    mem_free(pool);
}
