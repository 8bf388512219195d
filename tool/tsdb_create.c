/*
 * ferulatool tsdb create-blocks-from openmetrics: samples of a text become blocks. All of them are
 * held in memory, 16 bytes each, which is less than their text.
 */
#include "tool/tsdb_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/table.h"
#include "exposition/exposition.h"
#include "model/duration.h"
#include "model/labels_builder.h"
#include "tool/block_table.h"
#include "tool/data_directory.h"
#include "tool/owner.h"
#include "tool/progress.h"
#include "tsdb/block_writer.h"
#include "tsdb/directory.h"

#define PATH_SIZE_MAX 8192
#define INPUT_SIZE_MAX ((size_t)64 << 30)
#define ARENA_SIZE_MAX ((size_t)64 << 20)
#define BLOCK_MS INT64_C(7200000)
#define BLOCK_LEVELS 10
#define BLOCK_FACTOR 3
#define DENSE_MS INT64_C(86400000)
#define HASH_SEED 0

struct input_sample {
    int64_t time_ms;
    double value;
};

struct input_series {
    struct labels *labels;
    VEC(struct input_sample) samples;
    size_t next; /* the first that is in no block yet */
};

/* Series by their text, so that labels are made once. */
struct input_text {
    struct slice text;
    size_t series;
};

struct input {
    const struct command_line *line;
    struct buf text;
    struct arena arena;
    struct labels_builder builder;
    VEC(struct input_series) series;
    VEC(struct input_text) texts;
    struct table by_text;   /* number of the text + 1 */
    struct table by_labels; /* number of the series + 1 */
    int64_t min_ms;
    int64_t max_ms;
    struct errbuf err; /* why the sink stopped */
};

/* --- reading --- */

struct text_key {
    const struct input *input;
    struct slice text;
};

static bool text_is(const void *entry, const void *key)
{
    const struct text_key *wanted = key;
    return slice_eq(wanted->input->texts.items[(uintptr_t)entry - 1].text, wanted->text);
}

struct labels_key {
    const struct input *input;
    const struct labels *labels;
};

static bool labels_are(const void *entry, const void *key)
{
    const struct labels_key *wanted = key;
    return labels_equal(wanted->input->series.items[(uintptr_t)entry - 1].labels, wanted->labels);
}

/* --label=name=value: one more label of each series, or another value. */
static enum err set_given_labels(struct input *input)
{
    const char *label;
    for (size_t i = 0; (label = command_line_item(input->line, "label", i)) != NULL; i++) {
        struct slice text = slice_str(label);
        size_t equals = slice_index(text, '=');
        if (equals == SLICE_NONE || equals == 0)
            return errbuf_set(&input->err, ERR_INVALID, "expected KEY=VALUE got '%s'", label);
        labels_builder_set(&input->builder, slice_sub(text, 0, equals),
                           slice_from_index(text, equals + 1));
    }
    return ERR_NONE;
}

static enum err make_labels(struct input *input, const struct exposition_series *series)
{
    struct slice name;
    struct exposition_label *labels;
    size_t count;
    arena_reset(&input->arena);
    enum err code =
        exposition_series_labels(series, &input->arena, &name, &labels, &count, &input->err);
    if (code != ERR_NONE)
        return code;
    labels_builder_reset(&input->builder);
    labels_builder_set(&input->builder, SLICE(LABEL_METRIC_NAME), name);
    for (size_t i = 0; i < count; i++)
        labels_builder_set(&input->builder, labels[i].name, labels[i].value);
    return set_given_labels(input);
}

/* The series of a text that was not seen before. */
static enum err add_text(struct input *input, const struct exposition_series *series, size_t *out)
{
    enum err code = make_labels(input, series);
    if (code != ERR_NONE)
        return code;
    struct labels *labels = labels_builder_take(&input->builder);
    struct labels_key key = {input, labels};
    uintptr_t entry = (uintptr_t)table_get(&input->by_labels, labels->hash, labels_are, &key);
    if (entry != 0) {
        labels_unref(labels);
    } else {
        vec_push(&input->series, (struct input_series){.labels = labels});
        entry = input->series.len;
        table_add(&input->by_labels, labels->hash, (void *)entry);
    }
    *out = entry - 1;
    vec_push(&input->texts, (struct input_text){series->text, *out});
    table_add(&input->by_text, hash_slice(series->text, HASH_SEED), (void *)input->texts.len);
    return ERR_NONE;
}

static enum exposition_answer take_sample(void *context, const struct exposition_series *series,
                                          double value, bool has_timestamp, int64_t timestamp_ms)
{
    struct input *input = context;
    if (!has_timestamp) {
        errbuf_set(&input->err, ERR_INVALID, "expected timestamp for series %.*s, got none",
                   SLICE_ARG(series->text));
        return EXPOSITION_STOP;
    }
    struct text_key key = {input, series->text};
    uintptr_t entry =
        (uintptr_t)table_get(&input->by_text, hash_slice(series->text, HASH_SEED), text_is, &key);
    size_t number = entry == 0 ? 0 : input->texts.items[entry - 1].series;
    if (entry == 0 && add_text(input, series, &number) != ERR_NONE)
        return EXPOSITION_STOP;
    struct input_series *found = &input->series.items[number];
    vec_push(&found->samples, (struct input_sample){timestamp_ms, value});
    input->min_ms = MIN(input->min_ms, timestamp_ms);
    input->max_ms = MAX(input->max_ms, timestamp_ms);
    return EXPOSITION_GO_ON;
}

static int sample_compare(const void *a, const void *b)
{
    const struct input_sample *x = a, *y = b;
    return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

static int series_compare(const void *a, const void *b)
{
    return labels_compare(((const struct input_series *)a)->labels,
                          ((const struct input_series *)b)->labels);
}

static enum err sort_samples(struct input_series *series, struct errbuf *err)
{
    struct input_sample *items = series->samples.items;
    size_t kept = 0;
    qsort(items, series->samples.len, sizeof(*items), sample_compare);
    for (size_t i = 0; i < series->samples.len; i++) {
        if (kept > 0 && items[kept - 1].time_ms == items[i].time_ms) {
            if (memcmp(&items[kept - 1].value, &items[i].value, sizeof(double)) == 0)
                continue;
            struct buf text CLEANUP(buf_release);
            buf_init(&text, 4096);
            labels_print(series->labels, &text);
            return errbuf_set(err, ERR_INVALID,
                              "%s has two values at %" PRId64 " ms: duplicate sample for timestamp",
                              buf_cstr(&text), items[i].time_ms);
        }
        items[kept++] = items[i];
    }
    series->samples.len = kept;
    return ERR_NONE;
}

static enum err read_input(struct input *input, const char *path, struct errbuf *err)
{
    enum err code = fs_read_file(fs_system, path, &input->text, err);
    if (code != ERR_NONE)
        return code;
    struct exposition_sink sink = {.context = input, .sample = take_sample};
    code = exposition_parse(EXPOSITION_OPENMETRICS, buf_slice(&input->text), &sink, err);
    if (code == ERR_CANCELED)
        code = errbuf_set(err, input->err.code, "%s: %s", path, input->err.text);
    else if (code != ERR_NONE && err->line > 0)
        errbuf_prefix(err, "%s:%u:%u: ", path, err->line, err->column);
    else if (code != ERR_NONE)
        errbuf_prefix(err, "%s: ", path);
    for (size_t i = 0; i < input->series.len && code == ERR_NONE; i++)
        code = sort_samples(&input->series.items[i], err);
    if (code == ERR_NONE && input->series.len > 1)
        qsort(input->series.items, input->series.len, sizeof(*input->series.items), series_compare);
    return code;
}

/* --- writing --- */

struct output {
    char *path; /* of the blocks */
    bool quiet;
    bool human_readable;
    bool has_header;
    int64_t block_ms;
    struct rand rand;
};

/* How many samples of the series, from its next on, are before `end_ms`. */
static size_t samples_before(const struct input_series *series, int64_t end_ms)
{
    size_t count = 0;
    while (series->next + count < series->samples.len &&
           series->samples.items[series->next + count].time_ms < end_ms)
        count++;
    return count;
}

static void find_range(struct input *input, int64_t end_ms, struct block_meta *meta)
{
    meta->min_ms = INT64_MAX;
    meta->max_ms = INT64_MIN;
    for (size_t i = 0; i < input->series.len; i++) {
        const struct input_series *series = &input->series.items[i];
        size_t count = samples_before(series, end_ms);
        if (count == 0)
            continue;
        const struct input_sample *first = &series->samples.items[series->next];
        meta->min_ms = MIN(meta->min_ms, first->time_ms);
        meta->max_ms = MAX(meta->max_ms, first[count - 1].time_ms + 1);
    }
}

static void write_series(struct block_writer *writer, struct input_series *series, int64_t end_ms,
                         struct sample_columns *columns)
{
    size_t count = samples_before(series, end_ms);
    if (count == 0)
        return;
    vec_reset(&columns->timestamp_memory);
    vec_reset(&columns->value_memory);
    for (size_t i = 0; i < count; i++) {
        vec_push(&columns->timestamp_memory, series->samples.items[series->next + i].time_ms);
        vec_push(&columns->value_memory, series->samples.items[series->next + i].value);
    }
    columns->timestamps_ms = columns->timestamp_memory.items;
    columns->values = columns->value_memory.items;
    columns->count = count;
    series->next += count;
    block_writer_series(writer, series->labels);
    block_writer_samples(writer, columns);
}

static void print_block(struct output *output, const struct block_meta *meta)
{
    struct data_directory parent;
    char *slash = strrchr(output->path, '/');
    *slash = '\0';
    enum err code = data_directory_open(output->path, &parent, NULL);
    *slash = '/';
    for (size_t i = 0; code == ERR_NONE && i < parent.blocks.len; i++) {
        if (strcmp(parent.blocks.items[i].meta.ulid.text, meta->ulid.text) != 0)
            continue;
        progress_clear();
        block_table_print(&parent.blocks.items[i], 1, !output->has_header, output->human_readable);
        output->has_header = true;
    }
    if (code == ERR_NONE)
        data_directory_release(&parent);
}

static enum err write_block(struct input *input, struct output *output, int64_t end_ms,
                            struct errbuf *err)
{
    struct block_meta meta = {.level = 1, .out_of_order = true}, written = {0};
    find_range(input, end_ms, &meta);
    if (meta.min_ms > meta.max_ms)
        return ERR_NONE;
    ulid_make(&meta.ulid, clock_now_ms(clock_system), &output->rand);
    vec_push(&meta.sources, meta.ulid);
    struct block_writer_options options = {.fs = fs_system,
                                           .directory = output->path,
                                           .meta = &meta,
                                           .dense = meta.max_ms - meta.min_ms >= DENSE_MS};
    struct block_writer *writer;
    enum err code = block_writer_open(&options, &writer, err);
    block_meta_release(&meta);
    if (code != ERR_NONE)
        return code;
    struct sample_columns CLEANUP(sample_columns_release) columns;
    sample_columns_init(&columns);
    for (size_t i = 0; i < input->series.len && !block_writer_failed(writer); i++)
        write_series(writer, &input->series.items[i], end_ms, &columns);
    code = block_writer_finish(writer, &written, err);
    if (code == ERR_NONE && !output->quiet)
        print_block(output, &written);
    block_meta_release(&written);
    return code;
}

/* The longest of the lengths that blocks are compacted to. */
static int64_t block_duration(int64_t max_ms)
{
    int64_t duration_ms = BLOCK_MS;
    for (int i = 1; i < BLOCK_LEVELS && duration_ms * BLOCK_FACTOR <= max_ms; i++)
        duration_ms *= BLOCK_FACTOR;
    return duration_ms;
}

static enum err write_blocks(struct input *input, struct output *output, const char *path,
                             struct errbuf *err)
{
    struct tsdb_directory directory;
    enum err code = directory_open(fs_system, path, false, &directory, err);
    if (code != ERR_NONE)
        return code;
    struct buf blocks;
    buf_init(&blocks, PATH_SIZE_MAX);
    buf_printf(&blocks, "%s/blocks", directory.path);
    output->path = buf_take(&blocks);
    code = fs_make_directories(fs_system, output->path, err);
    int64_t step_ms = output->block_ms, rest = input->min_ms % step_ms;
    int64_t at = input->min_ms - (rest < 0 ? rest + step_ms : rest);
    for (; at <= input->max_ms && code == ERR_NONE; at += step_ms) {
        progress_show("blocks", (size_t)((at - input->min_ms) / step_ms),
                      (size_t)((input->max_ms - input->min_ms) / step_ms));
        code = write_block(input, output, at + step_ms, err);
    }
    progress_clear();
    mem_free(output->path);
    owner_restore(directory.path);
    directory_close(fs_system, &directory);
    return code;
}

static void input_init(struct input *input, const struct command_line *line)
{
    *input = (struct input){.line = line, .min_ms = INT64_MAX, .max_ms = INT64_MIN};
    buf_init(&input->text, INPUT_SIZE_MAX);
    arena_init(&input->arena, ARENA_SIZE_MAX);
    labels_builder_init(&input->builder);
    table_init(&input->by_text);
    table_init(&input->by_labels);
}

static void input_release(struct input *input)
{
    for (size_t i = 0; i < input->series.len; i++) {
        labels_unref(input->series.items[i].labels);
        vec_release(&input->series.items[i].samples);
    }
    vec_release(&input->series);
    vec_release(&input->texts);
    table_release(&input->by_text);
    table_release(&input->by_labels);
    labels_builder_release(&input->builder);
    arena_release(&input->arena);
    buf_release(&input->text);
}

static int run(const struct command_line *line)
{
    struct errbuf err = ERRBUF_INIT;
    struct input input;
    int64_t max_ms = 0;
    const char *duration = command_line_text(line, "max-block-duration");
    enum err code =
        duration == NULL ? ERR_NONE : duration_parse(slice_str(duration), &max_ms, &err);
    struct output output = {.quiet = command_line_switch(line, "quiet"),
                            .human_readable = command_line_switch(line, "human-readable"),
                            .block_ms = block_duration(max_ms)};
    rand_init(&output.rand, rand_seed_system());
    input_init(&input, line);
    if (code == ERR_NONE)
        code = read_input(&input, command_line_argument(line, 0), &err);
    if (code == ERR_NONE)
        code = write_blocks(&input, &output, command_line_argument(line, 1), &err);
    input_release(&input);
    if (code != ERR_NONE)
        fprintf(stderr, "%s\n", err.text);
    return code == ERR_NONE ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command tsdb_create_command = {
    .words = "tsdb create-blocks-from openmetrics",
    .help = "Import samples from OpenMetrics input and produce TSDB blocks in a data directory of "
            "ferula, which must not run on it meanwhile. Each sample needs a timestamp.",
    .flags = {{"human-readable", 'r', COMMAND_SWITCH, NULL, NULL, "Print human readable values."},
              {"quiet", 'q', COMMAND_SWITCH, NULL, NULL, "Do not print created blocks."},
              {"max-block-duration", 0, COMMAND_TEXT, NULL, "<duration>",
               "Maximum duration created blocks may span. Anything less than 2h is ignored."},
              {"label", 0, COMMAND_LIST, NULL, "name=value",
               "Label to attach to metrics. Can be specified multiple times."}},
    .arguments = {{"input file", true, NULL, "OpenMetrics file to read samples from."},
                  {"output directory", false, DATA_PATH_DEFAULT,
                   "Data directory for generated blocks (default is data/)."}},
    .run = run,
};
