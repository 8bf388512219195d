#include "scrape/inflater.h"

#include "base/alloc.h"
#include "base/queue.h"
#include "scrape/fetch.h"

#define PACKED_BYTES_MAX ((size_t)64 << 20)
#define TASKS_MAX 1024

struct inflater {
    void (*wake)(void *context);
    void *context;
    struct thread thread;
    struct queue tasks;
    struct queue finished;
    size_t packed_bytes; /* of the submitter */
    bool started;
    _Atomic bool stopping;
};

struct inflater *inflater_new(void (*wake)(void *context), void *context)
{
    struct inflater *inflater = mem_zalloc(sizeof(*inflater));
    inflater->wake = wake;
    inflater->context = context;
    queue_init(&inflater->tasks, TASKS_MAX);
    queue_init(&inflater->finished, 1);
    return inflater;
}

static void inflate_task_free(struct inflate_task *task)
{
    buf_release(&task->packed);
    buf_release(&task->content_type);
    buf_release(&task->body);
    mem_free(task);
}

static void inflater_run(void *context)
{
    struct inflater *inflater = context;
    struct inflate_task *task;
    while ((task = queue_pop(&inflater->tasks)) != NULL) {
        if (task->used || inflater->stopping) {
            inflate_task_free(task);
            continue;
        }
        task->error =
            fetch_unpack(buf_slice(&task->packed), task->body_size_limit, &task->body, &task->err);
        if (task->error != ERR_NONE)
            buf_release(&task->body);
        if (!queue_push(&inflater->finished, task)) {
            inflate_task_free(task); /* closed: the submitter waits for the thread */
            continue;
        }
        inflater->wake(inflater->context);
    }
}

void inflater_free(struct inflater *inflater)
{
    if (inflater == NULL)
        return;
    inflater->stopping = true;
    queue_close(&inflater->finished);
    queue_close(&inflater->tasks);
    if (inflater->started)
        thread_join(&inflater->thread);
    struct inflate_task *task;
    while ((task = queue_try_pop(&inflater->finished)) != NULL)
        inflate_task_free(task);
    queue_release(&inflater->tasks);
    queue_release(&inflater->finished);
    mem_free(inflater);
}

struct inflate_task *inflater_submit(struct inflater *inflater, struct slice packed,
                                     struct slice content_type, uint64_t body_size_limit,
                                     void *owner)
{
    if (packed.len > PACKED_BYTES_MAX - inflater->packed_bytes)
        return NULL;
    struct inflate_task *task = mem_zalloc(sizeof(*task));
    task->owner = owner;
    task->body_size_limit = body_size_limit;
    buf_init(&task->packed, packed.len);
    buf_append_slice(&task->packed, packed);
    buf_init(&task->content_type, content_type.len + 1);
    buf_append_slice(&task->content_type, content_type);
    buf_init(&task->body, BUF_SIZE_ANY);
    if (!inflater->started) {
        thread_start(&inflater->thread, "scrape-inflate", inflater_run, inflater);
        inflater->started = true;
    }
    if (!queue_try_push(&inflater->tasks, task)) {
        inflate_task_free(task);
        return NULL;
    }
    inflater->packed_bytes += packed.len;
    return task;
}

struct inflate_task *inflater_next(struct inflater *inflater)
{
    return inflater->started ? queue_try_pop(&inflater->finished) : NULL;
}

void inflater_dispose(struct inflater *inflater, struct inflate_task *task)
{
    inflater->packed_bytes -= task->packed.len;
    task->used = true;
    if (!queue_try_push(&inflater->tasks, task))
        inflate_task_free(task);
}
