/*
 * Reloading by itself (--config.auto-reload): a thread looks at the configuration file and the files
 * that it names (rule_files, scrape_config_files) every interval, by a hash of their names and
 * contents, and reloads when it changes. A file that is gone for a moment, as when an editor renames,
 * is a change like any other.
 *
 * Thread-safety: start and stop from one thread.
 */
#pragma once

#include "base/compiler.h"
#include "config/config.h"

#include <stdint.h>

struct auto_reload;

struct auto_reload_options {
    const char *config_file;
    int64_t interval_ms;
    struct config *(*config)(void *context); /* the one in force: a reference */
    void (*reload)(void *context);
    void *context;
};

struct auto_reload *auto_reload_start(const struct auto_reload_options *options) MUST_CHECK;
void auto_reload_stop(struct auto_reload *auto_reload); /* NULL is fine */
