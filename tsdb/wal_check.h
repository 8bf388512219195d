/*
 * What the log has lost since it was written: segments that the list names and that are not there,
 * or that are shorter than they were. What was lost is told, and the rest is replayed.
 *
 * Threads: only while the database is being opened.
 */
#pragma once

#include "tsdb/wal.h"

struct tsdb;

/* Compares the log with its list, logs and counts what is missing. `from` is the place up to which
 * a snapshot has everything. */
void wal_check(struct tsdb *db, struct wal_position from);
