/*
 * Threads by name. Signals are blocked in all threads but main; the stack is bounded, since hundreds
 * of threads may exist.
 */
#pragma once

#include "base/compiler.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct thread {
    pthread_t id;
    bool started;
};

/* Starts `run(context)`; the name (at most 15 bytes) shows in ps and gdb. Ends the process when the
 * system has no thread left. */
void thread_start(struct thread *thread, const char *name, void (*run)(void *context),
                  void *context);
/* Waits for its end; nothing happens when it was never started. */
void thread_join(struct thread *thread);
