#include "tests/support/fake_storage.h"

#include <check.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"

struct fake_series {
    const struct labels *labels;
    bool gone;
    int64_t newest_ms;
    double newest;
};

struct sample_group {
    int64_t newest_ms;
};

struct appender {
    struct sample_group *group;
    int64_t t_ms;
    VEC(struct fake_sample) staged;
};

static VEC(struct fake_series) all_series;
static struct histogram *last_histogram;
static VEC(struct fake_sample) all_samples;
static struct buf exemplars;
static int64_t exemplar_newest_ms;
static bool is_failing;
static bool takes_out_of_order;
static size_t commit_count;

void fake_storage_reset(void)
{
    histogram_free(last_histogram);
    last_histogram = NULL;
    for (size_t i = 0; i < all_series.len; i++)
        labels_unref(all_series.items[i].labels);
    vec_release(&all_series);
    vec_release(&all_samples);
    buf_release(&exemplars);
    buf_init(&exemplars, BUF_SIZE_ANY);
    exemplar_newest_ms = INT64_MIN;
    is_failing = false;
    takes_out_of_order = false;
    commit_count = 0;
}

void fake_storage_set_failing(bool failing)
{
    is_failing = failing;
}

void fake_storage_take_out_of_order(void)
{
    takes_out_of_order = true;
}

static bool series_is(const struct fake_series *series, const char *name)
{
    struct buf text;
    buf_init(&text, BUF_SIZE_ANY);
    labels_print_metric(series->labels, &text);
    /* blanks do not count */
    const char *at = buf_cstr(&text);
    while (*at != '\0' && (*at == ' ' || *at == *name))
        name += *at++ != ' ';
    bool same = *at == '\0' && *name == '\0';
    buf_release(&text);
    return same;
}

series_ref fake_storage_find(const char *series)
{
    for (size_t i = all_series.len; i > 0; i--) {
        if (!all_series.items[i - 1].gone && series_is(&all_series.items[i - 1], series))
            return i;
    }
    return 0;
}

void fake_storage_forget(const char *series)
{
    series_ref ref = fake_storage_find(series);
    ck_assert_uint_ne(ref, 0);
    all_series.items[ref - 1].gone = true;
}

size_t fake_storage_series_count(void)
{
    return all_series.len;
}

size_t fake_storage_count(const char *series)
{
    size_t count = 0;
    for (size_t i = 0; i < all_samples.len; i++)
        count += series_is(&all_series.items[all_samples.items[i].ref - 1], series);
    return count;
}

struct fake_sample fake_storage_sample(const char *series, int index)
{
    int count = (int)fake_storage_count(series);
    if (index < 0)
        index += count;
    ck_assert_msg(index >= 0 && index < count, "%s has %d samples", series, count);
    for (size_t i = 0;; i++) {
        if (series_is(&all_series.items[all_samples.items[i].ref - 1], series) && index-- == 0)
            return all_samples.items[i];
    }
}

bool fake_storage_is_stale(const char *series)
{
    return sample_is_stale(fake_storage_sample(series, -1).value);
}

size_t fake_storage_sample_count(void)
{
    return all_samples.len;
}

size_t fake_storage_commit_count(void)
{
    return commit_count;
}

struct sample_group *sample_group_new(struct tsdb *db)
{
    (void)db;
    struct sample_group *group = mem_zalloc(sizeof(*group));
    group->newest_ms = INT64_MIN;
    return group;
}

void sample_group_free(struct sample_group *group)
{
    mem_free(group);
}

enum err appender_begin(struct tsdb *db, struct sample_group *group, int64_t t_ms,
                        struct appender **out, struct errbuf *err)
{
    (void)db;
    if (is_failing)
        return errbuf_set(err, ERR_UNAVAILABLE, "storage has failed: no space left on device");
    struct appender *appender = mem_zalloc(sizeof(*appender));
    appender->group = group;
    appender->t_ms = t_ms;
    *out = appender;
    return ERR_NONE;
}

series_ref appender_series(struct appender *appender, const struct labels *labels)
{
    (void)appender;
    for (size_t i = 0; i < all_series.len; i++) {
        if (!all_series.items[i].gone && labels_equal(all_series.items[i].labels, labels))
            return i + 1;
    }
    vec_push(&all_series,
             (struct fake_series){.labels = labels_copy(labels), .newest_ms = INT64_MIN});
    return all_series.len;
}

const struct labels *appender_labels(struct appender *appender, series_ref ref)
{
    (void)appender;
    return all_series.items[ref - 1].labels;
}

int64_t appender_newest_ms(struct appender *appender, series_ref ref)
{
    (void)appender;
    return all_series.items[ref - 1].gone ? INT64_MIN : all_series.items[ref - 1].newest_ms;
}

static enum append_result fake_append(struct appender *appender, series_ref ref, int64_t t_ms,
                                      double value, bool in_row)
{
    ck_assert_msg(ref > 0 && ref <= all_series.len, "a ref that was never given out");
    const struct fake_series *series = &all_series.items[ref - 1];
    if (series->gone)
        return APPEND_UNKNOWN_SERIES;
    int64_t newest_ms = series->newest_ms;
    double newest = series->newest;
    for (size_t i = 0; i < appender->staged.len; i++) {
        const struct fake_sample *sample = &appender->staged.items[i];
        if (sample->ref == ref && sample->t_ms >= newest_ms) {
            newest_ms = sample->t_ms;
            newest = sample->value;
        }
    }
    if (t_ms < newest_ms && !takes_out_of_order)
        return APPEND_OUT_OF_ORDER;
    if (t_ms == newest_ms) {
        return codec_double_bits(value) == codec_double_bits(newest) ? APPEND_DUPLICATE_SAME
                                                                     : APPEND_DUPLICATE;
    }
    vec_push(&appender->staged, (struct fake_sample){ref, t_ms, value, in_row});
    return APPEND_OK;
}

enum append_result append(struct appender *appender, series_ref ref, double value)
{
    return fake_append(appender, ref, appender->t_ms, value, true);
}

enum append_result append_at(struct appender *appender, series_ref ref, int64_t t_ms, double value)
{
    return fake_append(appender, ref, t_ms, value, false);
}

enum append_result append_histogram_at(struct appender *appender, series_ref ref, int64_t t_ms,
                                       const struct histogram *histogram)
{
    histogram_free(last_histogram);
    last_histogram = histogram_copy(histogram);
    return fake_append(appender, ref, t_ms, histogram->sum, false);
}

bool appender_takes_starts(const struct appender *appender)
{
    return true;
}

/* A line of its own among the exemplars. */
void append_start(struct appender *appender, series_ref ref, int64_t t_ms, int64_t start_ms,
                  const struct histogram *histogram)
{
    if (start_ms != 0)
        buf_printf(&exemplars, "%llu %lld since %lld\n", (unsigned long long)ref, (long long)t_ms,
                   (long long)start_ms);
}

bool appender_takes_exemplars(const struct appender *appender)
{
    return true;
}

enum exemplar_result append_exemplar(struct appender *appender, series_ref ref,
                                     const struct exemplar *exemplar)
{
    ck_assert_msg(ref > 0 && ref <= all_series.len, "a ref that was never given out");
    if (exemplar->timestamp_ms < exemplar_newest_ms)
        return EXEMPLAR_OUT_OF_ORDER;
    exemplar_newest_ms = exemplar->timestamp_ms;
    labels_print_metric(all_series.items[ref - 1].labels, &exemplars);
    buf_printf(&exemplars, " %lld:%g", (long long)exemplar->timestamp_ms, exemplar->value);
    for (size_t i = 0; i < exemplar->label_count; i++)
        buf_printf(&exemplars, " %.*s=\"%.*s\"", SLICE_ARG(exemplar->labels[i].name),
                   SLICE_ARG(exemplar->labels[i].value));
    buf_append_str(&exemplars, exemplar->has_timestamp ? "\n" : " untimed\n");
    return EXEMPLAR_OK;
}

const char *fake_storage_exemplars(void)
{
    return buf_cstr(&exemplars);
}

const struct histogram *fake_storage_last_histogram(void)
{
    return last_histogram;
}

enum err appender_commit(struct appender *appender, struct errbuf *err)
{
    (void)err;
    if (appender->group != NULL) {
        ck_assert_msg(appender->t_ms > appender->group->newest_ms, "rows must rise");
        appender->group->newest_ms = appender->t_ms;
    }
    for (size_t i = 0; i < appender->staged.len; i++) {
        const struct fake_sample *sample = &appender->staged.items[i];
        struct fake_series *series = &all_series.items[sample->ref - 1];
        if (sample->t_ms >= series->newest_ms) {
            series->newest_ms = sample->t_ms;
            series->newest = sample->value;
        }
        vec_push(&all_samples, *sample);
    }
    commit_count++;
    appender_rollback(appender);
    return ERR_NONE;
}

void appender_rollback(struct appender *appender)
{
    vec_release(&appender->staged);
    mem_free(appender);
}
