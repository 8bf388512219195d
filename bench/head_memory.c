/*
 * What the head takes in memory: node_exporter targets of 1,026 series at 15 s for some simulated
 * hours, with sealing, head cuts and collection as the maintenance threads do them. Prints a table
 * of bytes a series: what the process has, and the parts of it that can be counted.
 *
 *     head_memory LAYOUT [TARGETS [MINUTES [CHURN]]]
 *       LAYOUT  rows   a group for each target, as scraped
 *               loose  commits of 2,000 loose samples, as by remote write
 *       CHURN   percent of the targets that are replaced by others within an hour
 *
 * What the benchmark itself needs lies in shared memory, which is left out of all figures.
 */
#include "base/alloc.h"
#include "bench/node_labels.h"
#include "bench/node_shape.h"
#include "model/symbols.h"
#include "tsdb/appender.h"
#include "tsdb/group.h"
#include "tsdb/head_seal.h"
#include "tsdb/tsdb_internal.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define START_MS 1700000000000
#define INTERVAL_MS 15000
#define ROWS_PER_HOUR (3600000 / INTERVAL_MS)
#define ROWS_PER_MAINTENANCE 4
#define SAMPLES_PER_COMMIT 2000

struct workload {
    struct tsdb *db;
    struct node_shape *shape;
    bool loose;
    size_t target_count;
    size_t number_next; /* of targets, for their names */
    size_t *numbers;
    struct node_target *targets;
    struct sample_group **groups;
    series_ref *refs;
};

static void check(enum err code, const struct errbuf *err)
{
    if (code != ERR_NONE) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

/* Memory that does not count. */
static void *shared_alloc(size_t count, size_t size)
{
    void *memory =
        mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

/* --- load --- */

static series_ref series_find(struct workload *load, struct appender *appender, size_t target,
                              size_t index)
{
    series_ref *ref = &load->refs[target * NODE_SERIES_COUNT + index];
    if (*ref == 0) {
        struct labels *labels = node_labels(&load->shape->series[index], load->numbers[target]);
        *ref = appender_series(appender, labels);
        labels_unref(labels);
    }
    return *ref;
}

static void write_row(struct workload *load, size_t target, int64_t t_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct appender *appender;
    check(appender_begin(load->db, load->groups[target], t_ms, &appender, &err), &err);
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++) {
        double value = load->targets[target].walks[i].value;
        if (append(appender, series_find(load, appender, target, i), value) != APPEND_OK)
            abort();
    }
    check(appender_commit(appender, &err), &err);
}

static void write_loose(struct workload *load, int64_t t_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct appender *appender = NULL;
    size_t staged = 0;
    for (size_t at = 0; at < load->target_count * NODE_SERIES_COUNT; at++) {
        size_t target = at / NODE_SERIES_COUNT;
        size_t index = at % NODE_SERIES_COUNT;
        if (appender == NULL)
            check(appender_begin(load->db, NULL, t_ms, &appender, &err), &err);
        double value = load->targets[target].walks[index].value;
        if (append_at(appender, series_find(load, appender, target, index), t_ms, value) !=
            APPEND_OK)
            abort();
        if (++staged % SAMPLES_PER_COMMIT == 0) {
            check(appender_commit(appender, &err), &err);
            appender = NULL;
        }
    }
    if (appender != NULL)
        check(appender_commit(appender, &err), &err);
}

static void target_begin(struct workload *load, size_t target)
{
    size_t number = load->number_next++;
    load->numbers[target] = number;
    node_target_init(&load->targets[target], load->shape, number);
    memset(load->refs + target * NODE_SERIES_COUNT, 0, NODE_SERIES_COUNT * sizeof(*load->refs));
    load->groups[target] = load->loose ? NULL : sample_group_new(load->db);
}

static void write_rows(struct workload *load, int64_t t_ms)
{
    for (size_t i = 0; i < load->target_count && !load->loose; i++)
        write_row(load, i, t_ms);
    if (load->loose)
        write_loose(load, t_ms);
    for (size_t i = 0; i < load->target_count; i++)
        node_target_advance(&load->targets[i], INTERVAL_MS / 1000.0);
}

/* What the maintenance thread does between two rows: it looks once a second whether chunks wait. */
static void seal(struct tsdb *db)
{
    struct errbuf err = ERRBUF_INIT;
    MUTEX_GUARD(&db->maintenance_lock);
    for (int i = 0; i < INTERVAL_MS / 1000 && head_seal_is_due(&db->head, &db->commit_lock); i++)
        check(head_seal(&db->head, &db->commit_lock, &db->head_files, &err), &err);
    head_files_sweep(&db->head_files);
}

/* --- figures --- */

/* Bytes. */
struct process_memory {
    double anonymous;
    double file;
    double sealed; /* of it: head chunk files */
    double peak;
};

static struct process_memory process_memory(void)
{
    struct process_memory memory = {0};
    char line[512];
    FILE *file = fopen("/proc/self/status", "r");
    double shared = 0;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        double kib;
        if (sscanf(line, "RssAnon: %lf", &kib) == 1)
            memory.anonymous = kib * 1024;
        else if (sscanf(line, "RssFile: %lf", &kib) == 1)
            memory.file = kib * 1024;
        else if (sscanf(line, "RssShmem: %lf", &kib) == 1)
            shared = kib * 1024;
        else if (sscanf(line, "VmHWM: %lf", &kib) == 1)
            memory.peak = kib * 1024;
    }
    memory.peak -= shared;
    if (file != NULL)
        fclose(file);
    file = fopen("/proc/self/smaps", "r");
    bool sealed = false;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        double kib;
        if (strchr(line, '-') != NULL && strchr(line, ':') != NULL && strstr(line, " r") != NULL)
            sealed = strstr(line, "/head/chunks.") != NULL;
        else if (sealed && sscanf(line, "Rss: %lf", &kib) == 1)
            memory.sealed += kib * 1024;
    }
    if (file != NULL)
        fclose(file);
    return memory;
}

static size_t malloc_size(size_t size)
{
    return MAX((size + 8 + 15) / 16 * 16, (size_t)32);
}

enum part {
    PART_SERIES,
    PART_EXTRAS,
    PART_LABELS,
    PART_SYMBOLS,
    PART_POSTINGS,
    PART_MAP,
    PART_REFS,
    PART_OPEN,
    PART_CLOSED,
    PART_SEALED,
    PART_COLUMNS,
    PART_GROUPS,
    PARTS,
};
static const char *const part_names[PARTS] = {"series", "extras", "labels", "symbols", "postings",
                                              "map",    "refs",   "open",   "closed",  "sealed",
                                              "times",  "groups"};

/* One holder's part of a column. */
static double column_share(const struct time_column *column)
{
    return column == NULL ? 0
                          : (double)malloc_size(time_column_size(column)) /
                                (double)column->reference_count;
}

static void add_chunks(const struct series *series, double *parts)
{
    struct chunk *chunk = series->closed;
    for (; chunk != NULL; chunk = chunk->next) {
        parts[chunk->in_file ? PART_SEALED : PART_CLOSED] +=
            (double)(chunk->in_file ? chunk_size(chunk) : malloc_size(chunk_size(chunk)));
        parts[PART_COLUMNS] += column_share(chunk_column(chunk));
    }
}

static void parts_count(struct tsdb *db, double *parts)
{
    struct head *head = &db->head;
    memset(parts, 0, PARTS * sizeof(*parts));
    struct series *series;
    for (series_ref ref = 1; (series = refs_next(&head->refs, &ref)) != NULL;) {
        parts[PART_SERIES] += (double)malloc_size(sizeof(*series));
        parts[PART_LABELS] += (double)malloc_size(
            sizeof(*series->labels) + series->labels->count * sizeof(struct label_pair));
        if (series->extra != NULL)
            parts[PART_EXTRAS] +=
                (double)(malloc_size(sizeof(*series->extra)) +
                         malloc_size(series->extra->hidden_count * sizeof(struct series_hidden)));
        add_chunks(series, parts);
    }
    parts[PART_SYMBOLS] = (double)symbols_bytes();
    parts[PART_POSTINGS] = (double)postings_memory(&head->postings);
    for (size_t i = 0; i < HEAD_SHARDS; i++)
        parts[PART_MAP] +=
            (double)(head->shards[i].series.capacity * sizeof(struct table_slot));
    parts[PART_REFS] = (double)refs_memory(&head->refs);
    parts[PART_OPEN] = (double)byte_pool_memory(&head->pool);
    for (const struct sample_group *group = db->groups; group != NULL; group = group->next) {
        parts[PART_GROUPS] += (double)(group_memory(group) - time_column_size(group->column));
        parts[PART_COLUMNS] += column_share(group->column);
    }
}

static void print_head(void)
{
    printf("| minutes | series | RSS | peak | anonymous | files | sealed files |");
    for (size_t i = 0; i < PARTS; i++)
        printf(" %s |", part_names[i]);
    printf(" rest | free |\n|");
    for (size_t i = 0; i < PARTS + 9; i++)
        printf("---|");
    printf("\n");
}

/* Bytes a series, but for the first two columns. */
static void print_line(struct tsdb *db, size_t row)
{
    struct process_memory process = process_memory();
    struct mallinfo2 info = mallinfo2();
    double parts[PARTS];
    parts_count(db, parts);
    double series = (double)db->head.series_count;
    printf("| %zu | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f |", row * INTERVAL_MS / 60000, series,
           (process.anonymous + process.file) / series, process.peak / series,
           process.anonymous / series, process.file / series, process.sealed / series);
    double rest = process.anonymous;
    for (size_t i = 0; i < PARTS; i++) {
        printf(" %.0f |", parts[i] / series);
        rest -= parts[i];
    }
    printf(" %.0f | %.0f |\n", rest / series, (double)info.fordblks / series);
    fflush(stdout);
}

static void run(struct workload *load, size_t row_count, double churn)
{
    struct errbuf err = ERRBUF_INIT;
    size_t step = churn > 0 || row_count > 3 * ROWS_PER_HOUR ? ROWS_PER_HOUR : ROWS_PER_HOUR / 6;
    double due = 0;
    size_t replaced = 0;
    print_head();
    for (size_t row = 1; row <= row_count; row++) {
        write_rows(load, START_MS + (int64_t)row * INTERVAL_MS);
        seal(load->db);
        if (row % ROWS_PER_MAINTENANCE == 0)
            check(tsdb_maintain(load->db, &err), &err);
        if (row % step == 0 || row == row_count)
            print_line(load->db, row);
        due += (double)load->target_count * churn / 100 / ROWS_PER_HOUR;
        for (; due >= 1; due--) {
            size_t target = replaced++ % load->target_count;
            sample_group_free(load->groups[target]);
            target_begin(load, target);
        }
    }
}

int main(int argc, char **argv)
{
    bool loose = argc > 1 && strcmp(argv[1], "loose") == 0;
    size_t target_count = argc > 2 ? strtoul(argv[2], NULL, 10) : 975;
    size_t row_count = (argc > 3 ? strtoul(argv[3], NULL, 10) : 60) * 60000 / INTERVAL_MS;
    double churn = argc > 4 ? strtod(argv[4], NULL) : 0;
    char path[] = "/tmp/ferula-head-memory-XXXXXX";
    if (target_count == 0 || row_count == 0 || mkdtemp(path) == NULL)
        return EXIT_FAILURE;
    struct tsdb_options options = {.path = path, .seed = 1, .no_snapshot = true};
    struct errbuf err = ERRBUF_INIT;
    struct workload load = {.loose = loose, .target_count = target_count};
    check(tsdb_open(&options, &load.db, &err), &err);
    load.shape = node_shape_new();
    load.numbers = shared_alloc(target_count, sizeof(*load.numbers));
    load.targets = shared_alloc(target_count, sizeof(*load.targets));
    load.groups = shared_alloc(target_count, sizeof(struct sample_group *));
    load.refs = shared_alloc(target_count * NODE_SERIES_COUNT, sizeof(*load.refs));
    for (size_t i = 0; i < target_count; i++)
        target_begin(&load, i);
    run(&load, row_count, churn);
    for (size_t i = 0; i < target_count; i++)
        sample_group_free(load.groups[i]);
    tsdb_close(load.db);
    node_shape_free(load.shape);
    check(fs_remove_tree(fs_system, path, &err), &err);
    return EXIT_SUCCESS;
}
