/*
 * Has a Prometheus its data directory open? It may hold a lock on the file `lock` in it, which can be
 * switched off and is off in Debian; else a process that has a file of the log open tells, unless it
 * runs in another container or as somebody else. So false means: not that we know.
 *
 * Thread-safety: no state.
 */
#pragma once

#include "base/fs.h"

#include <stdbool.h>

bool prometheus_is_running(const struct fs *fs, const char *path);
