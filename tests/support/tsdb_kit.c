#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/err.h"
#include "model/labels_builder.h"
#include "model/matcher.h"
#include "model/sample.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_SIZE_MAX ((size_t)16 << 20)

const char *kit_directory(void)
{
    static const char template[] = "/tmp/ferula-tsdb-XXXXXX";
    static char path[sizeof(template)];
    memcpy(path, template, sizeof(template));
    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

void kit_remove(const char *path)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(fs_remove_tree(fs_system, path, &err) == ERR_NONE, "%s", err.text);
}

struct tsdb *kit_open(const struct tsdb_options *options)
{
    struct tsdb *db = NULL;
    struct errbuf err = ERRBUF_INIT;
    enum err result = tsdb_open(options, &db, &err);
    ck_assert_msg(result == ERR_NONE, "tsdb_open: %s", err.text);
    return db;
}

struct labels *kit_labels(const char *text)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    struct slice rest = slice_str(text);
    while (rest.len > 0) {
        size_t comma = slice_index(rest, ',');
        struct slice pair = comma == SLICE_NONE ? rest : slice_sub(rest, 0, comma);
        rest = comma == SLICE_NONE ? SLICE_EMPTY : slice_from_index(rest, comma + 1);
        size_t equal = slice_index(pair, '=');
        ck_assert(equal != SLICE_NONE);
        labels_builder_set(&builder, slice_sub(pair, 0, equal), slice_from_index(pair, equal + 1));
    }
    struct labels *labels = labels_builder_build(&builder);
    labels_builder_release(&builder);
    return labels;
}

struct appender *kit_begin(struct tsdb *db, struct sample_group *group, int64_t t_ms)
{
    struct appender *appender = NULL;
    struct errbuf err = ERRBUF_INIT;
    enum err result = appender_begin(db, group, t_ms, &appender, &err);
    ck_assert_msg(result == ERR_NONE, "appender_begin: %s", err.text);
    return appender;
}

void kit_commit(struct appender *appender)
{
    struct errbuf err = ERRBUF_INIT;
    enum err result = appender_commit(appender, &err);
    ck_assert_msg(result == ERR_NONE, "appender_commit: %s", err.text);
}

enum append_result kit_stage(struct appender *appender, const char *text, double value)
{
    struct labels *labels = kit_labels(text);
    enum append_result result = append(appender, appender_series(appender, labels), value);
    labels_unref(labels);
    return result;
}

static enum append_result stage_at(struct appender *appender, const char *text, int64_t t_ms,
                                   double value)
{
    struct labels *labels = kit_labels(text);
    enum append_result result = append_at(appender, appender_series(appender, labels), t_ms, value);
    labels_unref(labels);
    return result;
}

void kit_append(struct tsdb *db, const char *labels, int64_t t_ms, double value)
{
    struct appender *appender = kit_begin(db, NULL, t_ms);
    enum append_result result = stage_at(appender, labels, t_ms, value);
    ck_assert_msg(result == APPEND_OK, "%s at %ld: %d", labels, (long)t_ms, result);
    kit_commit(appender);
}

enum append_result kit_try(struct tsdb *db, const char *labels, int64_t t_ms, double value)
{
    struct appender *appender = kit_begin(db, NULL, t_ms);
    enum append_result result = stage_at(appender, labels, t_ms, value);
    appender_rollback(appender);
    return result;
}

static void print_samples(const struct sample_columns *columns, struct buf *out)
{
    for (size_t i = 0; i < columns->count; i++) {
        buf_printf(out, "%s%ld:", out->len > 0 ? " " : "", (long)columns->timestamps_ms[i]);
        if (columns->start_timestamps_ms != NULL && columns->start_timestamps_ms[i] != 0)
            buf_printf(out, "since %ld:", (long)columns->start_timestamps_ms[i]);
        const struct histogram *histogram =
            columns->histograms == NULL ? NULL : columns->histograms[i];
        if (histogram != NULL && sample_is_stale(histogram->sum))
            buf_append_str(out, "hstale");
        else if (histogram != NULL)
            buf_printf(out, "h%.17g", histogram->count);
        else if (sample_is_stale(columns->values[i]))
            buf_append_str(out, "stale");
        else
            buf_printf(out, "%.17g", columns->values[i]);
    }
}

/* Selects by the first label and compares the rest, so that a selection of one is not assumed. */
const char *kit_read_view(struct series_view *view, const char *text, int64_t min_ms,
                          int64_t max_ms)
{
    static struct buf out;
    buf_release(&out);
    buf_init(&out, OUT_SIZE_MAX);
    struct labels *labels = kit_labels(text);
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, symbols_text(labels->pairs[0].name),
                          symbols_text(labels->pairs[0].value), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, min_ms, max_ms, true, 0};
    struct series_list list = {0};
    struct errbuf err = ERRBUF_INIT;
    ck_assert(series_view_select(view, &query, &list, &err) == ERR_NONE);
    struct sample_columns columns;
    sample_columns_init(&columns);
    for (size_t i = 0; i < list.entries.len; i++) {
        if (!labels_equal(list.entries.items[i].labels, labels))
            continue;
        enum err result =
            series_view_read(view, &list.entries.items[i], min_ms, max_ms, &columns, &err);
        ck_assert_msg(result == ERR_NONE, "read: %s", err.text);
        print_samples(&columns, &out);
    }
    sample_columns_release(&columns);
    series_list_release(&list);
    matcher_free(matcher);
    labels_unref(labels);
    return buf_cstr(&out);
}

const char *kit_read_range(struct tsdb *db, const char *labels, int64_t min_ms, int64_t max_ms)
{
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), min_ms, max_ms, &view, NULL) == ERR_NONE);
    const char *text = kit_read_view(view, labels, min_ms, max_ms);
    series_view_close(view);
    return text;
}

const char *kit_read(struct tsdb *db, const char *labels)
{
    return kit_read_range(db, labels, INT64_MIN, INT64_MAX);
}

static struct matcher *parse_matcher(struct slice text)
{
    static const struct {
        const char *sign;
        enum matcher_type type;
    } signs[] = {{"!=", MATCHER_NOT_EQUAL},
                 {"=~", MATCHER_REGEX},
                 {"!~", MATCHER_NOT_REGEX},
                 {"=", MATCHER_EQUAL}};
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
        size_t at = slice_find(text, slice_str(signs[i].sign));
        if (at == SLICE_NONE)
            continue;
        struct matcher *matcher;
        struct errbuf err = ERRBUF_INIT;
        enum err result =
            matcher_new(signs[i].type, slice_sub(text, 0, at),
                        slice_from_index(text, at + strlen(signs[i].sign)), &matcher, &err);
        ck_assert_msg(result == ERR_NONE, "%s", err.text);
        return matcher;
    }
    ck_abort_msg("no matcher: %.*s", SLICE_ARG(text));
}

const char *kit_select(struct tsdb *db, const char *text)
{
    static struct buf out;
    buf_release(&out);
    buf_init(&out, OUT_SIZE_MAX);
    struct matcher *matchers[16];
    size_t count = 0;
    struct slice rest = slice_str(text);
    while (rest.len > 0) {
        size_t comma = slice_index(rest, ',');
        struct slice one = comma == SLICE_NONE ? rest : slice_sub(rest, 0, comma);
        rest = comma == SLICE_NONE ? SLICE_EMPTY : slice_from_index(rest, comma + 1);
        matchers[count++] = parse_matcher(one);
    }
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) == ERR_NONE);
    struct series_query query = {
        (const struct matcher *const *)matchers, count, INT64_MIN, INT64_MAX, true, 0};
    struct series_list list = {0};
    ck_assert(series_view_select(view, &query, &list, NULL) == ERR_NONE);
    for (size_t i = 0; i < list.entries.len; i++) {
        if (i > 0)
            buf_append_byte(&out, ' ');
        labels_print(list.entries.items[i].labels, &out);
    }
    series_list_release(&list);
    series_view_close(view);
    for (size_t i = 0; i < count; i++)
        matcher_free(matchers[i]);
    return buf_cstr(&out);
}
