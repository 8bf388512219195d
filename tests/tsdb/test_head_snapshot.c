/* What a clean stop leaves: a start without replay that shows the same, and that a snapshot which
 * cannot be used costs nothing but time. */
#include "tests/support/fault_fs.h"
#include "tests/support/kept_log.h"
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "tsdb/head_snapshot.h"
#include "tsdb/tsdb_internal.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *directory;
static struct fault_fs faults;
static struct tsdb_options options;
static struct tsdb *db;
static void setup(void)
{
    kept_log_start();
    directory = mem_strdup(kit_directory());
    fault_fs_init(&faults);
    options = (struct tsdb_options){.path = directory,
                                    .fs = &faults.fs,
                                    .fsync_interval_ms = 3600000,
                                    .out_of_order_window_ms = 3600000,
                                    .exemplars_max = 8,
                                    .store_start_times = true};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    db = NULL;
    fault_fs_release(&faults);
    kit_remove(directory);
    mem_free(directory);
    kept_log_stop();
}

static void restart(void)
{
    tsdb_close(db);
    kept_log_clear();
    db = kit_open(&options);
}

static const char *path_of(const char *name)
{
    static char paths[2][512]; /* a call may want two */
    static size_t next;
    char *path = paths[next++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static bool exists(const char *name)
{
    struct fs_stat stat;
    return fs_system->stat(fs_system, path_of(name), &stat) == 0;
}

static const struct histogram *a_histogram(double count)
{
    static struct histogram histogram;
    static struct histogram_span span = {0, 1};
    static double buckets[1];
    buckets[0] = count;
    histogram = (struct histogram){.count = count,
                                   .sum = 2 * count,
                                   .positive_span_count = 1,
                                   .positive_spans = &span,
                                   .positive_bucket_count = 1,
                                   .positive_buckets = buckets};
    return &histogram;
}

static void add_exemplar(struct appender *appender, series_ref ref, int64_t t_ms)
{
    struct exemplar_label label = {SLICE("trace"), SLICE("x")};
    struct exemplar exemplar = {.labels = &label,
                                .label_count = 1,
                                .value = (double)t_ms,
                                .timestamp_ms = t_ms,
                                .has_timestamp = true};
    ck_assert_int_eq(append_exemplar(appender, ref, &exemplar), EXEMPLAR_OK);
}

static series_ref ref_of(struct appender *appender, const char *text)
{
    struct labels *labels = kit_labels(text);
    series_ref ref = appender_series(appender, labels);
    labels_unref(labels);
    return ref;
}

/* Rows, loose samples, histograms, start times, samples out of order, exemplars: `count` commits
 * from `from` on. */
static void fill(struct sample_group *group, int from, int count)
{
    for (int i = from; i < from + count; i++) {
        int64_t t_ms = 1000 * (i + 1);
        struct appender *appender = kit_begin(db, group, t_ms);
        ck_assert_int_eq(kit_stage(appender, "g=1", i), APPEND_OK);
        ck_assert_int_eq(kit_stage(appender, "g=2", i / 50), APPEND_OK);
        series_ref loose = ref_of(appender, "l=1");
        append_start(appender, loose, t_ms, i < 100 ? 1 : 2, NULL);
        ck_assert_int_eq(append_at(appender, loose, t_ms, i * 0.1), APPEND_OK);
        ck_assert_int_eq(
            append_histogram_at(appender, ref_of(appender, "h=1"), t_ms, a_histogram(i + 1)),
            APPEND_OK);
        add_exemplar(appender, loose, t_ms);
        kit_commit(appender);
        if (i % 7 == 3)
            kit_append(db, "l=1", t_ms - 500, -i);
    }
}

static const char *const series[] = {"g=1", "g=2", "l=1", "h=1"};

struct state {
    char *texts[4];
    struct tsdb_head_stats stats;
    size_t exemplar_count;
};

static void state_take(struct state *state)
{
    for (size_t i = 0; i < 4; i++)
        state->texts[i] = mem_strdup(kit_read(db, series[i]));
    tsdb_head_stats(db, &state->stats);
    struct exemplars_figures figures;
    exemplars_figures(&db->exemplars, &figures);
    state->exemplar_count = figures.count;
}

static void state_check(struct state *state)
{
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(kit_read(db, series[i]), state->texts[i]);
    struct tsdb_head_stats stats;
    tsdb_head_stats(db, &stats);
    ck_assert_uint_eq(stats.series_count, state->stats.series_count);
    ck_assert_uint_eq(stats.label_pair_count, state->stats.label_pair_count);
    ck_assert_int_eq(stats.min_ms, state->stats.min_ms);
    ck_assert_int_eq(stats.max_ms, state->stats.max_ms);
    ck_assert_uint_eq(stats.samples_appended, state->stats.samples_appended);
    struct exemplars_figures figures;
    exemplars_figures(&db->exemplars, &figures);
    ck_assert_uint_eq(figures.count, state->exemplar_count);
}

static void state_release(struct state *state)
{
    for (size_t i = 0; i < 4; i++)
        mem_free(state->texts[i]);
}

START_TEST(a_clean_stop_leaves_nothing_to_replay)
{
    fill(sample_group_new(db), 0, 300);
    struct state state;
    state_take(&state);
    restart();
    ck_assert(kept_log_has("Snapshot of the head loaded"));
    ck_assert(!kept_log_has("WAL segment loaded"));
    state_check(&state);
    restart();
    state_check(&state);
    ck_assert_str_eq(kit_select(db, "g=~.+"), "{g=\"1\"} {g=\"2\"}");
    state_release(&state);
}
END_TEST

START_TEST(series_go_on_where_they_were)
{
    struct sample_group *group = sample_group_new(db);
    fill(group, 0, 130);
    sample_group_free(group);
    restart();
    ck_assert_int_eq(kit_try(db, "l=1", 130000, 1), APPEND_DUPLICATE);
    group = sample_group_new(db);
    fill(group, 130, 130);
    sample_group_free(group);
    struct state state;
    state_take(&state);
    options.no_snapshot = true;
    restart(); /* all by the snapshot */
    state_check(&state);
    remove(path_of("head/snapshot"));
    restart(); /* all by the log */
    ck_assert(!kept_log_has("Snapshot of the head loaded"));
    state_check(&state);
    state_release(&state);
}
END_TEST

START_TEST(a_kill_replays_only_what_came_after_the_snapshot)
{
    fill(sample_group_new(db), 0, 100);
    restart();
    options.no_snapshot = true;
    restart(); /* from now on stops are kills */
    fill(sample_group_new(db), 100, 100);
    struct state state;
    state_take(&state);
    restart();
    ck_assert(kept_log_has("Snapshot of the head loaded"));
    ck_assert(kept_log_has("WAL segment loaded"));
    ck_assert(!kept_log_has("segment=1 "));
    state_check(&state);
    restart();
    state_check(&state);
    state_release(&state);
}
END_TEST

START_TEST(the_segment_of_the_snapshot_may_go_on)
{
    options.no_snapshot = true;
    restart();
    fill(NULL, 0, 50);
    ck_assert(head_snapshot_store(db, NULL) == ERR_NONE);
    fill(NULL, 50, 50);
    struct state state;
    state_take(&state);
    restart();
    ck_assert(kept_log_has("Snapshot of the head loaded"));
    state_check(&state);
    state_release(&state);
}
END_TEST

static struct buf read_whole(const char *name)
{
    struct buf content;
    buf_init(&content, 1 << 20);
    ck_assert(fs_read_file(fs_system, path_of(name), &content, NULL) == ERR_NONE);
    return content;
}

static void write_whole(const char *name, const char *data, size_t len)
{
    FILE *file = fopen(path_of(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, len, file), len);
    fclose(file);
}

static long size_of(const char *name)
{
    struct fs_stat stat;
    ck_assert_int_eq(fs_system->stat(fs_system, path_of(name), &stat), 0);
    return (long)stat.size;
}

static void check_refused(struct state *state)
{
    kept_log_clear();
    db = kit_open(&options);
    ck_assert(kept_log_has("was set aside"));
    ck_assert(kept_log_has("head/snapshot"));
    ck_assert(!exists("head/snapshot"));
    state_check(state);
}

START_TEST(a_damaged_or_short_snapshot_is_set_aside_and_the_log_replayed)
{
    fill(sample_group_new(db), 0, 40);
    struct state state;
    state_take(&state);
    options.no_snapshot = true;
    restart(); /* the last clean stop */
    tsdb_close(db);
    struct buf good = read_whole("head/snapshot");
    for (size_t at = 0; at < good.len; at += 1 + good.len / 60) {
        good.data[at] ^= 0x10;
        write_whole("head/snapshot", good.data, good.len);
        good.data[at] ^= 0x10;
        check_refused(&state);
        tsdb_close(db);
    }
    for (size_t len = 0; len < good.len; len += 1 + good.len / 30) {
        write_whole("head/snapshot", good.data, len);
        check_refused(&state);
        tsdb_close(db);
    }
    buf_release(&good);
    ck_assert(exists("aside/head-snapshot.1"));
    ck_assert(exists("aside/head-snapshot.30"));
    db = kit_open(&options);
    state_release(&state);
}
END_TEST

START_TEST(a_snapshot_makes_up_for_a_shorter_log_and_is_set_aside_with_a_strange_one)
{
    fill(sample_group_new(db), 0, 20);
    restart();
    kit_append(db, "k=1", 50000, 1);
    tsdb_close(db);
    /* the log ends before the snapshot does */
    ck_assert_int_eq(truncate(path_of("wal/00000002"), size_of("wal/00000002") - 1), 0);
    kept_log_clear();
    db = kit_open(&options);
    ck_assert(kept_log_has("The log is shorter than it was"));
    ck_assert_uint_eq(tsdb_corruption_count(db), 1);
    ck_assert_str_eq(kit_read(db, "k=1"), "50000:1");
    tsdb_close(db);
    /* another's log under the same numbers */
    ck_assert_int_eq(rename(path_of("head/snapshot"), path_of("kept")), 0);
    kit_remove(path_of("wal"));
    options.no_snapshot = true;
    for (int i = 0; i < 3; i++) {
        db = kit_open(&options);
        fill(sample_group_new(db), 10 * i, 10);
        tsdb_close(db);
    }
    ck_assert_int_eq(rename(path_of("kept"), path_of("head/snapshot")), 0);
    kept_log_clear();
    db = kit_open(&options);
    ck_assert(kept_log_has("another log"));
    ck_assert(kept_log_has("was set aside"));
}
END_TEST

START_TEST(a_snapshot_that_the_log_has_left_behind_goes_quietly)
{
    fill(sample_group_new(db), 0, 20);
    restart();
    options.no_snapshot = true;
    restart();
    kit_append(db, "k=1", 50000, 1);
    wal_truncate(db->wal, 40000, 3, 0);
    tsdb_close(db);
    ck_assert(!exists("wal/00000002"));
    kept_log_clear();
    db = kit_open(&options);
    ck_assert(!kept_log_has("set aside"));
    ck_assert(!kept_log_has("Snapshot of the head loaded"));
    ck_assert(!exists("head/snapshot"));
    ck_assert_str_eq(kit_read(db, "k=1"), "50000:1");
}
END_TEST

START_TEST(a_snapshot_whose_segments_were_lost_is_all_that_is_left_of_them)
{
    kit_append(db, "k=1", 1000, 1);
    restart();
    options.no_snapshot = true;
    restart();
    kit_append(db, "k=1", 50000, 1);
    tsdb_close(db);
    ck_assert_int_eq(remove(path_of("wal/00000001")), 0);
    ck_assert_int_eq(remove(path_of("wal/00000002")), 0);
    kept_log_clear();
    db = kit_open(&options);
    ck_assert(kept_log_has("A segment of the log is missing"));
    ck_assert(kept_log_has("Snapshot of the head loaded"));
    ck_assert_str_eq(kit_read(db, "k=1"), "1000:1 50000:1");
}
END_TEST

START_TEST(retention_knows_segments_that_were_not_replayed)
{
    options.retention_ms = 10000;
    restart();
    kit_append(db, "k=1", 1000, 1);
    restart();
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    ck_assert(exists("wal/00000002")); /* its samples are not too old */
    kit_append(db, "k=1", 60000, 1);
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    ck_assert(!exists("wal/00000002"));
}
END_TEST

/* Stop and start while operation k fails, with all after it or alone; true when it was not reached.
 */
static bool run_failing(uint64_t k, bool and_after)
{
    setup();
    options.out_of_order_window_ms = 0;
    restart();
    kit_append(db, "k=1", 1000, 1);
    restart();
    kit_append(db, "k=1", 2000, 2);
    fault_fs_fail(&faults, k, and_after, EIO);
    uint64_t until = faults.operations + k;
    tsdb_close(db);
    db = NULL;
    if (tsdb_open(&options, &db, NULL) == ERR_NONE)
        tsdb_close(db);
    bool reached = faults.operations >= until;
    fault_fs_fail(&faults, 0, false, 0);
    db = kit_open(&options);
    const char *read = kit_read(db, "k=1");
    ck_assert_msg(strcmp(read, "1000:1 2000:2") == 0, "operation %lu: %s", (unsigned long)k, read);
    teardown();
    return !reached;
}

START_TEST(a_failing_operation_of_stop_or_start_loses_nothing)
{
    for (uint64_t k = 1; !run_failing(k, false); k++)
        ck_assert_uint_lt(k, 200);
    for (uint64_t k = 1; !run_failing(k, true); k++)
        ck_assert_uint_lt(k, 200);
}
END_TEST

static bool run_power_cut(uint64_t k)
{
    setup();
    options.fsync_policy = TSDB_FSYNC_ALWAYS;
    restart();
    kit_append(db, "k=1", 1000, 1);
    restart();
    kit_append(db, "k=1", 2000, 2);
    /* from the cut on nothing reaches the disk */
    fault_fs_fail(&faults, k, true, EIO);
    uint64_t until = faults.operations + k;
    tsdb_close(db);
    db = NULL;
    if (tsdb_open(&options, &db, NULL) == ERR_NONE)
        tsdb_close(db);
    bool reached = faults.operations >= until;
    fault_fs_cut_power(&faults, 0);
    fault_fs_fail(&faults, 0, false, 0);
    kept_log_clear();
    db = kit_open(&options);
    ck_assert_msg(!kept_log_has("damaged") && !kept_log_has("set aside"), "operation %lu: %s",
                  (unsigned long)k, kept_log_text());
    const char *read = kit_read(db, "k=1");
    ck_assert_msg(strcmp(read, "1000:1 2000:2") == 0, "operation %lu: %s", (unsigned long)k, read);
    teardown();
    return !reached;
}

START_TEST(a_power_cut_during_stop_or_start_loses_nothing)
{
    for (uint64_t k = 1; !run_power_cut(k); k++)
        ck_assert_uint_lt(k, 200);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_snapshot");
    TCase *tcase = tcase_create("head_snapshot");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_clean_stop_leaves_nothing_to_replay);
    tcase_add_test(tcase, series_go_on_where_they_were);
    tcase_add_test(tcase, a_kill_replays_only_what_came_after_the_snapshot);
    tcase_add_test(tcase, the_segment_of_the_snapshot_may_go_on);
    tcase_add_test(tcase, a_damaged_or_short_snapshot_is_set_aside_and_the_log_replayed);
    tcase_add_test(tcase, a_snapshot_makes_up_for_a_shorter_log_and_is_set_aside_with_a_strange_one);
    tcase_add_test(tcase, a_snapshot_that_the_log_has_left_behind_goes_quietly);
    tcase_add_test(tcase, a_snapshot_whose_segments_were_lost_is_all_that_is_left_of_them);
    tcase_add_test(tcase, retention_knows_segments_that_were_not_replayed);
    suite_add_tcase(suite, tcase);
    TCase *faulty = tcase_create("faults");
    tcase_set_timeout(faulty, 300);
    tcase_add_test(faulty, a_failing_operation_of_stop_or_start_loses_nothing);
    tcase_add_test(faulty, a_power_cut_during_stop_or_start_loses_nothing);
    suite_add_tcase(suite, faulty);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
