/*
 * ferulatool tsdb analyze: which labels make many series, and which come and go, by promtool's
 * measures. All of it comes from one walk over the series of a block.
 */
#include "tool/tsdb_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/table.h"
#include "model/duration.h"
#include "tool/chunk_analysis.h"
#include "tool/data_directory.h"
#include "tool/progress.h"
#include "tool/selection.h"

#define HASH_SEED 0

/* A pair of labels, or a name with the value SYMBOL_EMPTY. */
struct label_use {
    uint32_t name;
    uint32_t value;
    uint64_t count;        /* series */
    uint64_t uncovered_ms; /* time of the block in which the series had no samples */
    uint64_t values;       /* of a name */
    uint64_t value_bytes;
};

struct analysis {
    VEC(struct label_use) uses;
    struct table by_pair; /* number + 1 */
    uint64_t entries;
    uint64_t pairs;
    uint64_t names;
    uint64_t series;
};

struct use_key {
    const struct analysis *analysis;
    uint32_t name;
    uint32_t value;
};

static bool use_is(const void *entry, const void *key)
{
    const struct use_key *wanted = key;
    const struct label_use *use = &wanted->analysis->uses.items[(uintptr_t)entry - 1];
    return use->name == wanted->name && use->value == wanted->value;
}

static struct label_use *find_use(struct analysis *analysis, uint32_t name, uint32_t value)
{
    struct use_key key = {analysis, name, value};
    uint64_t hash = hash_mix(hash_mix(HASH_SEED, name), value);
    uintptr_t entry = (uintptr_t)table_get(&analysis->by_pair, hash, use_is, &key);
    if (entry == 0) {
        vec_push(&analysis->uses, (struct label_use){.name = name, .value = value});
        entry = analysis->uses.len;
        table_add(&analysis->by_pair, hash, (void *)entry);
    }
    return &analysis->uses.items[entry - 1];
}

static void count_series(struct analysis *analysis, const struct labels *labels,
                         uint64_t uncovered_ms)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        struct label_pair pair = labels->pairs[i];
        struct label_use *use = find_use(analysis, pair.name, pair.value);
        bool is_new = use->count == 0;
        use->count++;
        use->uncovered_ms += uncovered_ms;
        use = find_use(analysis, pair.name, SYMBOL_EMPTY);
        analysis->names += use->count == 0;
        use->count++;
        use->uncovered_ms += uncovered_ms;
        use->values += is_new;
        use->value_bytes += is_new ? symbols_text(pair.value).len : 0;
        analysis->pairs += is_new;
        analysis->entries++;
    }
    analysis->series++;
}

static enum err walk(struct series_view *view, const struct series_list *list,
                     const struct block_meta *meta, struct analysis *analysis, struct errbuf *err)
{
    struct sample_columns CLEANUP(sample_columns_release) columns;
    sample_columns_init(&columns);
    enum err code = ERR_NONE;
    for (size_t i = 0; i < list->entries.len && code == ERR_NONE; i++) {
        progress_show("series", i, list->entries.len);
        code = series_view_read(view, &list->entries.items[i], INT64_MIN, INT64_MAX, &columns, err);
        if (code != ERR_NONE || columns.count == 0)
            continue;
        uint64_t covered_ms =
            (uint64_t)columns.timestamps_ms[columns.count - 1] - (uint64_t)columns.timestamps_ms[0];
        uint64_t length_ms = (uint64_t)meta->max_ms - (uint64_t)meta->min_ms;
        count_series(analysis, list->entries.items[i].labels, length_ms - covered_ms);
    }
    progress_clear();
    return code;
}

/* --- the lists --- */

struct row {
    const struct label_use *use;
    uint64_t figure;
};

static int text_compare(uint32_t a, uint32_t b)
{
    return a == b ? 0 : slice_cmp(symbols_text(a), symbols_text(b));
}

static int row_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->figure != y->figure)
        return x->figure > y->figure ? -1 : 1;
    int order = text_compare(x->use->name, y->use->name);
    return order != 0 ? order : text_compare(x->use->value, y->use->value);
}

typedef bool (*row_figure)(const struct label_use *use, double length_ms, uint64_t *out);

static void print_list(const struct analysis *analysis, const char *title, row_figure figure,
                       double length_ms, size_t limit)
{
    VEC(struct row) rows = {0};
    for (size_t i = 0; i < analysis->uses.len; i++) {
        struct row row = {.use = &analysis->uses.items[i]};
        if (figure(row.use, length_ms, &row.figure))
            vec_push(&rows, row);
    }
    if (rows.len > 1)
        qsort(rows.items, rows.len, sizeof(*rows.items), row_compare);
    printf("\n%s:\n", title);
    for (size_t i = 0; i < rows.len && i < limit; i++) {
        struct slice name = symbols_text(rows.items[i].use->name);
        struct slice value = symbols_text(rows.items[i].use->value);
        printf("%" PRIu64 " ", rows.items[i].figure);
        if (value.len == 0)
            printf("%.*s\n", SLICE_ARG(name));
        else if (strcmp(title, "Highest cardinality metric names") == 0)
            printf("%.*s\n", SLICE_ARG(value));
        else
            printf("%.*s=%.*s\n", SLICE_ARG(name), SLICE_ARG(value));
    }
    vec_release(&rows);
}

static bool is_name(const struct label_use *use)
{
    return use->value == SYMBOL_EMPTY;
}

static bool churn_of_pair(const struct label_use *use, double length_ms, uint64_t *out)
{
    *out = (uint64_t)((double)use->uncovered_ms / length_ms);
    return !is_name(use);
}

static bool churn_of_name(const struct label_use *use, double length_ms, uint64_t *out)
{
    *out = (uint64_t)((double)use->uncovered_ms / length_ms);
    return is_name(use);
}

static bool count_of_pair(const struct label_use *use, double length_ms, uint64_t *out)
{
    *out = use->count;
    return !is_name(use);
}

static bool bytes_of_name(const struct label_use *use, double length_ms, uint64_t *out)
{
    *out = use->value_bytes;
    return is_name(use);
}

static bool values_of_name(const struct label_use *use, double length_ms, uint64_t *out)
{
    *out = use->values;
    return is_name(use);
}

static bool count_of_metric(const struct label_use *use, double length_ms, uint64_t *out)
{
    *out = use->count;
    return !is_name(use) && use->name == labels_name_symbol();
}

static void print_analysis(const struct analysis *analysis, const struct block_meta *meta,
                           const char *selector, size_t limit)
{
    static const struct {
        const char *title;
        row_figure figure;
    } lists[] = {
        {"Label pairs most involved in churning", churn_of_pair},
        {"Label names most involved in churning", churn_of_name},
        {"Most common label pairs", count_of_pair},
        {"Label names with highest cumulative label value length", bytes_of_name},
        {"Highest cardinality labels", values_of_name},
        {"Highest cardinality metric names", count_of_metric},
    };
    struct buf duration CLEANUP(buf_release);
    buf_init(&duration, 256);
    duration_print_go((meta->max_ms - meta->min_ms) * 1000000, &duration);
    printf("Block ID: %s\n", meta->ulid.text);
    printf("Duration: %s\n", buf_cstr(&duration));
    printf("Total Series: %" PRIu64 "\n", meta->stats.series);
    if (selector != NULL)
        printf("Matcher: %s\n", selector);
    printf("Label names: %" PRIu64 "\n", analysis->names);
    if (selector != NULL)
        printf("Matched series: %" PRIu64 "\n", analysis->series);
    printf("Postings (unique label pairs): %" PRIu64 "\n", analysis->pairs);
    printf("Postings entries (total label pairs): %" PRIu64 "\n", analysis->entries);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        print_list(analysis, lists[i].title, lists[i].figure, (double)(meta->max_ms - meta->min_ms),
                   limit);
}

/* --- the command --- */

/* Of ours: chunks lie in pages that share columns of times, so only the whole has a size. */
static void print_own_chunks(const struct data_block *block)
{
    const struct block_stats *stats = &block->meta.stats;
    printf("\nCompaction analysis:\n\n");
    printf("samples per chunk (avg): %.1f\n",
           (double)stats->samples / (double)MAX(stats->chunks, (uint64_t)1));
    printf("bytes per sample, all files: %.3f\n",
           (double)block->size_bytes / (double)MAX(stats->samples, (uint64_t)1));
}

static enum err analyze_chunks(const struct data_source *source, const struct data_block *block,
                               const struct series_list *list, struct errbuf *err)
{
    if (source->prometheus != NULL)
        return chunk_analysis_print(source->prometheus, list, err);
    print_own_chunks(block);
    return ERR_NONE;
}

static enum err analyze(const struct data_directory *directory, const struct data_block *block,
                        const struct command_line *line, size_t limit, struct errbuf *err)
{
    const char *selector = command_line_text(line, "match");
    struct data_source source;
    struct series_view *view = NULL;
    struct series_list CLEANUP(series_list_release) list = {0};
    struct analysis analysis = {0};
    table_init(&analysis.by_pair);
    enum err code = data_source_open(directory, block, &source, err);
    if (code == ERR_NONE)
        code = series_source_open(source.source, INT64_MIN, INT64_MAX, &view, err);
    if (code == ERR_NONE)
        code = selection_add(view, selector == NULL ? "{__name__=~'(?s:.*)'}" : selector, INT64_MIN,
                             INT64_MAX, &list, err);
    if (code == ERR_NONE)
        code = walk(view, &list, &block->meta, &analysis, err);
    if (code == ERR_NONE)
        print_analysis(&analysis, &block->meta, selector, limit);
    if (code == ERR_NONE && command_line_switch(line, "extended"))
        code = analyze_chunks(&source, block, &list, err);
    series_view_close(view);
    data_source_close(&source);
    vec_release(&analysis.uses);
    table_release(&analysis.by_pair);
    return code;
}

static const struct data_block *find_block(const struct data_directory *directory, const char *id)
{
    const struct data_block *newest = NULL; /* names sort by the time at which they were made */
    for (size_t i = 0; i < directory->blocks.len; i++) {
        const struct data_block *block = &directory->blocks.items[i];
        if (id != NULL && strcmp(block->meta.ulid.text, id) == 0)
            return block;
        if (newest == NULL || strcmp(block->meta.ulid.text, newest->meta.ulid.text) > 0)
            newest = block;
    }
    return id == NULL ? newest : NULL;
}

static int run(const struct command_line *line)
{
    struct errbuf err = ERRBUF_INIT;
    struct data_directory directory;
    const char *limit_text = command_line_text(line, "limit");
    const char *id = command_line_argument(line, 1);
    char *end;
    long limit = strtol(limit_text, &end, 10);
    if (*end != '\0' || limit < 0) {
        fprintf(stderr, "--limit is a number, got '%s'\n", limit_text);
        return EXIT_FAILURE;
    }
    enum err code = data_directory_open(command_line_argument(line, 0), &directory, &err);
    if (code == ERR_NONE) {
        const struct data_block *block = find_block(&directory, id);
        code = block == NULL ? errbuf_set(&err, ERR_NOT_FOUND, "no blocks found%s%s in %s",
                                          id == NULL ? "" : " of the name ",
                                          id == NULL ? "" : id, directory.path)
                             : analyze(&directory, block, line, (size_t)limit, &err);
        data_directory_release(&directory);
    }
    if (code != ERR_NONE)
        fprintf(stderr, "%s\n", err.text);
    return code == ERR_NONE ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command tsdb_analyze_command = {
    .words = "tsdb analyze",
    .help = "Analyze churn, label pair cardinality and compaction efficiency.",
    .flags = {{"limit", 0, COMMAND_TEXT, "20", NULL, "How many items to show in each list."},
              {"extended", 0, COMMAND_SWITCH, NULL, NULL, "Run extended analysis."},
              {"match", 0, COMMAND_TEXT, NULL, NULL,
               "Series selector to analyze. Only 1 set of matchers is supported now."}},
    .arguments = {{"db path", false, DATA_PATH_DEFAULT, "Database path (default is data/)."},
                  {"block id", false, NULL, "Block to analyze (default is the last block)."}},
    .run = run,
};
