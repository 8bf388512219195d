/*
 * What Prometheus has in no block, written as blocks of ours of two hours each.
 *
 * Thread-safety: one owner. Memory: a window of the head (prometheus_head.h), and the writers of up
 * to sixteen blocks.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/vec.h"
#include "tool/prometheus_head.h"
#include "tsdb/block_meta.h"

#include <stdbool.h>
#include <stddef.h>

struct head_import {
    struct prometheus_head *head;
    const char *blocks_path;
    bool (*is_known)(const void *context, const struct ulid *ulid); /* of a block */
    const void *context;
    /* what came of it: */
    VEC(struct block_meta) written;
    size_t left_out; /* blocks that were there already */
};

/* The blocks get names that tell what was read, so that a second import finds them. */
enum err head_import_run(struct head_import *import, struct errbuf *err) MUST_CHECK;
void head_import_release(struct head_import *import);
