/*
 * scrape_failure_log_file: one JSON line for every fetch that failed. Files are opened when a
 * configuration is applied, so that moving the file away and reloading starts a new one.
 *
 * Ownership: counted; pools that name the same file share it. Thread-safety: the scraping thread.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct failure_log;

enum err failure_log_open(struct slice path, struct failure_log **out,
                          struct errbuf *err) MUST_CHECK;
struct failure_log *failure_log_ref(struct failure_log *log); /* NULL is fine, as below */
void failure_log_unref(struct failure_log *log);
void failure_log_write(struct failure_log *log, int64_t now_ms, struct slice job,
                       const char *target, const char *text);
