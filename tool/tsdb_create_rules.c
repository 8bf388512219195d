/*
 * ferulatool tsdb create-blocks-from rules: what recording rules would have recorded. A server
 * answers their expressions over the past, block by block, at the times at which the group would
 * have been evaluated.
 */
#include "tool/tsdb_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "model/duration.h"
#include "model/timestamp.h"
#include "rules/rule_file.h"
#include "tool/block_input.h"
#include "tool/block_output.h"
#include "tool/progress.h"
#include "tool/range_query.h"

#define ERRORS_SIZE_MAX ((size_t)1 << 20)
#define SECOND_MS INT64_C(1000)
/* Without --end: what is newer may not be complete. */
#define END_BEHIND_MS INT64_C(10800000)
/* A server answers at most 11,000 points a series. */
#define STEPS_MAX 10000

struct backfill {
    const struct command_line *line;
    VEC(struct rule_file *) files;
    struct range_query_client *client;
    int64_t start_ms;
    int64_t end_ms;
    int64_t interval_ms; /* of groups that say none */
    size_t failed;
    /* of the block that is gathered: */
    struct block_input input;
    const struct rule_definition *rule;
    size_t series;
};

/* --- what the server answers --- */

static void take_series(void *context, struct labels_builder *labels)
{
    struct backfill *backfill = context;
    for (size_t i = 0; i < backfill->rule->label_count; i++)
        labels_builder_set(labels, backfill->rule->labels[i].name, backfill->rule->labels[i].value);
    labels_builder_set(labels, SLICE(LABEL_METRIC_NAME), backfill->rule->record);
    backfill->series = block_input_series(&backfill->input, labels_builder_build(labels));
}

static void take_sample(void *context, int64_t time_ms, double value)
{
    struct backfill *backfill = context;
    block_input_add(&backfill->input, backfill->series, time_ms, value);
}

static void take_warning(void *context, struct slice text)
{
    const struct backfill *backfill = context;
    progress_clear();
    fprintf(stderr, "rule %.*s: %.*s\n", SLICE_ARG(backfill->rule->record), SLICE_ARG(text));
}

/* The first slot of the group at or behind `time_ms`. */
static int64_t align(const struct rule_file *file, const struct rule_group_definition *group,
                     int64_t interval_ms, int64_t time_ms)
{
    int64_t phase_ms = rule_group_definition_phase_ms(file, group, interval_ms);
    int64_t since_ms = (time_ms - phase_ms) % interval_ms;
    if (since_ms < 0)
        since_ms += interval_ms;
    return since_ms == 0 ? time_ms : time_ms - since_ms + interval_ms;
}

/* The samples of one rule from `start_ms` to before `end_ms`. */
static enum err query_rule(struct backfill *backfill, int64_t start_ms, int64_t end_ms,
                           int64_t interval_ms, struct errbuf *err)
{
    struct range_query_sink sink = {backfill, take_series, take_sample, take_warning};
    enum err code = ERR_NONE;
    while (start_ms < end_ms && code == ERR_NONE) {
        int64_t part_ms =
            MIN((end_ms - 1 - start_ms) / interval_ms, (int64_t)STEPS_MAX) * interval_ms;
        struct range_query query = {.expression = backfill->rule->query,
                                    .start_ms = start_ms,
                                    .end_ms = start_ms + part_ms,
                                    .step_ms = interval_ms};
        code = range_query_run(backfill->client, &query, &sink, err);
        start_ms += part_ms + interval_ms;
    }
    if (code != ERR_NONE)
        errbuf_prefix(err, "query range: ");
    return code;
}

/* A rule that fails does not keep the others back. */
static void query_group(struct backfill *backfill, const struct rule_file *file,
                        const struct rule_group_definition *group, int64_t start_ms, int64_t end_ms)
{
    int64_t interval_ms = group->interval_ms > 0 ? group->interval_ms : backfill->interval_ms;
    start_ms = align(file, group, interval_ms, start_ms);
    for (size_t i = 0; i < group->rule_count; i++) {
        struct errbuf err = ERRBUF_INIT;
        backfill->rule = &group->rules[i];
        if (rule_definition_is_alerting(backfill->rule))
            continue;
        if (query_rule(backfill, start_ms, end_ms, interval_ms, &err) == ERR_NONE)
            continue;
        progress_clear();
        fprintf(stderr, "rule importer error: group %.*s, rule %.*s: %s\n", SLICE_ARG(group->name),
                SLICE_ARG(backfill->rule->record), err.text);
        backfill->failed++;
    }
}

/* All rules from `start_ms` to before `end_ms`, and their block. */
static enum err fill_block(struct backfill *backfill, struct block_output *output, int64_t start_ms,
                           int64_t end_ms, struct errbuf *err)
{
    block_input_init(&backfill->input);
    for (size_t i = 0; i < backfill->files.len; i++) {
        const struct rule_file *file = backfill->files.items[i];
        for (size_t k = 0; k < file->group_count; k++)
            query_group(backfill, file, &file->groups[k], start_ms, end_ms);
    }
    /* two rules may give one series, as two servers may */
    enum err code = block_input_sort(&backfill->input, INPUT_CONFLICT_FIRST, err);
    if (code == ERR_NONE)
        code = block_output_write(output, &backfill->input, err);
    block_input_release(&backfill->input);
    return code;
}

static enum err fill_blocks(struct backfill *backfill, struct errbuf *err)
{
    struct block_output output;
    const char *path = command_line_text(backfill->line, "output-dir");
    enum err code = block_output_open(&output, backfill->line, path, err);
    if (code != ERR_NONE)
        return code;
    int64_t step_ms = output.block_ms, rest = backfill->start_ms % step_ms;
    int64_t first_ms = backfill->start_ms - (rest < 0 ? rest + step_ms : rest);
    for (int64_t at = first_ms; at <= backfill->end_ms && code == ERR_NONE; at += step_ms) {
        progress_show("blocks", (size_t)((at - first_ms) / step_ms),
                      (size_t)((backfill->end_ms - first_ms) / step_ms + 1));
        code = fill_block(backfill, &output, MAX(at, backfill->start_ms),
                          MIN(at + step_ms, backfill->end_ms + 1), err);
    }
    progress_clear();
    block_output_close(&output);
    return code;
}

/* --- what was given --- */

static enum err read_time(const char *text, const char *what, int64_t *out, struct errbuf *err)
{
    if (!timestamp_parse(slice_str(text), out))
        return errbuf_set(err, ERR_INVALID,
                          "error parsing %s time: cannot parse \"%s\" to a valid timestamp; write "
                          "2026-11-20T15:04:05Z or seconds since 1970",
                          what, text);
    *out -= ((*out % SECOND_MS) + SECOND_MS) % SECOND_MS;
    return ERR_NONE;
}

static enum err read_times(struct backfill *backfill, struct errbuf *err)
{
    const char *end = command_line_text(backfill->line, "end");
    enum err code = duration_parse(slice_str(command_line_text(backfill->line, "eval-interval")),
                                   &backfill->interval_ms, err);
    if (code == ERR_NONE && backfill->interval_ms == 0)
        code = errbuf_set(err, ERR_INVALID, "--eval-interval must be longer than 0");
    backfill->end_ms = clock_now_ms(clock_system) - END_BEHIND_MS;
    if (code == ERR_NONE && end != NULL)
        code = read_time(end, "end", &backfill->end_ms, err);
    if (code == ERR_NONE)
        code = read_time(command_line_text(backfill->line, "start"), "start", &backfill->start_ms,
                         err);
    if (code == ERR_NONE && backfill->start_ms >= backfill->end_ms)
        code = errbuf_set(err, ERR_INVALID, "start time is not before end time");
    return code;
}

static enum err load_files(struct backfill *backfill, struct errbuf *err)
{
    struct rule_file_options options = {.utf8_names = true};
    struct buf errors CLEANUP(buf_release);
    buf_init(&errors, ERRORS_SIZE_MAX);
    const char *path;
    for (size_t i = 0; (path = command_line_word(backfill->line, i)) != NULL; i++) {
        struct rule_file *file;
        if (rule_file_load(path, &options, &file, &errors, err) == ERR_NONE)
            vec_push(&backfill->files, file);
    }
    if (errors.len == 0)
        return ERR_NONE;
    fprintf(stderr, "rule importer parse error:\n%s\n", buf_cstr(&errors));
    return errbuf_set(err, ERR_INVALID, "nothing was written");
}

static int run(const struct command_line *line)
{
    struct errbuf err = ERRBUF_INIT;
    struct backfill backfill = {.line = line};
    enum err code = read_times(&backfill, &err);
    if (code == ERR_NONE)
        code = load_files(&backfill, &err);
    if (code == ERR_NONE)
        code = range_query_open(command_line_text(line, "url"), &backfill.client, &err);
    if (code == ERR_NONE)
        code = fill_blocks(&backfill, &err);
    range_query_close(backfill.client);
    for (size_t i = 0; i < backfill.files.len; i++)
        rule_file_unref(backfill.files.items[i]);
    vec_release(&backfill.files);
    if (code != ERR_NONE)
        fprintf(stderr, "%s\n", err.text);
    else if (backfill.failed > 0)
        fprintf(stderr, "error importing rules\n");
    return code == ERR_NONE && backfill.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command tsdb_create_rules_command = {
    .words = "tsdb create-blocks-from rules",
    .help = "Create blocks of data for new recording rules: a server with the data answers their "
            "expressions, and the results become blocks in a data directory of ferula, which must "
            "not run on it meanwhile.",
    .flags =
        {BLOCK_OUTPUT_FLAGS,
         {"url", 0, COMMAND_TEXT, "http://localhost:9090", NULL,
          "The URL for the Prometheus API with the data where the rule will be backfilled from; "
          "may hold user:password@.",
          false},
         {"start", 0, COMMAND_TEXT, NULL, "TIME",
          "The time to start backfilling the new rule from. Must be a RFC3339 formatted date or "
          "Unix timestamp. Required.",
          true},
         {"end", 0, COMMAND_TEXT, NULL, "TIME",
          "If an end time is provided, all recording rules in the rule files provided will be "
          "backfilled to the end time. Default will backfill up to 3 hours ago. Must be a "
          "RFC3339 formatted date or Unix timestamp.",
          false},
         {"output-dir", 0, COMMAND_TEXT, DATA_PATH_DEFAULT, NULL,
          "Data directory for generated blocks.", false},
         {"eval-interval", 0, COMMAND_TEXT, "60s", NULL,
          "How frequently to evaluate rules when backfilling if a value is not set in the "
          "recording rule files.",
          false}},
    .arguments =
        {{"rule-files", true, NULL,
          "A list of one or more files containing recording rules to be backfilled. Alerting "
          "rules are not evaluated.",
          true}},
    .run = run,
};
