/*
 * Unpacks large gzip bodies on a thread of its own, so that the scraping thread starts its requests
 * in time: a 200 KB bomb takes tens of milliseconds, and timestamps tolerate two. Small bodies are
 * unpacked where they arrive.
 *
 * Ownership: a task belongs to the inflater from submit until it comes out of next; `owner` is the
 * submitter's throughout. Thread-safety: one submitter; the thread starts with the first task.
 * Limits: one body is unpacked at a time and one finished one waits, so at most two exist; packed
 * bodies that wait are limited to 64 MB together.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct inflater;

struct inflate_task {
    void *owner; /* NULL = nobody waits for it any more */
    struct buf packed;
    struct buf content_type;
    uint64_t body_size_limit;
    /* the result */
    struct buf body;
    enum err error;
    struct errbuf err;
    /* private */
    bool used; /* only to be freed */
};

/* `wake` is called, on the inflater's thread, when a task is finished. */
struct inflater *inflater_new(void (*wake)(void *context), void *context) MUST_CHECK;
/* Drops all tasks. */
void inflater_free(struct inflater *inflater);
/* Copies the body; NULL when too much waits already. */
struct inflate_task *inflater_submit(struct inflater *inflater, struct slice packed,
                                     struct slice content_type, uint64_t body_size_limit,
                                     void *owner) MUST_CHECK;
/* A finished task, NULL if there is none; give it back with inflater_dispose, which leaves the work
 * of freeing a large body to the thread too. */
struct inflate_task *inflater_next(struct inflater *inflater);
void inflater_dispose(struct inflater *inflater, struct inflate_task *task);
