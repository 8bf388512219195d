/* ferulatool tsdb dump and dump-openmetrics: every sample as a line. */
#include "tool/tsdb_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/float_text.h"
#include "base/json_writer.h"
#include "model/histogram_arithmetic.h"
#include "model/quote.h"
#include "model/sample.h"
#include "tool/data_directory.h"
#include "tool/selection.h"

#define SELECTOR_ALL "{__name__=~'(?s:.*)'}"
#define TIME_MIN_TEXT "-9223372036854775808"
#define TIME_MAX_TEXT "9223372036854775807"
#define SPILL_SIZE ((size_t)1 << 16)

typedef void (*series_printer)(const struct labels *labels, const struct sample_columns *samples,
                               struct buf *out);

static void print_float(double value, struct buf *out)
{
    char text[FLOAT_TEXT_SHORT_SIZE];
    buf_append(out, text, float_text_g(value, text));
}

static void print_samples(const struct labels *labels, const struct sample_columns *samples,
                          struct buf *out)
{
    struct buf prefix CLEANUP(buf_release);
    buf_init(&prefix, BUF_SIZE_ANY);
    labels_print(labels, &prefix);
    buf_append_byte(&prefix, ' ');
    for (size_t i = 0; i < samples->count; i++) {
        const struct histogram *histogram =
            samples->histograms == NULL ? NULL : samples->histograms[i];
        buf_append_slice(out, buf_slice(&prefix));
        if (histogram != NULL)
            histogram_print(histogram, out);
        else
            print_float(samples->values[i], out);
        buf_printf(out, " %" PRId64 "\n", samples->timestamps_ms[i]);
    }
}

static void print_series_json(const struct labels *labels, const struct sample_columns *samples,
                              struct buf *out)
{
    struct json_writer json;
    if (samples->count == 0)
        return;
    json_writer_init(&json, out);
    json_object_begin(&json);
    for (uint32_t i = 0; i < labels->count; i++) {
        json_key_slice(&json, symbols_text(labels->pairs[i].name));
        json_string(&json, symbols_text(labels->pairs[i].value));
    }
    json_object_end(&json);
    buf_append_byte(out, '\n');
}

/* Without the spaces of the usual form. */
static void print_condensed(const struct labels *labels, struct buf *out)
{
    bool first = true;
    buf_append_byte(out, '{');
    for (uint32_t i = 0; i < labels->count; i++) {
        if (labels->pairs[i].name == labels_name_symbol())
            continue;
        if (!first)
            buf_append_byte(out, ',');
        first = false;
        buf_append_slice(out, symbols_text(labels->pairs[i].name));
        buf_append_byte(out, '=');
        quote_go(symbols_text(labels->pairs[i].value), out);
    }
    buf_append_byte(out, '}');
}

/* OpenMetrics has neither native histograms nor stale markers. */
static void print_openmetrics(const struct labels *labels, const struct sample_columns *samples,
                              struct buf *out)
{
    struct buf prefix CLEANUP(buf_release);
    buf_init(&prefix, BUF_SIZE_ANY);
    buf_append_slice(&prefix, labels_metric_name(labels));
    print_condensed(labels, &prefix);
    for (size_t i = 0; i < samples->count; i++) {
        if ((samples->histograms != NULL && samples->histograms[i] != NULL) ||
            sample_is_stale(samples->values[i]))
            continue;
        buf_append_slice(out, buf_slice(&prefix));
        buf_append_byte(out, ' ');
        print_float(samples->values[i], out);
        buf_printf(out, " %.3f\n", (double)samples->timestamps_ms[i] / 1000);
    }
}

static enum err dump_view(const struct command_line *line, struct series_view *view, int64_t min_ms,
                          int64_t max_ms, series_printer print, struct errbuf *err)
{
    struct series_list CLEANUP(series_list_release) list = {0};
    struct sample_columns CLEANUP(sample_columns_release) columns;
    struct buf CLEANUP(buf_release) out;
    sample_columns_init(&columns);
    buf_init(&out, BUF_SIZE_ANY);
    enum err code = ERR_NONE;
    const char *selector;
    for (size_t i = 0; code == ERR_NONE && (selector = command_line_item(line, "match", i)); i++)
        code = selection_add(view, selector, min_ms, max_ms, &list, err);
    for (size_t i = 0; i < list.entries.len && code == ERR_NONE; i++) {
        code = series_view_read(view, &list.entries.items[i], min_ms, max_ms, &columns, err);
        if (code == ERR_NONE)
            print(list.entries.items[i].labels, &columns, &out);
        if (out.len >= SPILL_SIZE || i + 1 == list.entries.len) {
            fwrite(out.data, 1, out.len, stdout);
            buf_reset(&out);
        }
    }
    return code;
}

static bool read_time(const char *text, int64_t *out)
{
    char *end;
    *out = strtoll(text, &end, 10);
    return *text != '\0' && *end == '\0';
}

static int fail(struct errbuf *err)
{
    fprintf(stderr, "%s\n", err->text);
    return EXIT_FAILURE;
}

static int dump(const struct command_line *line, series_printer print)
{
    struct errbuf err = ERRBUF_INIT;
    struct data_directory directory;
    struct data_view view;
    int64_t min_ms, max_ms;
    if (!read_time(command_line_text(line, "min-time"), &min_ms) ||
        !read_time(command_line_text(line, "max-time"), &max_ms)) {
        errbuf_set(&err, ERR_INVALID,
                   "--min-time and --max-time are whole numbers: milliseconds "
                   "since the Unix epoch");
        return fail(&err);
    }
    if (data_directory_open(command_line_argument(line, 0), &directory, &err) != ERR_NONE)
        return fail(&err);
    size_t left_out = 0;
    enum err code = data_view_open(&directory, min_ms, max_ms, &view, &err);
    if (code == ERR_NONE) {
        code = dump_view(line, view.view, min_ms, max_ms, print, &err);
        left_out = series_view_tell_left_out(view.view);
        data_view_close(&view);
    }
    data_directory_release(&directory);
    if (code == ERR_NONE && print == print_openmetrics)
        puts("# EOF");
    if (code != ERR_NONE)
        return fail(&err);
    return left_out == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_dump(const struct command_line *line)
{
    const char *format = command_line_text(line, "format");
    bool is_json = strcmp(format, "seriesjson") == 0;
    if (!is_json && strcmp(format, "prom") != 0) {
        fprintf(stderr, "enum value must be one of prom,seriesjson, got '%s'\n", format);
        return EXIT_FAILURE;
    }
    return dump(line, is_json ? print_series_json : print_samples);
}

static int run_openmetrics(const struct command_line *line)
{
    return dump(line, print_openmetrics);
}

#define DUMP_FLAGS                                                                                 \
    {"sandbox-dir-root",                                                                           \
     0,                                                                                            \
     COMMAND_TEXT,                                                                                 \
     NULL,                                                                                         \
     "DIR",                                                                                        \
     "As of promtool; nothing is written here, so it has no effect.",                              \
     false},                                                                                       \
        {"min-time",    0,    COMMAND_TEXT,                                                        \
         TIME_MIN_TEXT, NULL, "Minimum timestamp to dump, in milliseconds since the Unix epoch.",  \
         false},                                                                                   \
        {"max-time",    0,    COMMAND_TEXT,                                                        \
         TIME_MAX_TEXT, NULL, "Maximum timestamp to dump, in milliseconds since the Unix epoch.",  \
         false},                                                                                   \
    {                                                                                              \
        "match", 0, COMMAND_LIST, SELECTOR_ALL, NULL,                                              \
            "Series selector. Can be specified multiple times.", false                             \
    }

const struct command tsdb_dump_command = {
    .words = "tsdb dump",
    .help = "Dump samples, or just series, of a data directory: its blocks and, while no server "
            "has it open, what is not in blocks yet.",
    .flags = {DUMP_FLAGS,
              {"format", 0, COMMAND_TEXT, "prom", NULL,
               "Output format of the dump: prom (samples) or seriesjson (label sets)."}},
    .arguments = {{"db path", false, DATA_PATH_DEFAULT, "Database path (default is data/)."}},
    .run = run_dump,
};

const struct command tsdb_dump_openmetrics_command = {
    .words = "tsdb dump-openmetrics",
    .help = "Dump samples of a data directory as OpenMetrics text, without native histograms and "
            "stale markers, which OpenMetrics cannot express.",
    .flags = {DUMP_FLAGS},
    .arguments = {{"db path", false, DATA_PATH_DEFAULT, "Database path (default is data/)."}},
    .run = run_openmetrics,
};
