/* Everything at once: rows, histograms, loose and late samples and exemplars come, queries run, the
 * head is cut, sealed and collected, blocks are merged, cleaned and dropped by the retention, series
 * deleted, snapshots taken and opened; then the database is closed and opened again. Nothing is lost,
 * nothing is seen twice, no commit is seen in part. Made for the thread sanitizer, meaningful without.
 *
 * FERULA_SEED chooses the samples, FERULA_SECONDS how long it takes at least. */
#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/thread.h"
#include "tests/support/race_data.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/head_seal.h"
#include "tsdb/tsdb_internal.h"

#define HOUR_MS INT64_C(3600000)
#define RETENTION_MS (6 * HOUR_MS)
/* Writers stay within so much of each other, and so far ahead of who checks. */
#define WRITER_LEAD_MS (4 * RACE_STEP_MS)
#define CHECK_LEAD_MS (RETENTION_MS / 3)
#define READERS 2
/* Who checks: the readers and the upkeep, which opens its snapshots. */
#define CHECKERS (READERS + 1)
#define PHASE_ROUNDS 5
#define PHASES_MIN 2
/* So many at most until everything has happened. */
#define PHASES_MAX 10

static struct race_state state;
static char directory[128];
static struct tsdb *db;
static _Atomic bool done;
static _Atomic int64_t checked_ms[CHECKERS]; /* what they look at is not older */
static _Atomic uint64_t samples_checked;
static _Atomic uint64_t exemplars_checked;

/* What happened in all phases. */
static struct {
    uint64_t collected;
    uint64_t sealed;
    uint64_t cuts;
    uint64_t late_cuts;
    uint64_t merged;
    uint64_t retained;
    uint64_t snapshots;
    uint64_t cleaned;
} happened;

/* For others to go on. */
static void wait_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* --- writing --- */

static int64_t checked_all_ms(void)
{
    int64_t oldest_ms = checked_ms[0];
    for (size_t i = 1; i < CHECKERS; i++)
        oldest_ms = MIN(oldest_ms, (int64_t)checked_ms[i]);
    return oldest_ms;
}

static void wait_for_others(int64_t t_ms)
{
    while (!done && (t_ms > race_committed_ms(&state) + WRITER_LEAD_MS ||
                     t_ms > checked_all_ms() + CHECK_LEAD_MS))
        wait_briefly();
}

/* The exemplar of a loose sample tells its time. */
static void stage_exemplar(const struct race_writer *writer, struct appender *appender,
                           int64_t t_ms)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)t_ms);
    struct exemplar_label label = {SLICE("time"), slice_str(text)};
    struct exemplar exemplar = {.labels = &label,
                                .label_count = 1,
                                .value = race_value(&state, RACE_LOOSE, 0, t_ms),
                                .timestamp_ms = t_ms,
                                .has_timestamp = true};
    ck_assert_int_eq(append_exemplar(appender, writer->refs[RACE_LOOSE][0], &exemplar),
                     EXEMPLAR_OK);
}

static void write_run(void *context)
{
    struct race_writer writer = {.state = &state, .number = (size_t)(uintptr_t)context};
    struct rand rand;
    rand_init(&rand, state.seed + writer.number);
    writer.group = writer.number == 2 ? NULL : sample_group_new(db);
    for (int64_t t_ms = state.committed_ms[writer.number] + RACE_STEP_MS; !done;
         t_ms += RACE_STEP_MS) {
        wait_for_others(t_ms);
        if (rand_below(&rand, 8) == 0) {
            struct appender *appender = kit_begin(db, writer.group, t_ms);
            race_stage(&writer, appender, t_ms, true);
            appender_rollback(appender);
        }
        if (writer.group != NULL && rand_below(&rand, 200) == 0) {
            sample_group_free(writer.group);
            writer.group = sample_group_new(db);
        }
        struct appender *appender = kit_begin(db, writer.group, t_ms);
        race_stage(&writer, appender, t_ms, false);
        if (writer.number == 2 && writer.refs[RACE_LOOSE][0] != 0)
            stage_exemplar(&writer, appender, t_ms);
        if (rand_below(&rand, 4) == 0)
            sched_yield();
        kit_commit(appender);
        state.committed_ms[writer.number] = t_ms;
    }
    sample_group_free(writer.group);
}

/* --- reading --- */

/* From here on everything is there, whatever the retention takes meanwhile. */
static int64_t checker_begins(size_t checker)
{
    int64_t committed_ms = race_committed_ms(&state);
    checked_ms[checker] = committed_ms;
    return MAX(INT64_C(0), committed_ms - RETENTION_MS / 2);
}

static void check_exemplars(void)
{
    struct matcher *matcher;
    struct arena arena;
    struct tsdb_exemplar_list list = {0};
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("kind"), SLICE("loose"), &matcher, NULL) ==
              ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct tsdb_matcher_set set = {matchers, 1};
    arena_init(&arena, 1 << 24);
    ck_assert(tsdb_exemplars_select(db, 0, INT64_MAX, &set, 1, &arena, &list, NULL) == ERR_NONE);
    for (size_t i = 0; i < list.series.len; i++) {
        const struct tsdb_exemplar_series *series = &list.series.items[i];
        /* one assertion for all: Check keeps account of each */
        bool right = true;
        for (size_t k = 0; k < series->count; k++) {
            const struct exemplar *exemplar = &series->exemplars[k];
            char text[32];
            snprintf(text, sizeof(text), "%lld", (long long)exemplar->timestamp_ms);
            right = right && slice_eq_str(exemplar->labels[0].value, text) &&
                    exemplar->value == race_value(&state, RACE_LOOSE, 0, exemplar->timestamp_ms) &&
                    (k == 0 || exemplar->timestamp_ms > exemplar[-1].timestamp_ms);
        }
        ck_assert(right);
        exemplars_checked += series->count;
    }
    tsdb_exemplar_list_release(&list);
    arena_release(&arena);
    matcher_free(matcher);
}

static void check_label_values(struct rand *rand)
{
    struct series_view *view;
    struct arena arena;
    struct text_list values;
    int64_t from_ms = race_committed_ms(&state) - (int64_t)rand_below(rand, HOUR_MS);
    struct series_query query = {NULL, 0, from_ms, from_ms + 10 * RACE_STEP_MS, true, 0};
    arena_init(&arena, 1 << 24);
    ck_assert(series_source_open(tsdb_source(db), query.min_ms, query.max_ms, &view, NULL) ==
              ERR_NONE);
    ck_assert(series_view_label_values(view, SLICE("kind"), &query, &arena, &values, NULL) ==
              ERR_NONE);
    ck_assert(from_ms < HOUR_MS || values.count == RACE_KINDS);
    series_view_close(view);
    struct tsdb_cardinality cardinality;
    tsdb_cardinality(db, 10, &arena, &cardinality);
    arena_release(&arena);
}

static void read_run(void *context)
{
    size_t number = (size_t)(uintptr_t)context;
    struct rand rand;
    rand_init(&rand, state.seed * 31 + number);
    while (!done) {
        int64_t from_ms = checker_begins(number);
        int64_t committed_ms = checked_ms[number];
        int64_t min_ms = from_ms + (int64_t)rand_below(&rand, (uint64_t)(committed_ms - from_ms) + 1);
        int64_t max_ms = min_ms + (int64_t)rand_below(&rand, HOUR_MS);
        if (rand_below(&rand, 16) == 0) {
            min_ms = from_ms;
            max_ms = committed_ms + HOUR_MS / 10;
        }
        samples_checked += race_check_source(&state, tsdb_source(db), min_ms, max_ms);
        check_exemplars();
        check_label_values(&rand);
    }
}

/* --- upkeep --- */

static void delete_run(void *context)
{
    struct rand rand;
    struct matcher *matcher;
    rand_init(&rand, state.seed + 77);
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("kind"), SLICE("victim"), &matcher, NULL) ==
              ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    while (!done && state.deletion_count < RACE_DELETIONS_MAX) {
        int64_t committed_ms = race_committed_ms(&state);
        struct race_deletion *deletion = &state.deletions[state.deletion_count];
        int64_t age_ms = (int64_t)rand_below(&rand, (uint64_t)RACE_DELETION_AGE_MS);
        deletion->min_ms = committed_ms - age_ms;
        deletion->max_ms =
            MIN(deletion->min_ms + (int64_t)rand_below(&rand, HOUR_MS / 6), committed_ms);
        deletion->done = false;
        state.deletion_count++;
        struct errbuf err = ERRBUF_INIT;
        ck_assert_msg(tsdb_delete_series(db, matchers, 1, deletion->min_ms, deletion->max_ms,
                                         &err) == ERR_NONE,
                      "%s", err.text);
        deletion->done = true;
        /* most of what is written stays */
        for (int64_t until_ms = committed_ms + HOUR_MS / 3;
             !done && race_committed_ms(&state) < until_ms;)
            wait_briefly();
    }
    matcher_free(matcher);
}

/* A copy has what was there when it was made. */
static void snapshot_check(int64_t from_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct buf CLEANUP(buf_release) name;
    char path[512];
    struct race_check check;
    struct series_view *view;
    struct tsdb *copy;
    buf_init(&name, 128);
    race_check_begin(&check, &state);
    ck_assert_msg(tsdb_snapshot(db, false, &name, &err) == ERR_NONE, "%s", err.text);
    snprintf(path, sizeof(path), "%s/snapshots/%s", directory, buf_cstr(&name));
    struct tsdb_options options = {.path = path, .fsync_policy = TSDB_FSYNC_OFF};
    copy = kit_open(&options);
    int64_t until_ms = race_committed_ms(&state) + HOUR_MS;
    ck_assert(series_source_open(tsdb_source(copy), from_ms, until_ms, &view, NULL) == ERR_NONE);
    race_check_view(&check, view, from_ms, until_ms);
    series_view_close(view);
    race_check_end(&check);
    tsdb_close(copy);
    kit_remove(path);
    happened.snapshots++;
}

static void seal(void)
{
    struct errbuf err = ERRBUF_INIT;
    MUTEX_GUARD(&db->maintenance_lock);
    ck_assert_msg(head_seal(&db->head, &db->commit_lock, &db->head_files, &err) == ERR_NONE, "%s",
                  err.text);
}

static void print_figures(void)
{
    struct buf CLEANUP(buf_release) text;
    struct json_writer json;
    struct tsdb_head_stats stats;
    buf_init(&text, BUF_SIZE_ANY);
    json_writer_init(&json, &text);
    tsdb_print_blocks(db, &json);
    tsdb_head_stats(db, &stats);
}

/* Blocks of late samples may be merged at once, so the cut itself is what is counted. */
static void count_late_cut(void)
{
    static uint64_t last_commit;
    MUTEX_GUARD(&db->maintenance_lock);
    uint64_t commit = db->head_cut.late_commit;
    happened.late_cuts += commit != 0 && commit != last_commit;
    last_commit = commit;
}

static bool all_happened(void)
{
    return happened.collected > 0 && happened.sealed > 0 && happened.cuts > 0 &&
           happened.late_cuts > 0 && happened.merged > 0 && happened.retained > 0 &&
           happened.cleaned > 0 && happened.snapshots > 0 && exemplars_checked > 0;
}

static void upkeep_run(void *context)
{
    for (int round = 0; round < PHASE_ROUNDS; round++) {
        struct errbuf err = ERRBUF_INIT;
        int64_t from_ms = checker_begins(READERS);
        seal();
        ck_assert_msg(tsdb_maintain(db, &err) == ERR_NONE, "%s", err.text);
        print_figures();
        count_late_cut();
        if (round % 3 == 2) {
            ck_assert_msg(tsdb_clean_tombstones(db, &err) == ERR_NONE, "%s", err.text);
            happened.cleaned++;
        }
        if (round % 5 == 4)
            snapshot_check(from_ms);
        /* there shall be something to do */
        for (int64_t until_ms = checked_ms[READERS] + HOUR_MS / 2;
             race_committed_ms(&state) < until_ms;) {
            checker_begins(READERS);
            wait_briefly();
        }
    }
    done = true;
}

/* --- all at once --- */

static struct tsdb *open_database(bool no_snapshot)
{
    struct tsdb_options options = {.path = directory,
                                   .fsync_policy = TSDB_FSYNC_OFF,
                                   .retention_ms = RETENTION_MS,
                                   .out_of_order_window_ms = HOUR_MS / 2,
                                   .exemplars_max = 500,
                                   .block_min_ms = HOUR_MS / 6,
                                   .block_max_ms = HOUR_MS * 3 / 2,
                                   .wal_segment_bytes = 100000,
                                   .no_snapshot = no_snapshot};
    return kit_open(&options);
}

static void note_phase(void)
{
    happened.collected += db->head.series_removed;
    happened.sealed += db->head.sealed_total;
    happened.cuts += (uint64_t)counter_value(db->metrics.truncations);
    happened.merged += (uint64_t)counter_value(db->metrics.compactions);
    happened.retained += (uint64_t)counter_value(db->metrics.time_retentions);
    ck_assert_uint_eq((uint64_t)counter_value(db->metrics.compactions_failed), 0);
    ck_assert_uint_eq((uint64_t)counter_value(db->metrics.block_corruptions), 0);
}

static void check_all(void)
{
    int64_t committed_ms = race_committed_ms(&state);
    samples_checked +=
        race_check_source(&state, tsdb_source(db), MAX(INT64_C(0), committed_ms - RETENTION_MS / 2),
                          committed_ms + HOUR_MS);
}

static void run_phase(void)
{
    static const struct {
        const char *name;
        void (*run)(void *context);
        uintptr_t number;
    } jobs[] = {{"write", write_run, 0}, {"write", write_run, 1}, {"write", write_run, 2},
                {"read", read_run, 0},   {"read", read_run, 1},   {"delete", delete_run, 0},
                {"upkeep", upkeep_run, 0}};
    struct thread threads[ARRAY_SIZE(jobs)] = {0};
    done = false;
    for (size_t i = 0; i < CHECKERS; i++)
        checked_ms[i] = race_committed_ms(&state);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        thread_start(&threads[i], jobs[i].name, jobs[i].run, (void *)jobs[i].number);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        thread_join(&threads[i]);
    check_all();
    note_phase();
}

static int64_t environment_number(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoll(text, NULL, 10);
}

START_TEST(all_at_once)
{
    int64_t start_ns = clock_monotonic_ns(clock_system);
    int64_t until_ns = start_ns + environment_number("FERULA_SECONDS", 0) * 1000000000;
    state.seed = (uint64_t)environment_number("FERULA_SEED", 1);
    log_set_level(LOG_ERROR);
    snprintf(directory, sizeof(directory), "%s", kit_directory());
    db = open_database(false);
    for (int phase = 1;
         phase <= PHASES_MIN || clock_monotonic_ns(clock_system) < until_ns ||
         (phase <= PHASES_MAX && !all_happened());
         phase++) {
        run_phase();
        tsdb_close(db);
        /* from the snapshot of the head or from the log, by turns */
        db = open_database(phase % 2 == 1);
        check_all();
    }
    tsdb_close(db);
    kit_remove(directory);
    printf("seed %llu: %lld s, %.1f h of data, %llu samples and %llu exemplars checked; series "
           "collected %llu, chunks sealed %llu, truncations %llu, cuts of late samples %llu, "
           "cut and merged %llu, retentions %llu, cleaned %llu, deletions %zu, snapshots %llu\n",
           (unsigned long long)state.seed,
           (long long)((clock_monotonic_ns(clock_system) - start_ns) / 1000000000),
           (double)race_committed_ms(&state) / (double)HOUR_MS,
           (unsigned long long)samples_checked, (unsigned long long)exemplars_checked,
           (unsigned long long)happened.collected, (unsigned long long)happened.sealed,
           (unsigned long long)happened.cuts, (unsigned long long)happened.late_cuts,
           (unsigned long long)happened.merged, (unsigned long long)happened.retained,
           (unsigned long long)happened.cleaned, (size_t)state.deletion_count,
           (unsigned long long)happened.snapshots);
    ck_assert(all_happened());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upkeep_race");
    TCase *tests = tcase_create("upkeep_race");
    tcase_set_timeout(tests, 280 + (double)environment_number("FERULA_SECONDS", 0));
    tcase_add_test(tests, all_at_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
