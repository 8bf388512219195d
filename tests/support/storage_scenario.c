#include "tests/support/storage_scenario.h"

#include "base/alloc.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/head_seal.h"
#include "tsdb/tsdb_internal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS 4   /* series 0 to 3 are rows of the group */
#define HISTOGRAM 6 /* loose ones are behind them */
#define LATE 7
#define LATE_BY 18
#define HOUR_MS INT64_C(3600000)
#define SNAPSHOT_AT 80
#define CLEAN_AT 90
#define RESTART_AT 110
/* Steps after which a failing disk works again. */
#define FAILING_STEPS 20

/* One that is cleaned away, and one that stays beside its block. */
static const struct {
    size_t at;
    size_t series;
    size_t from;
    size_t to;
} deletions[SCENARIO_DELETIONS] = {{70, 5, 20, 40}, {115, 4, 70, 72}};

static int64_t step_ms(size_t step)
{
    return SCENARIO_FIRST_MS + (int64_t)step * SCENARIO_STEP_MS;
}

int64_t scenario_slot_ms(size_t slot)
{
    return step_ms(slot / 2) + (slot % 2 == 0 ? 0 : 1000);
}

static double value_at(size_t series, int64_t t_ms)
{
    uint64_t mixed = (uint64_t)t_ms * 0x9e3779b97f4a7c15u >> 40;
    switch (series % 4) {
    case 0:
        return 1;
    case 1:
        return (double)((t_ms - SCENARIO_FIRST_MS) / 1000 * 7);
    case 2:
        return (double)(mixed % 1000) / 8;
    default:
        return (double)mixed / 7;
    }
}

void scenario_init(struct storage_scenario *scenario, const char *directory,
                   struct fault_fs *faults)
{
    memset(scenario, 0, sizeof(*scenario));
    scenario->faults = faults;
    /* the thread never comes in between: the scenario does the maintenance */
    scenario->options = (struct tsdb_options){.path = directory,
                                              .fs = faults == NULL ? NULL : &faults->fs,
                                              .fsync_interval_ms = 3600000,
                                              .maintenance_interval_ms = 3600000,
                                              .fsync_policy = TSDB_FSYNC_ALWAYS,
                                              .out_of_order_window_ms = 3 * HOUR_MS,
                                              .exemplars_max = 100,
                                              .wal_segment_bytes = 2000,
                                              .block_min_ms = HOUR_MS,
                                              .block_max_ms = 24 * HOUR_MS};
}

static struct labels *series_labels(size_t series)
{
    char text[32];
    snprintf(text, sizeof(text), "all=1,s=%zu", series);
    return kit_labels(text);
}

static void stage(struct storage_scenario *scenario, struct appender *appender, size_t series,
                  size_t slot, size_t step)
{
    int64_t t_ms = scenario_slot_ms(slot);
    struct labels *labels = series_labels(series);
    series_ref ref = appender_series(appender, labels);
    double value = value_at(series, t_ms);
    enum append_result result;
    if (series == HISTOGRAM) {
        struct histogram_span span = {2, 1};
        double bucket = (double)step;
        struct histogram histogram = {.count = bucket,
                                      .sum = value,
                                      .positive_span_count = 1,
                                      .positive_bucket_count = 1,
                                      .positive_spans = &span,
                                      .positive_buckets = &bucket};
        result = append_histogram_at(appender, ref, t_ms, &histogram);
    } else if (series < MEMBERS) {
        result = append(appender, ref, value);
    } else {
        result = append_at(appender, ref, t_ms, value);
    }
    labels_unref(labels);
    ck_assert_msg(result == APPEND_OK, "series %zu, slot %zu: %d", series, slot, (int)result);
    scenario->slots[series][slot].commit = (uint8_t)step;
}

static void stage_exemplar(struct appender *appender, size_t step)
{
    struct labels *labels = series_labels(1);
    struct exemplar_label own = {SLICE("trace"), SLICE("a")};
    struct exemplar exemplar = {
        .labels = &own, .label_count = 1, .value = (double)step, .timestamp_ms = step_ms(step)};
    (void)append_exemplar(appender, appender_series(appender, labels), &exemplar);
    labels_unref(labels);
}

static void set_fate(struct storage_scenario *scenario, size_t step, enum scenario_fate fate)
{
    for (size_t series = 0; series < SCENARIO_SERIES; series++) {
        for (size_t slot = 0; slot < SCENARIO_SLOTS; slot++) {
            struct scenario_slot *one = &scenario->slots[series][slot];
            if (one->commit == step && one->fate == SCENARIO_EITHER)
                one->fate = (uint8_t)fate;
        }
    }
}

static void mark(struct storage_scenario *scenario, size_t series, size_t slot)
{
    scenario->slots[series][slot].fate = SCENARIO_EITHER;
}

static bool commit_step(struct storage_scenario *scenario, size_t step)
{
    struct appender *appender;
    struct errbuf err = ERRBUF_INIT;
    if (appender_begin(scenario->db, scenario->group, step_ms(step), &appender, &err) != ERR_NONE)
        return false;
    for (size_t series = 0; series < SCENARIO_SERIES; series++) {
        if (series == 3 && step % 2 == 1)
            continue;
        stage(scenario, appender, series, 2 * step, step);
        mark(scenario, series, 2 * step);
    }
    if (step % 10 == 0 && step >= LATE_BY) {
        stage(scenario, appender, LATE, 2 * (step - LATE_BY) + 1, step);
        mark(scenario, LATE, 2 * (step - LATE_BY) + 1);
    }
    if (step % 16 == 0)
        stage_exemplar(appender, step);
    bool committed = appender_commit(appender, &err) == ERR_NONE;
    if (committed)
        set_fate(scenario, step, SCENARIO_PRESENT);
    scenario->segments[step] = wal_end(scenario->db->wal).segment;
    return committed;
}

static void delete_some(struct storage_scenario *scenario, size_t number)
{
    struct matcher *matcher;
    char name[2] = {(char)('0' + deletions[number].series), '\0'};
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("s"), slice_str(name), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    enum err result = tsdb_delete_series(scenario->db, matchers, 1, step_ms(deletions[number].from),
                                         step_ms(deletions[number].to), NULL);
    scenario->deletions[number].fate = result == ERR_NONE ? SCENARIO_PRESENT : SCENARIO_EITHER;
    scenario->deletions[number].segment = wal_end(scenario->db->wal).segment;
    matcher_free(matcher);
}

/* What became of the sample by a deletion: ABSENT = nothing. */
static enum scenario_fate deleted(const struct storage_scenario *scenario, size_t series,
                                  size_t slot)
{
    for (size_t i = 0; i < SCENARIO_DELETIONS; i++) {
        if (series == deletions[i].series && slot >= 2 * deletions[i].from &&
            slot <= 2 * deletions[i].to)
            return scenario->deletions[i].fate;
    }
    return SCENARIO_ABSENT;
}

static void seal(struct tsdb *db)
{
    MUTEX_GUARD(&db->maintenance_lock);
    (void)!head_seal(&db->head, &db->commit_lock, &db->head_files, NULL);
    head_files_sweep(&db->head_files);
}

void scenario_open(struct storage_scenario *scenario)
{
    struct errbuf err = ERRBUF_INIT;
    enum err result = tsdb_open(&scenario->options, &scenario->db, &err);
    if (result != ERR_NONE && scenario->faults != NULL && !scenario->is_power_cut) {
        ck_assert_uint_gt(strlen(err.text), 10);
        fault_fs_fail(scenario->faults, 0, false, 0);
        result = tsdb_open(&scenario->options, &scenario->db, &err);
    }
    if (result != ERR_NONE && scenario->is_power_cut) {
        scenario->db = NULL;
        return;
    }
    ck_assert_msg(result == ERR_NONE, "tsdb_open: %s", err.text);
    scenario->group = sample_group_new(scenario->db);
}

void scenario_close(struct storage_scenario *scenario)
{
    if (scenario->db == NULL)
        return;
    sample_group_free(scenario->group);
    tsdb_close(scenario->db);
    scenario->db = NULL;
}

/* What happens besides the commit of a step; false when a power cut ends the run. */
static bool do_step(struct storage_scenario *scenario, size_t step)
{
    if (step % 12 == 11 && step + 1 < SCENARIO_STEPS)
        (void)!tsdb_maintain(scenario->db, NULL);
    if (step % 24 == 20 || step + 1 == SCENARIO_STEPS)
        seal(scenario->db);
    for (size_t i = 0; i < SCENARIO_DELETIONS; i++) {
        if (step == deletions[i].at)
            delete_some(scenario, i);
    }
    if (step == SNAPSHOT_AT) {
        struct buf name CLEANUP(buf_release);
        buf_init(&name, 256);
        (void)!tsdb_snapshot(scenario->db, false, &name, NULL);
    }
    if (step == CLEAN_AT)
        (void)!tsdb_clean_tombstones(scenario->db, NULL);
    if (step == RESTART_AT && !scenario->no_restart) {
        scenario_close(scenario);
        scenario_open(scenario);
    }
    return scenario->db != NULL;
}

bool scenario_run(struct storage_scenario *scenario)
{
    scenario_open(scenario);
    size_t failing = 0;
    for (size_t step = 0; step < SCENARIO_STEPS && scenario->db != NULL; step++) {
        bool committed = commit_step(scenario, step);
        if (!committed && scenario->is_power_cut)
            return false;
        failing += !committed;
        if (failing == FAILING_STEPS) {
            fault_fs_fail(scenario->faults, 0, false, 0);
            ck_assert(tsdb_maintain(scenario->db, NULL) == ERR_NONE);
            ck_assert_msg(!tsdb_failed(scenario->db, NULL), "no recovery");
        }
        if (!do_step(scenario, step))
            return false;
    }
    return scenario->db != NULL;
}

static void note(struct scenario_findings *findings, size_t *count, const char *what, size_t series,
                 size_t slot, double value)
{
    if ((*count)++ == 0)
        buf_printf(&findings->text, "%s: series %zu, slot %zu (%ld), value %.17g\n", what, series,
                   slot, (long)scenario_slot_ms(slot), value);
}

static void see_sample(struct storage_scenario *scenario, struct scenario_findings *findings,
                       size_t series, int64_t t_ms, const struct histogram *histogram, double value)
{
    int64_t offset = t_ms - SCENARIO_FIRST_MS;
    size_t slot = (size_t)(offset / SCENARIO_STEP_MS) * 2 + (offset % SCENARIO_STEP_MS != 0);
    if (offset < 0 || slot >= SCENARIO_SLOTS || scenario_slot_ms(slot) != t_ms) {
        note(findings, &findings->wrong, "a time that was never sent", series, 0, (double)t_ms);
        return;
    }
    struct scenario_slot *one = &scenario->slots[series][slot];
    double expected = value_at(series, t_ms);
    bool same = series == HISTOGRAM
                    ? histogram != NULL && histogram->count == (double)one->commit &&
                          histogram->sum == expected && histogram->positive_bucket_count == 1
                    : histogram == NULL && value == expected;
    bool is_deleted = deleted(scenario, series, slot) == SCENARIO_PRESENT;
    if (!same || one->fate == SCENARIO_ABSENT || one->seen || is_deleted)
        note(findings, &findings->wrong,
             !same        ? "another value"
             : one->seen  ? "seen twice"
             : is_deleted ? "deleted"
                          : "refused",
             series, slot, value);
    one->seen = true;
}

static void read_series(struct storage_scenario *scenario, struct series_view *view,
                        const struct series_entry *entry, int64_t min_ms, int64_t max_ms,
                        struct scenario_findings *findings)
{
    struct slice name = labels_get(entry->labels, SLICE("s"));
    size_t series = name.len == 1 ? (size_t)(name.ptr[0] - '0') : SCENARIO_SERIES;
    if (series >= SCENARIO_SERIES || entry->labels->count != 2) {
        note(findings, &findings->wrong, "a series that was never sent", series, 0, 0);
        return;
    }
    struct sample_columns columns;
    sample_columns_init(&columns);
    struct errbuf err = ERRBUF_INIT;
    if (series_view_read(view, entry, min_ms, max_ms, &columns, &err) != ERR_NONE) {
        findings->unreadable++;
        buf_printf(&findings->text, "%s\n", err.text);
        columns.count = 0;
    }
    for (size_t i = 0; i < columns.count; i++) {
        const struct histogram *histogram =
            columns.histograms == NULL ? NULL : columns.histograms[i];
        see_sample(scenario, findings, series, columns.timestamps_ms[i], histogram,
                   columns.values == NULL ? 0 : columns.values[i]);
    }
    sample_columns_release(&columns);
}

static void read_hour(struct storage_scenario *scenario, struct tsdb *db, int64_t min_ms,
                      struct scenario_findings *findings)
{
    int64_t max_ms = min_ms + HOUR_MS - 1;
    struct errbuf err = ERRBUF_INIT;
    struct series_view *view;
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("all"), SLICE("1"), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, min_ms, max_ms, true, 0};
    struct series_list list = {0};
    ck_assert(series_source_open(tsdb_source(db), min_ms, max_ms, &view, NULL) == ERR_NONE);
    if (series_view_select(view, &query, &list, &err) != ERR_NONE) {
        findings->unreadable++;
        buf_printf(&findings->text, "%s\n", err.text);
        list.entries.len = 0;
    }
    for (size_t i = 0; i < list.entries.len; i++)
        read_series(scenario, view, &list.entries.items[i], min_ms, max_ms, findings);
    series_list_release(&list);
    series_view_close(view);
    matcher_free(matcher);
}

/* What was acknowledged and not seen; and of what is uncertain, halves. */
static void judge(struct storage_scenario *scenario, struct scenario_findings *findings)
{
    int seen[SCENARIO_STEPS] = {0};
    int unseen[SCENARIO_STEPS] = {0};
    for (size_t series = 0; series < SCENARIO_SERIES; series++) {
        for (size_t slot = 0; slot < SCENARIO_SLOTS; slot++) {
            struct scenario_slot *one = &scenario->slots[series][slot];
            bool may_be_deleted = deleted(scenario, series, slot) != SCENARIO_ABSENT;
            one->missing = one->fate == SCENARIO_PRESENT && !one->seen && !may_be_deleted;
            if (one->missing)
                note(findings, &findings->missing, "missing", series, slot, one->commit);
            if (one->fate == SCENARIO_EITHER && !may_be_deleted)
                (one->seen ? seen : unseen)[one->commit]++;
        }
    }
    for (size_t step = 0; step < SCENARIO_STEPS; step++) {
        if (seen[step] > 0 && unseen[step] > 0)
            note(findings, &findings->wrong, "half a commit", 0, 2 * step, seen[step]);
    }
}

void scenario_check(struct storage_scenario *scenario, struct tsdb *db,
                    struct scenario_findings *out)
{
    memset(out, 0, sizeof(*out));
    buf_init(&out->text, (size_t)1 << 20);
    buf_append_str(&out->text, "");
    for (size_t series = 0; series < SCENARIO_SERIES; series++) {
        for (size_t slot = 0; slot < SCENARIO_SLOTS; slot++)
            scenario->slots[series][slot].seen = false;
    }
    for (int64_t min_ms = SCENARIO_FIRST_MS - HOUR_MS; min_ms < step_ms(SCENARIO_STEPS);
         min_ms += HOUR_MS)
        read_hour(scenario, db, min_ms, out);
    judge(scenario, out);
}

void scenario_findings_release(struct scenario_findings *findings)
{
    buf_release(&findings->text);
}
