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
/* Runs `run(context)` on a stack of that size and waits for its end, for recursion that is too deep for
 * the caller's. false when the system has no thread or no address space left: nothing was run. */
bool thread_call_on_stack(size_t stack_bytes, void (*run)(void *context), void *context) MUST_CHECK;
/* Waits for its end; nothing happens when it was never started. */
void thread_join(struct thread *thread);
