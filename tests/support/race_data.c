#include "tests/support/race_data.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "model/labels.h"
#include "tests/support/tsdb_kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHURN_STEPS 40
#define LATE_STEPS 40
/* A member of a group is there or absent for so long. */
#define PRESENCE_STEPS 16

static const struct {
    const char *name;
    size_t writer;
    uint32_t count; /* of series; churn: at a time */
} kinds[RACE_KINDS] = {
    {"rows", 0, 12}, {"histogram", 0, 2}, {"churn", 1, 6},
    {"loose", 2, 6}, {"late", 2, 3},      {"victim", 2, 2},
};

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

/* --- what is written --- */

static uint64_t chance(const struct race_state *state, enum race_kind kind, uint32_t number,
                       int64_t what)
{
    return hash_mix(hash_mix(state->seed, (uint64_t)kind << 32 | number), (uint64_t)what);
}

static int64_t churn_window(int64_t t_ms)
{
    return t_ms / (CHURN_STEPS * RACE_STEP_MS);
}

static bool is_present(const struct race_state *state, enum race_kind kind, uint32_t number,
                       int64_t t_ms)
{
    int64_t step = t_ms / RACE_STEP_MS;
    switch (kind) {
    case RACE_ROWS:
        return chance(state, kind, number, step / PRESENCE_STEPS) % 5 != 0;
    case RACE_LOOSE:
        return chance(state, kind, number, step) % 7 != 0;
    case RACE_CHURN:
        return number / kinds[RACE_CHURN].count == churn_window(t_ms);
    default:
        return true;
    }
}

static bool is_late(enum race_kind kind, int64_t t_ms)
{
    return kind == RACE_LATE && t_ms / RACE_STEP_MS % 2 == 1;
}

double race_value(const struct race_state *state, enum race_kind kind, uint32_t number,
                  int64_t t_ms)
{
    int64_t step = t_ms / RACE_STEP_MS;
    switch (number % 4) {
    case 0:
        return (double)(chance(state, kind, number, step / 64) % 1000);
    case 1:
        return (double)(step * (number + 1));
    case 2:
        return (double)(chance(state, kind, number, step) % 10000) / 100;
    default:
        return (double)(chance(state, kind, number, step) >> 11) / 9007199254740992.0;
    }
}

/* Three buckets that grow with the time. */
struct race_histogram {
    struct histogram histogram;
    struct histogram_span span;
    double buckets[3];
};

static void histogram_at(const struct race_state *state, uint32_t number, int64_t t_ms,
                         struct race_histogram *out)
{
    double step = (double)(t_ms / RACE_STEP_MS);
    *out = (struct race_histogram){.span = {.offset = (int32_t)number, .length = 3},
                                   .buckets = {step, step * 2, step + number}};
    out->histogram = (struct histogram){
        .schema = 1,
        .zero_threshold = 1e-128,
        .count = step * 4 + number,
        .sum = race_value(state, RACE_HISTOGRAM, number, t_ms),
        .positive_span_count = 1,
        .positive_bucket_count = 3,
        .positive_spans = &out->span,
        .positive_buckets = out->buckets,
    };
}

static enum append_result stage_sample(struct appender *appender, series_ref ref,
                                       const struct race_writer *writer, enum race_kind kind,
                                       uint32_t number, int64_t t_ms, bool wrong)
{
    if (kind == RACE_HISTOGRAM) {
        struct race_histogram made;
        histogram_at(writer->state, number, t_ms, &made);
        made.histogram.sum += wrong;
        return append_histogram(appender, ref, &made.histogram);
    }
    double value = race_value(writer->state, kind, number, t_ms) + wrong;
    if (writer->group != NULL)
        return append(appender, ref, value);
    return append_at(appender, ref, t_ms, value);
}

static void stage_one(struct race_writer *writer, struct appender *appender, enum race_kind kind,
                      uint32_t number, int64_t t_ms, bool wrong)
{
    series_ref *ref = &writer->refs[kind][number % kinds[kind].count];
    enum append_result result = APPEND_UNKNOWN_SERIES;
    if (*ref != 0)
        result = stage_sample(appender, *ref, writer, kind, number, t_ms, wrong);
    if (result == APPEND_UNKNOWN_SERIES) {
        char text[64];
        snprintf(text, sizeof(text), "kind=%s,n=%u", kinds[kind].name, number);
        struct labels *labels = kit_labels(text);
        *ref = appender_series(appender, labels);
        labels_unref(labels);
        result = stage_sample(appender, *ref, writer, kind, number, t_ms, wrong);
    }
    if (result != APPEND_OK)
        fail("%s %u at %lld was refused: %d", kinds[kind].name, number, (long long)t_ms, result);
}

static void stage_kind(struct race_writer *writer, struct appender *appender, enum race_kind kind,
                       int64_t t_ms, bool wrong)
{
    for (uint32_t i = 0; i < kinds[kind].count; i++) {
        uint32_t number = i;
        if (kind == RACE_CHURN)
            number += (uint32_t)churn_window(t_ms) * kinds[kind].count;
        if (is_present(writer->state, kind, number, t_ms) && !is_late(kind, t_ms))
            stage_one(writer, appender, kind, number, t_ms, wrong);
        int64_t late_ms = t_ms - LATE_STEPS * RACE_STEP_MS;
        if (late_ms > 0 && is_late(kind, late_ms))
            stage_one(writer, appender, kind, number, late_ms, wrong);
    }
}

void race_stage(struct race_writer *writer, struct appender *appender, int64_t t_ms, bool wrong)
{
    if (writer->churn_window != churn_window(t_ms))
        memset(writer->refs[RACE_CHURN], 0, sizeof(writer->refs[RACE_CHURN]));
    writer->churn_window = churn_window(t_ms);
    for (int kind = 0; kind < RACE_KINDS; kind++) {
        if (kinds[kind].writer == writer->number)
            stage_kind(writer, appender, (enum race_kind)kind, t_ms, wrong);
    }
}

int64_t race_committed_ms(const struct race_state *state)
{
    int64_t committed_ms = state->committed_ms[0];
    for (size_t i = 1; i < RACE_WRITERS; i++)
        committed_ms = MIN(committed_ms, (int64_t)state->committed_ms[i]);
    return committed_ms;
}

/* --- what is read --- */

enum expectation { EXPECT_NONE, EXPECT_MAYBE, EXPECT_SAMPLE };

static enum expectation expect_victim(const struct race_check *check, int64_t t_ms)
{
    enum expectation expectation = EXPECT_SAMPLE;
    for (size_t i = check->deletions_after; i-- > 0;) {
        const struct race_deletion *deletion = &check->state->deletions[i];
        if (deletion->max_ms + RACE_DELETION_AGE_MS < t_ms)
            break; /* those before are older */
        if (t_ms < deletion->min_ms || t_ms > deletion->max_ms)
            continue;
        if (i < check->deletions_before && check->was_done[i])
            return EXPECT_NONE;
        expectation = EXPECT_MAYBE;
    }
    return expectation;
}

static enum expectation expect(const struct race_check *check, enum race_kind kind, uint32_t number,
                               int64_t t_ms)
{
    if (t_ms < RACE_STEP_MS || !is_present(check->state, kind, number, t_ms))
        return EXPECT_NONE;
    int64_t written_ms = is_late(kind, t_ms) ? t_ms + LATE_STEPS * RACE_STEP_MS : t_ms;
    if (written_ms > check->newest_ms[kinds[kind].writer])
        return EXPECT_MAYBE;
    return kind == RACE_VICTIM ? expect_victim(check, t_ms) : EXPECT_SAMPLE;
}

static bool sample_is_right(const struct race_check *check, enum race_kind kind, uint32_t number,
                            const struct sample_columns *columns, size_t at)
{
    int64_t t_ms = columns->timestamps_ms[at];
    const struct histogram *found = columns->histograms == NULL ? NULL : columns->histograms[at];
    if (kind != RACE_HISTOGRAM)
        return found == NULL && columns->values[at] == race_value(check->state, kind, number, t_ms);
    struct race_histogram made;
    histogram_at(check->state, number, t_ms, &made);
    return found != NULL && found->count == made.histogram.count &&
           found->sum == made.histogram.sum && found->schema == made.histogram.schema &&
           found->positive_bucket_count == 3 && found->positive_spans[0].offset == (int)number &&
           memcmp(found->positive_buckets, made.buckets, sizeof(made.buckets)) == 0;
}

static int64_t grid_from(int64_t t_ms)
{
    return (t_ms + RACE_STEP_MS - 1) / RACE_STEP_MS * RACE_STEP_MS;
}

static void check_samples(struct race_check *check, enum race_kind kind, uint32_t number,
                          const struct sample_columns *columns, int64_t min_ms, int64_t max_ms)
{
    const char *name = kinds[kind].name;
    size_t at = 0;
    for (int64_t t_ms = grid_from(min_ms); t_ms <= max_ms; t_ms += RACE_STEP_MS) {
        enum expectation expectation = expect(check, kind, number, t_ms);
        bool here = at < columns->count && columns->timestamps_ms[at] == t_ms;
        if (!here && expectation == EXPECT_SAMPLE)
            fail("%s %u: the sample at %lld is missing (read %lld to %lld, %zu samples, newest "
                 "%lld, committed %lld)",
                 name, number, (long long)t_ms, (long long)min_ms, (long long)max_ms,
                 columns->count, (long long)check->newest_ms[kinds[kind].writer],
                 (long long)check->committed_ms[kinds[kind].writer]);
        if (!here)
            continue;
        if (expectation == EXPECT_NONE)
            fail("%s %u: there is a sample at %lld", name, number, (long long)t_ms);
        if (!sample_is_right(check, kind, number, columns, at))
            fail("%s %u: wrong value %.17g at %lld", name, number, columns->values[at],
                 (long long)t_ms);
        at++;
    }
    if (at < columns->count)
        fail("%s %u: %zu samples too many, the first at %lld (read %lld to %lld)", name, number,
             columns->count - at, (long long)columns->timestamps_ms[at], (long long)min_ms,
             (long long)max_ms);
    check->samples += at;
}

static void check_newest(const struct race_check *check, enum race_kind kind, uint32_t number,
                         const struct sample_columns *columns, int64_t min_ms, int64_t max_ms)
{
    int64_t newest_ms = INT64_MIN;
    if (columns->count > 0) {
        newest_ms = columns->timestamps_ms[columns->count - 1];
        if (expect(check, kind, number, newest_ms) == EXPECT_NONE ||
            !sample_is_right(check, kind, number, columns, columns->count - 1))
            fail("%s %u: the newest sample is wrong, at %lld", kinds[kind].name, number,
                 (long long)newest_ms);
    }
    for (int64_t t_ms = MAX(grid_from(min_ms), newest_ms + 1); t_ms <= max_ms; t_ms++) {
        t_ms = grid_from(t_ms);
        if (t_ms <= max_ms && expect(check, kind, number, t_ms) == EXPECT_SAMPLE)
            fail("%s %u: the newest sample is said to be at %lld, but there is one at %lld",
                 kinds[kind].name, number, (long long)newest_ms, (long long)t_ms);
    }
}

/* What a selection does not show has nothing to show. */
static void check_unseen(const struct race_check *check, enum race_kind kind, const bool *seen,
                         uint32_t first, uint32_t count, int64_t min_ms, int64_t max_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        for (int64_t t_ms = grid_from(min_ms); !seen[i] && t_ms <= max_ms; t_ms += RACE_STEP_MS) {
            if (expect(check, kind, first + i, t_ms) == EXPECT_SAMPLE)
                fail("%s %u is not selected, but has a sample at %lld", kinds[kind].name, first + i,
                     (long long)t_ms);
        }
    }
}

enum pass { PASS_NEWEST, PASS_SAMPLES, PASS_LAST };

/* Reads all series of a kind. */
static void check_kind(struct race_check *check, struct series_view *view, enum race_kind kind,
                       int64_t min_ms, int64_t max_ms, enum pass pass)
{
    struct matcher *matcher;
    if (matcher_new(MATCHER_EQUAL, SLICE("kind"), slice_str(kinds[kind].name), &matcher, NULL) !=
        ERR_NONE)
        fail("no matcher");
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, min_ms, max_ms, true, 0};
    struct series_list list = {0};
    struct errbuf err = ERRBUF_INIT;
    if (series_view_select(view, &query, &list, &err) != ERR_NONE)
        fail("selecting: %s", err.text);
    uint32_t first = kind == RACE_CHURN ? (uint32_t)churn_window(min_ms) * kinds[kind].count : 0;
    uint32_t windows =
        kind == RACE_CHURN ? (uint32_t)(churn_window(max_ms) - churn_window(min_ms)) + 1 : 1;
    uint32_t count = windows * kinds[kind].count;
    bool *seen = mem_zalloc(count * sizeof(*seen));
    struct sample_columns columns;
    sample_columns_init(&columns);
    columns.newest_only = pass == PASS_LAST;
    for (size_t i = 0; i < list.entries.len; i++) {
        const struct series_entry *entry = &list.entries.items[i];
        uint32_t number = (uint32_t)strtoul(labels_get(entry->labels, SLICE("n")).ptr, NULL, 10);
        if (number - first >= count || seen[number - first])
            fail("%s %u is selected wrongly", kinds[kind].name, number);
        seen[number - first] = true;
        if (series_view_read(view, entry, min_ms, max_ms, &columns, &err) != ERR_NONE)
            fail("reading: %s", err.text);
        int64_t *newest_ms = &check->newest_ms[kinds[kind].writer];
        if (pass == PASS_NEWEST && columns.count > 0)
            *newest_ms = MAX(*newest_ms, columns.timestamps_ms[columns.count - 1]);
        else if (pass == PASS_SAMPLES)
            check_samples(check, kind, number, &columns, min_ms, max_ms);
        else if (pass == PASS_LAST)
            check_newest(check, kind, number, &columns, min_ms, max_ms);
    }
    if (pass != PASS_NEWEST)
        check_unseen(check, kind, seen, first, count, min_ms, max_ms);
    mem_free(seen);
    sample_columns_release(&columns);
    series_list_release(&list);
    matcher_free(matcher);
}

void race_check_begin(struct race_check *check, struct race_state *state)
{
    *check = (struct race_check){.state = state};
    check->deletions_before = state->deletion_count;
    check->was_done = mem_zalloc((check->deletions_before + 1) * sizeof(*check->was_done));
    for (size_t i = 0; i < check->deletions_before; i++)
        check->was_done[i] = state->deletions[i].done;
    for (size_t i = 0; i < RACE_WRITERS; i++)
        check->committed_ms[i] = check->newest_ms[i] = state->committed_ms[i];
}

void race_check_view(struct race_check *check, struct series_view *view, int64_t min_ms,
                     int64_t max_ms)
{
    check->deletions_after = check->state->deletion_count;
    for (int pass = PASS_NEWEST; pass <= PASS_LAST; pass++) {
        for (int kind = 0; kind < RACE_KINDS; kind++)
            check_kind(check, view, (enum race_kind)kind, min_ms, max_ms, (enum pass)pass);
    }
}

void race_check_end(struct race_check *check)
{
    mem_free(check->was_done);
}

uint64_t race_check_source(struct race_state *state, struct series_source *source, int64_t min_ms,
                           int64_t max_ms)
{
    struct race_check check;
    struct series_view *view;
    struct errbuf err = ERRBUF_INIT;
    race_check_begin(&check, state);
    if (series_source_open(source, min_ms, max_ms, &view, &err) != ERR_NONE)
        fail("opening a view: %s", err.text);
    race_check_view(&check, view, min_ms, max_ms);
    series_view_close(view);
    race_check_end(&check);
    return check.samples;
}
