/*
 * Sealing: closed chunks leave memory. Their tokens become value chunks, which are smaller and
 * scanned two to three times as fast, in a file of many (head_file.h); a chunk that points there
 * takes the place of the one in memory, which readers who hold it may finish with.
 *
 *     closed ──head_seal: encode, write, map──▶ sealed ──dropped──▶ the file's last: deleted
 *
 * Threads: one at a time, by the holder of the maintenance lock; commits and readers go on.
 */
#pragma once

#include "base/err.h"
#include "tsdb/head.h"
#include "tsdb/head_file.h"

#include <stdbool.h>
#include <stddef.h>

struct mutex;

/* Are enough chunks waiting for a file of their own? */
bool head_seal_is_due(struct head *head, struct mutex *commit_lock);
/* Seals what waits, as much as a file takes; the rest, and what fails, waits on. */
enum err head_seal(struct head *head, struct mutex *commit_lock, struct head_files *files,
                   struct errbuf *err) MUST_CHECK;
