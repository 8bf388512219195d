#include "rules/outputs.h"

#include "base/alloc.h"
#include "model/sample.h"

/* From so many series on, a column of times that they share is smaller than what it saves. */
#define GROUP_SERIES_MIN 16

struct output {
    const struct labels *labels;
    series_ref ref;
    uint64_t round; /* in which it was written last */
};

static bool output_equal(const void *value, const void *key)
{
    return labels_equal(((const struct output *)value)->labels, key);
}

void output_samples_release(struct output_samples *samples)
{
    for (size_t i = 0; i < samples->items.len; i++)
        labels_unref(samples->items.items[i].labels);
    vec_release(&samples->items);
}

void output_series_release(struct output_series *series)
{
    for (size_t i = 0; i < series->items.len; i++)
        labels_unref(series->items.items[i]);
    vec_release(&series->items);
}

void outputs_init(struct outputs *outputs, struct tsdb *db)
{
    *outputs = (struct outputs){.db = db};
    table_init(&outputs->series);
}

static void output_free(struct output *output)
{
    labels_unref(output->labels);
    mem_free(output);
}

void outputs_release(struct outputs *outputs)
{
    size_t at = 0;
    struct output *output;
    while ((output = table_next(&outputs->series, &at)) != NULL)
        output_free(output);
    table_release(&outputs->series);
    if (outputs->group != NULL)
        sample_group_free(outputs->group);
    outputs->group = NULL;
}

void outputs_take_series(struct outputs *outputs, struct output_series *out)
{
    size_t at = 0;
    const struct output *output;
    while ((output = table_next(&outputs->series, &at)) != NULL)
        vec_push(&out->items, labels_ref(output->labels));
    outputs_release(outputs);
    outputs_init(outputs, outputs->db);
}

static struct output *outputs_find(struct outputs *outputs, const struct labels *labels)
{
    struct output *output = table_get(&outputs->series, labels->hash, output_equal, labels);
    if (output != NULL)
        return output;
    output = mem_zalloc(sizeof(*output));
    output->labels = labels_ref(labels);
    table_add(&outputs->series, labels->hash, output);
    return output;
}

/* A transaction, and how samples go into it: as a row of the group, or loose. */
struct output_row {
    struct appender *appender;
    bool is_loose;
    int64_t t_ms;
};

static enum append_result row_append(const struct output_row *row, series_ref ref, double value,
                                     const struct histogram *histogram)
{
    if (histogram != NULL)
        return append_histogram_at(row->appender, ref, row->t_ms, histogram);
    return row->is_loose ? append_at(row->appender, ref, row->t_ms, value)
                         : append(row->appender, ref, value);
}

static enum append_result output_stage(struct output *output, const struct output_row *row,
                                       double value, const struct histogram *histogram)
{
    enum append_result result = APPEND_UNKNOWN_SERIES;
    /* a second time, when storage has let the series go since */
    for (int attempt = 0; attempt < 2 && result == APPEND_UNKNOWN_SERIES; attempt++) {
        if (output->ref == 0 || attempt > 0)
            output->ref = appender_series(row->appender, output->labels);
        result = row_append(row, output->ref, value, histogram);
    }
    return result;
}

/* Counts what was refused, in the reference's words. */
static void report_refused(enum append_result result, struct outputs_report *report,
                           struct errbuf *refused)
{
    switch (result) {
    case APPEND_OK:
    case APPEND_DUPLICATE_SAME:
        break;
    case APPEND_OUT_OF_ORDER:
        report->out_of_order++;
        errbuf_set(refused, ERR_EXECUTION, "out of order sample");
        break;
    case APPEND_TOO_OLD:
        report->too_old++;
        errbuf_set(refused, ERR_EXECUTION, "too old sample");
        break;
    case APPEND_DUPLICATE:
        report->duplicates++;
        errbuf_set(refused, ERR_EXECUTION, "duplicate sample for timestamp");
        break;
    case APPEND_OUT_OF_BOUNDS:
    case APPEND_UNKNOWN_SERIES:
        report->too_old++;
        errbuf_set(refused, ERR_EXECUTION, "out of bounds");
        break;
    }
}

/* Ends the series that were not written in this round. */
static void outputs_stage_markers(struct outputs *outputs, const struct output_row *row)
{
    size_t at = 0;
    struct output *output;
    while ((output = table_next(&outputs->series, &at)) != NULL) {
        if (output->round == outputs->round)
            continue;
        /* refused where another rule writes the series now: that is as it should be */
        (void)output_stage(output, row, sample_stale(), NULL);
    }
}

/* Forgets the series that were not written in this round. */
static void outputs_sweep(struct outputs *outputs)
{
    struct table kept;
    table_init(&kept);
    table_reserve(&kept, outputs->series.len);
    size_t at = 0;
    struct output *output;
    bool dropped = false;
    while ((output = table_next(&outputs->series, &at)) != NULL) {
        if (output->round == outputs->round) {
            table_add(&kept, output->labels->hash, output);
        } else {
            output_free(output);
            dropped = true;
        }
    }
    if (dropped) {
        table_release(&outputs->series);
        outputs->series = kept;
    } else {
        table_release(&kept);
    }
}

enum err outputs_write(struct outputs *outputs, int64_t t_ms, const struct output_samples *samples,
                       struct outputs_report *out_report, struct errbuf *out_refused,
                       struct errbuf *err)
{
    *out_report = (struct outputs_report){0};
    if (samples->items.len == 0 && outputs->series.len == 0)
        return ERR_NONE;
    if (outputs->group == NULL && samples->items.len >= GROUP_SERIES_MIN)
        outputs->group = sample_group_new(outputs->db);
    struct output_row row = {.is_loose = outputs->group == NULL, .t_ms = t_ms};
    enum err code = appender_begin(outputs->db, outputs->group, t_ms, &row.appender, err);
    if (code != ERR_NONE)
        return code;
    outputs->round++;
    for (size_t i = 0; i < samples->items.len; i++) {
        const struct output_sample *sample = &samples->items.items[i];
        struct output *output = outputs_find(outputs, sample->labels);
        enum append_result result =
            output_stage(output, &row, sample->value, sample->histogram);
        report_refused(result, out_report, out_refused);
        if (result == APPEND_OK || result == APPEND_DUPLICATE_SAME) {
            output->round = outputs->round;
            out_report->written++;
        }
    }
    if (out_report->written < outputs->series.len)
        outputs_stage_markers(outputs, &row);
    code = appender_commit(row.appender, err);
    if (code == ERR_NONE && out_report->written < outputs->series.len)
        outputs_sweep(outputs);
    return code;
}

enum err output_series_end(struct tsdb *db, const struct output_series *series, int64_t t_ms,
                           struct errbuf *err)
{
    if (series->items.len == 0)
        return ERR_NONE;
    struct appender *appender;
    enum err code = appender_begin(db, NULL, t_ms, &appender, err);
    if (code != ERR_NONE)
        return code;
    for (size_t i = 0; i < series->items.len; i++) {
        series_ref ref = appender_series(appender, series->items.items[i]);
        (void)append_at(appender, ref, t_ms, sample_stale());
    }
    return appender_commit(appender, err);
}
