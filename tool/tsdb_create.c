/*
 * ferulatool tsdb create-blocks-from openmetrics: samples of a text become blocks. All of them are
 * held in memory, 16 bytes each, which is less than their text.
 */
#include "tool/tsdb_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/table.h"
#include "exposition/exposition.h"
#include "model/labels_builder.h"
#include "tool/block_input.h"
#include "tool/block_output.h"

#define INPUT_SIZE_MAX ((size_t)64 << 30)
#define ARENA_SIZE_MAX ((size_t)64 << 20)
#define HASH_SEED 0

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
    struct block_input samples;
    VEC(struct input_text) texts;
    struct table by_text; /* number of the text + 1 */
    struct errbuf err;    /* why the sink stopped */
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
    *out = block_input_series(&input->samples, labels_builder_take(&input->builder));
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
    block_input_add(&input->samples, number, timestamp_ms, value);
    return EXPOSITION_GO_ON;
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
    return code == ERR_NONE ? block_input_sort(&input->samples, INPUT_CONFLICT_FAILS, err) : code;
}

/* --- the command --- */

static enum err write_blocks(struct input *input, struct errbuf *err)
{
    struct block_output output;
    enum err code =
        block_output_open(&output, input->line, command_line_argument(input->line, 1), err);
    if (code != ERR_NONE)
        return code;
    code = block_output_write(&output, &input->samples, err);
    block_output_close(&output);
    return code;
}

static void input_init(struct input *input, const struct command_line *line)
{
    *input = (struct input){.line = line};
    block_input_init(&input->samples);
    buf_init(&input->text, INPUT_SIZE_MAX);
    arena_init(&input->arena, ARENA_SIZE_MAX);
    labels_builder_init(&input->builder);
    table_init(&input->by_text);
}

static void input_release(struct input *input)
{
    block_input_release(&input->samples);
    vec_release(&input->texts);
    table_release(&input->by_text);
    labels_builder_release(&input->builder);
    arena_release(&input->arena);
    buf_release(&input->text);
}

static int run(const struct command_line *line)
{
    struct errbuf err = ERRBUF_INIT;
    struct input input;
    input_init(&input, line);
    enum err code = read_input(&input, command_line_argument(line, 0), &err);
    if (code == ERR_NONE)
        code = write_blocks(&input, &err);
    input_release(&input);
    if (code != ERR_NONE)
        fprintf(stderr, "%s\n", err.text);
    return code == ERR_NONE ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command tsdb_create_command = {
    .words = "tsdb create-blocks-from openmetrics",
    .help = "Import samples from OpenMetrics input and produce TSDB blocks in a data directory of "
            "ferula, which must not run on it meanwhile. Each sample needs a timestamp.",
    .flags = {BLOCK_OUTPUT_FLAGS,
              {"label", 0, COMMAND_LIST, NULL, "name=value",
               "Label to attach to metrics. Can be specified multiple times."}},
    .arguments = {{"input file", true, NULL, "OpenMetrics file to read samples from."},
                  {"output directory", false, DATA_PATH_DEFAULT,
                   "Data directory for generated blocks (default is data/)."}},
    .run = run,
};
