#include "tool/block_output.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/path.h"
#include "model/duration.h"
#include "tool/block_table.h"
#include "tool/data_directory.h"
#include "tool/owner.h"
#include "tool/progress.h"
#include "tsdb/block_writer.h"

#define BLOCK_MS INT64_C(7200000)
#define BLOCK_LEVELS 10
#define BLOCK_FACTOR 3
#define DENSE_MS INT64_C(86400000)

/* How many samples of the series, from its next on, are before `end_ms`. */
static size_t samples_before(const struct input_series *series, int64_t end_ms)
{
    size_t count = 0;
    while (series->next + count < series->samples.len &&
           series->samples.items[series->next + count].time_ms < end_ms)
        count++;
    return count;
}

static void find_range(struct block_input *input, int64_t end_ms, struct block_meta *meta)
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

static void print_block(struct block_output *output, const struct block_meta *meta)
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

static enum err write_block(struct block_input *input, struct block_output *output, int64_t end_ms,
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

enum err block_output_open(struct block_output *output, const struct command_line *line,
                           const char *path, struct errbuf *err)
{
    int64_t max_ms = 0;
    const char *duration = command_line_text(line, "max-block-duration");
    enum err code = duration == NULL ? ERR_NONE : duration_parse(slice_str(duration), &max_ms, err);
    *output = (struct block_output){.quiet = command_line_switch(line, "quiet"),
                                    .human_readable = command_line_switch(line, "human-readable"),
                                    .block_ms = block_duration(max_ms)};
    rand_init(&output->rand, rand_seed_system());
    if (code == ERR_NONE)
        code = directory_open(fs_system, path, false, &output->directory, err);
    if (code != ERR_NONE)
        return code;
    output->path = path_print("%s/blocks", output->directory.path);
    code = fs_make_directories(fs_system, output->path, err);
    if (code != ERR_NONE)
        block_output_close(output);
    return code;
}

enum err block_output_write(struct block_output *output, struct block_input *input,
                            struct errbuf *err)
{
    int64_t step_ms = output->block_ms, rest = input->min_ms % step_ms;
    int64_t at = input->min_ms - (rest < 0 ? rest + step_ms : rest);
    enum err code = ERR_NONE;
    for (; at <= input->max_ms && code == ERR_NONE; at += step_ms) {
        progress_show("blocks", (size_t)((at - input->min_ms) / step_ms),
                      (size_t)((input->max_ms - input->min_ms) / step_ms));
        code = write_block(input, output, at + step_ms, err);
    }
    progress_clear();
    return code;
}

void block_output_close(struct block_output *output)
{
    mem_free(output->path);
    output->path = NULL;
    owner_restore(output->directory.path);
    directory_close(fs_system, &output->directory);
}
