/* process_* from /proc, build information, reload state. */
#include "server/self_metrics.h"

#include "base/compiler.h"
#include "base/counters.h"
#include "server/options.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

static struct {
    struct counter *cpu_seconds;
    struct counter *resident_bytes;
    struct counter *virtual_bytes;
    struct counter *virtual_max_bytes;
    struct counter *open_fds;
    struct counter *max_fds;
    struct counter *threads;
    const struct memory_budget *memory;
    struct counter *memory_limit;
    struct counter *memory_parts[MEMORY_PARTS];
    struct counter *memory_refused;
    struct counter *config_successful;
    struct counter *config_success_time;
    struct counter *ready;
} self_metrics;

static double self_metrics_cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double limit_value(int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return 0;
    /* the reference prints the kernel's largest number for "unlimited" */
    return limit.rlim_cur == RLIM_INFINITY ? 18446744073709551615.0 : (double)limit.rlim_cur;
}

static double count_entries(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0;
    double count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void self_metrics_update(void *context)
{
    unsigned long long virtual_pages = 0;
    unsigned long long resident_pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm != NULL) {
        if (fscanf(statm, "%llu %llu", &virtual_pages, &resident_pages) != 2)
            virtual_pages = resident_pages = 0;
        fclose(statm);
    }
    double page_bytes = (double)sysconf(_SC_PAGESIZE);
    counter_set(self_metrics.virtual_bytes, (double)virtual_pages * page_bytes);
    counter_set(self_metrics.resident_bytes, (double)resident_pages * page_bytes);
    counter_set(self_metrics.cpu_seconds, self_metrics_cpu_seconds());
    /* the descriptor that reads the folder is not one of the process's own */
    counter_set(self_metrics.open_fds, count_entries("/proc/self/fd") - 1);
    counter_set(self_metrics.max_fds, limit_value(RLIMIT_NOFILE));
    counter_set(self_metrics.virtual_max_bytes, limit_value(RLIMIT_AS));
    counter_set(self_metrics.threads, count_entries("/proc/self/task"));
    const struct memory_budget *memory = self_metrics.memory;
    counter_set(self_metrics.memory_limit, (double)memory->limit_bytes);
    for (int part = 0; part < MEMORY_PARTS; part++)
        counter_set(self_metrics.memory_parts[part], (double)memory->bytes[part]);
    counter_set(self_metrics.memory_refused, (double)memory->refused_count);
}

static void self_metrics_memory(const struct memory_budget *memory)
{
    self_metrics.memory = memory;
    self_metrics.memory_limit = counters_gauge(
        "ferula_memory_limit_bytes", "Memory that storage, queries and what comes in share, 0 without a limit.");
    struct counters_family *family = counters_family(&(struct counters_description){
        .name = "ferula_memory_bytes",
        .help = "Memory out of ferula_memory_limit_bytes that is taken, by who has it.",
        .type = COUNTERS_GAUGE,
        .label_names = {"part"},
    });
    for (int part = 0; part < MEMORY_PARTS; part++) {
        struct slice name = slice_str(memory_part_name((enum memory_part)part));
        self_metrics.memory_parts[part] = counters_get(family, &name);
    }
    self_metrics.memory_refused =
        counters_counter("ferula_memory_refused_queries_total",
                         "Queries that were refused because they needed more memory than was free.");
}

static void self_metrics_build_info(void)
{
    struct counters_family *family = counters_family(&(struct counters_description){
        .name = "prometheus_build_info",
        .help = "A metric with a constant '1' value labeled by version, revision, branch, "
                "goversion from which prometheus was built, and the goos and goarch for the build.",
        .type = COUNTERS_GAUGE,
        .label_names = {"branch", "goarch", "goos", "goversion", "revision", "tags", "version"},
    });
    struct slice values[] = {
        SLICE("ferula"),
#if defined(__x86_64__)
        SLICE("amd64"),
#elif defined(__aarch64__)
        SLICE("arm64"),
#else
        SLICE("unknown"),
#endif
        SLICE("linux"),
        SLICE("c-" __VERSION__),
        slice_str(ferula_revision),
        SLICE("ferula"),
        SLICE(FERULA_COMPATIBLE_VERSION),
    };
    counter_set(counters_get(family, values), 1);
    struct counters_family *own = counters_family(&(struct counters_description){
        .name = "ferula_build_info",
        .help = "A metric with a constant '1' value labeled by the version of ferula.",
        .type = COUNTERS_GAUGE,
        .label_names = {"revision", "version"},
    });
    struct slice own_values[] = {slice_str(ferula_revision), slice_str(ferula_version)};
    counter_set(counters_get(own, own_values), 1);
}

void self_metrics_init(int64_t start_ms, const struct memory_budget *memory)
{
    self_metrics_build_info();
    self_metrics_memory(memory);
    counter_set(counters_gauge("process_start_time_seconds",
                               "Start time of the process since unix epoch in seconds."),
                (double)start_ms / 1000);
    self_metrics.cpu_seconds = counters_counter(
        "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
    self_metrics.resident_bytes =
        counters_gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
    self_metrics.virtual_bytes =
        counters_gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.");
    self_metrics.virtual_max_bytes = counters_gauge(
        "process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.");
    self_metrics.open_fds =
        counters_gauge("process_open_fds", "Number of open file descriptors.");
    self_metrics.max_fds =
        counters_gauge("process_max_fds", "Maximum number of open file descriptors.");
    self_metrics.threads = counters_gauge("process_threads", "Number of threads.");
    self_metrics.config_successful =
        counters_gauge("prometheus_config_last_reload_successful",
                       "Whether the last configuration reload attempt was successful.");
    self_metrics.config_success_time =
        counters_gauge("prometheus_config_last_reload_success_timestamp_seconds",
                       "Timestamp of the last successful configuration reload.");
    self_metrics.ready =
        counters_gauge("prometheus_ready", "Whether Prometheus startup was fully completed and "
                                           "the server is ready for normal operation.");
    counters_on_collect(self_metrics_update, NULL);
}

void self_metrics_config_loaded(bool ok, int64_t now_ms)
{
    counter_set(self_metrics.config_successful, ok ? 1 : 0);
    if (ok)
        counter_set(self_metrics.config_success_time, (double)(now_ms / 1000));
}

void self_metrics_ready(bool ready)
{
    counter_set(self_metrics.ready, ready ? 1 : 0);
}
