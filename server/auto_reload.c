/* One thread, one hash. */
#include "server/auto_reload.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/thread.h"

#include <glob.h>

#define FILE_BYTES_MAX ((size_t)64 << 20)

struct auto_reload {
    struct auto_reload_options options;
    struct thread thread;
    struct mutex lock;
    struct condition stop_asked;
    /* guarded by lock: */
    bool stopping;
};

/* A file that cannot be read counts with its name alone. */
static uint64_t hash_file(uint64_t hash, const char *path)
{
    struct buf content CLEANUP(buf_release);
    buf_init(&content, FILE_BYTES_MAX);
    hash = hash_slice(slice_str(path), hash);
    if (fs_read_file(fs_system, path, &content, NULL) != ERR_NONE)
        return hash_mix(hash, 1);
    return hash_slice(buf_slice(&content), hash);
}

static uint64_t hash_patterns(uint64_t hash, const struct slice *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        glob_t found = {0};
        if (glob(patterns[i].ptr, 0, NULL, &found) == 0) {
            for (size_t at = 0; at < found.gl_pathc; at++)
                hash = hash_file(hash, found.gl_pathv[at]);
        }
        globfree(&found);
    }
    return hash;
}

static uint64_t auto_reload_hash(const struct auto_reload *auto_reload)
{
    uint64_t hash = hash_file(0, auto_reload->options.config_file);
    struct config *config = auto_reload->options.config(auto_reload->options.context);
    if (config == NULL)
        return hash;
    hash = hash_patterns(hash, config->rule_files, config->rule_file_count);
    hash = hash_patterns(hash, config->scrape_config_files, config->scrape_config_file_count);
    config_unref(config);
    return hash;
}

/* Waits an interval; false when it is time to end. */
static bool auto_reload_wait(struct auto_reload *auto_reload)
{
    int64_t deadline_ns =
        clock_monotonic_ns(clock_system) + auto_reload->options.interval_ms * 1000000;
    MUTEX_GUARD(&auto_reload->lock);
    while (!auto_reload->stopping) {
        if (!condition_wait_until(&auto_reload->stop_asked, &auto_reload->lock, deadline_ns))
            return true;
    }
    return false;
}

static void auto_reload_run(void *context)
{
    struct auto_reload *auto_reload = context;
    uint64_t last = auto_reload_hash(auto_reload);
    while (auto_reload_wait(auto_reload)) {
        uint64_t now = auto_reload_hash(auto_reload);
        if (now == last)
            continue;
        log_info("Configuration file change detected, reloading the configuration.");
        auto_reload->options.reload(auto_reload->options.context);
        /* not the hash of now: a file that changed since then must not be missed */
        last = now;
    }
}

struct auto_reload *auto_reload_start(const struct auto_reload_options *options)
{
    struct auto_reload *auto_reload = mem_zalloc(sizeof(*auto_reload));
    auto_reload->options = *options;
    mutex_init(&auto_reload->lock, LOCK_RANK_AUTO_RELOAD);
    condition_init(&auto_reload->stop_asked);
    thread_start(&auto_reload->thread, "auto-reload", auto_reload_run, auto_reload);
    return auto_reload;
}

void auto_reload_stop(struct auto_reload *auto_reload)
{
    if (auto_reload == NULL)
        return;
    mutex_lock(&auto_reload->lock);
    auto_reload->stopping = true;
    condition_signal(&auto_reload->stop_asked);
    mutex_unlock(&auto_reload->lock);
    thread_join(&auto_reload->thread);
    condition_release(&auto_reload->stop_asked);
    mutex_release(&auto_reload->lock);
    mem_free(auto_reload);
}
