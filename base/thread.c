/* Threads with a name, a bounded stack and no signals. */
#include "base/thread.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deep recursion is bounded where it is possible (parsers), so this is ample; it is address space
 * only until it is touched. */
#define THREAD_STACK_SIZE ((size_t)2 << 20)
#define THREAD_NAME_SIZE 16

struct thread_start {
    void (*run)(void *context);
    void *context;
    char name[THREAD_NAME_SIZE];
};

static void *thread_main(void *argument)
{
    struct thread_start start = *(struct thread_start *)argument;
    mem_free(argument);
    pthread_setname_np(pthread_self(), start.name);
    start.run(start.context);
    return NULL;
}

/* All but those that a thread raises by its own fault, and that of profilers. */
static void thread_signals_to_block(sigset_t *set)
{
    static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF};
    sigfillset(set);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        sigdelset(set, kept[i]);
}

/* An errno. What `start` points to belongs to the thread when there is one. */
static int thread_create(pthread_t *id, size_t stack_bytes, struct thread_start *start)
{
    sigset_t blocked;
    thread_signals_to_block(&blocked);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    int failed = pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_attr_setsigmask_np(&attributes, &blocked);
    if (failed == 0)
        failed = pthread_create(id, &attributes, thread_main, start);
    pthread_attr_destroy(&attributes);
    return failed;
}

void thread_start(struct thread *thread, const char *name, void (*run)(void *context),
                  void *context)
{
    ASSERT(run != NULL);
    struct thread_start *start = mem_zalloc(sizeof(*start));
    start->run = run;
    start->context = context;
    snprintf(start->name, sizeof(start->name), "%s", name);
    int failed = thread_create(&thread->id, THREAD_STACK_SIZE, start);
    if (failed != 0) {
        fprintf(stderr, "ferula: cannot start thread %s: %s\n", name, strerror(failed));
        abort();
    }
    thread->started = true;
}

bool thread_call_on_stack(size_t stack_bytes, void (*run)(void *context), void *context)
{
    ASSERT(run != NULL);
    struct thread_start *start = mem_zalloc(sizeof(*start));
    start->run = run;
    start->context = context;
    snprintf(start->name, sizeof(start->name), "deep");
    pthread_t id;
    if (thread_create(&id, stack_bytes, start) != 0) {
        mem_free(start);
        return false;
    }
    int failed = pthread_join(id, NULL);
    ASSERT(failed == 0);
    return true;
}

void thread_join(struct thread *thread)
{
    if (!thread->started)
        return;
    int failed = pthread_join(thread->id, NULL);
    ASSERT(failed == 0);
    thread->started = false;
}
