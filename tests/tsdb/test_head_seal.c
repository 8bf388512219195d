/* Closed chunks leave memory: what is read stays the same, files come and go with their chunks, and
 * a file that cannot be written or read costs nothing but memory or time. */
#include "tests/support/fault_fs.h"
#include "tests/support/kept_log.h"
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/thread.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "tsdb/head_seal.h"
#include "tsdb/tsdb_internal.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *directory;
static struct fault_fs faults;
static struct tsdb_options options;
static struct tsdb *db;
static void setup(void)
{
    kept_log_start();
    directory = mem_strdup(kit_directory());
    fault_fs_init(&faults);
    options =
        (struct tsdb_options){.path = directory, .fs = &faults.fs, .fsync_interval_ms = 3600000};
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

static enum err seal(void)
{
    MUTEX_GUARD(&db->maintenance_lock);
    enum err result = head_seal(&db->head, &db->commit_lock, &db->head_files, NULL);
    head_files_sweep(&db->head_files);
    return result;
}

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static bool exists(const char *name)
{
    struct fs_stat stat;
    return fs_system->stat(fs_system, path_of(name), &stat) == 0;
}

static const char *const labels[] = {"g=1", "g=2", "g=3", "l=1", "h=1"};
#define LABEL_COUNT 5

struct texts {
    char *texts[LABEL_COUNT];
};

static struct texts take(void)
{
    struct texts taken;
    for (size_t i = 0; i < LABEL_COUNT; i++)
        taken.texts[i] = mem_strdup(kit_read(db, labels[i]));
    return taken;
}

static void check_same(const struct texts *expected)
{
    for (size_t i = 0; i < LABEL_COUNT; i++)
        ck_assert_str_eq(kit_read(db, labels[i]), expected->texts[i]);
}

static void texts_free(struct texts *taken)
{
    for (size_t i = 0; i < LABEL_COUNT; i++)
        mem_free(taken->texts[i]);
}

/* A value of every sort: decimals, repetitions, stale markers, NaN, raw bits. */
static double value_of(int i)
{
    if (i % 97 == 5)
        return sample_stale();
    if (i % 89 == 7)
        return INFINITY;
    return i % 53 == 0 ? 1.0 / (i + 3) : (i / 3) * 0.25;
}

/* Rows (one series with gaps), loose samples with uneven steps, and histograms. */
static void fill(struct sample_group *group, int from, int count)
{
    static struct histogram_span span = {0, 1};
    for (int i = from; i < from + count; i++) {
        int64_t t_ms = 1000 * (i + 1);
        struct appender *appender = kit_begin(db, group, t_ms);
        ck_assert_int_eq(kit_stage(appender, "g=1", value_of(i)), APPEND_OK);
        ck_assert_int_eq(kit_stage(appender, "g=2", 7), APPEND_OK);
        if (i % 30 != 4)
            ck_assert_int_eq(kit_stage(appender, "g=3", i), APPEND_OK);
        struct labels *loose = kit_labels("l=1");
        ck_assert_int_eq(append_at(appender, appender_series(appender, loose),
                                   t_ms + (i * 7919) % 400, value_of(i)),
                         APPEND_OK);
        labels_unref(loose);
        double bucket = i;
        struct histogram histogram = {.count = i,
                                      .sum = i,
                                      .positive_span_count = 1,
                                      .positive_spans = &span,
                                      .positive_bucket_count = 1,
                                      .positive_buckets = &bucket};
        struct labels *with_histograms = kit_labels("h=1");
        ck_assert_int_eq(append_histogram_at(appender, appender_series(appender, with_histograms),
                                             t_ms, &histogram),
                         APPEND_OK);
        labels_unref(with_histograms);
        kit_commit(appender);
    }
}

START_TEST(what_is_read_stays_the_same_and_memory_is_freed)
{
    struct sample_group *group = sample_group_new(db);
    fill(group, 0, 1000);
    struct texts expected = take();
    uint64_t before = tsdb_memory(db) - db->head.chunk_bytes;
    uint64_t chunks = db->head.chunk_count;
    ck_assert(seal() == ERR_NONE);
    ck_assert_uint_eq(db->head.chunk_bytes, 0);
    ck_assert_uint_eq(tsdb_memory(db), before + chunk_pool_memory(&db->head.chunk_pool));
    ck_assert_uint_lt(db->head.chunk_count, chunks); /* neighbours became one */
    ck_assert_uint_eq(db->head.sealed_count, db->head.chunk_count);
    ck_assert_uint_eq(db->head.chunks_created - db->head.chunks_removed, db->head.chunk_count);
    ck_assert_uint_eq(db->head_files.count, 1);
    ck_assert(exists("head/chunks.00000001"));
    check_same(&expected);
    ck_assert_str_eq(kit_read_range(db, "g=2", 3000, 5000), "3000:7 4000:7 5000:7");
    ck_assert(seal() == ERR_NONE);
    ck_assert_uint_eq(db->head_files.count, 1); /* there was nothing to seal */
    fill(group, 1000, 300);
    ck_assert(seal() == ERR_NONE);
    ck_assert_uint_eq(db->head_files.count, 2);
    ck_assert_int_eq(strncmp(kit_read(db, "g=1"), expected.texts[0], strlen(expected.texts[0])), 0);
    texts_free(&expected);
    sample_group_free(group);
}
END_TEST

/* Ranges that begin and end at samples, beside them, and in the middle of chunks. */
START_TEST(parts_of_a_chunk_are_read_as_before)
{
    static const char *const wanted[] = {"g=1", "g=3", "l=1"};
    VEC(char *) expected = {0};
    struct sample_group *group = sample_group_new(db);
    fill(group, 0, 1000);
    for (size_t round = 0; round < 2; round++) {
        size_t at = 0;
        for (int64_t min_ms = 0; min_ms < 1001000; min_ms += 27900) {
            for (int64_t len_ms = 0; len_ms < 700000; len_ms = len_ms * 3 + 1100) {
                const char *text =
                    kit_read_range(db, wanted[at % 3], min_ms, min_ms / 100 * 100 + len_ms);
                if (round == 0)
                    vec_push(&expected, mem_strdup(text));
                else
                    ck_assert_str_eq(text, expected.items[at]);
                at++;
            }
        }
        ck_assert(seal() == ERR_NONE);
    }
    ck_assert_uint_gt(db->head.sealed_count, 0);
    for (size_t i = 0; i < expected.len; i++)
        mem_free(expected.items[i]);
    vec_release(&expected);
    sample_group_free(group);
}
END_TEST

static size_t closed_count(const char *text)
{
    struct labels *wanted = kit_labels(text);
    const struct series *series = head_series_for(&db->head, wanted);
    labels_unref(wanted);
    size_t count = 0;
    for (const struct chunk *chunk = series->closed; chunk != NULL; chunk = chunk->next)
        count++;
    return count;
}

START_TEST(series_that_begin_together_do_not_close_together)
{
    struct errbuf err = ERRBUF_INIT;
    enum { SERIES = 400 };
    series_ref refs[SERIES] = {0};
    size_t closed_most = 0;
    for (int64_t row = 0; row < 300; row++) {
        uint64_t before = db->head.chunks_created;
        struct appender *appender;
        ck_assert(appender_begin(db, NULL, row * 1000, &appender, &err) == ERR_NONE);
        for (size_t i = 0; i < SERIES; i++) {
            char text[16];
            snprintf(text, sizeof(text), "x=%zu", i);
            struct labels *own = refs[i] == 0 ? kit_labels(text) : NULL;
            if (refs[i] == 0)
                refs[i] = appender_series(appender, own);
            labels_unref(own);
            ck_assert(append_at(appender, refs[i], row * 1000, (double)row) == APPEND_OK);
        }
        ck_assert(appender_commit(appender, &err) == ERR_NONE);
        closed_most = MAX(closed_most, db->head.chunks_created - before);
    }
    ck_assert_uint_gt(db->head.chunks_created, 2 * SERIES);
    ck_assert_uint_le(closed_most, SERIES / 20);
}
END_TEST

/* The chunks of a file, of which one in a hundred lasts. */
static void pool_fill(struct chunk_pool *pool, struct head_file *file, struct chunk **out)
{
    struct chunk_filler filler = {.pool = pool, .file = file};
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t count = i % 100 == 99 ? 480 : 120;
        struct chunk_shape shape = {
            .kind = CHUNK_SEALED_LOOSE, .count = count, .min_ms = i, .max_ms = i + count};
        out[i] = chunk_new_in_file(&shape, &filler, i, 1);
    }
    chunk_filler_end(&filler);
}

START_TEST(pages_of_chunks_that_do_not_last_are_used_again)
{
    struct head_file files[2] = {{.reference_count = 1, .size = 20000},
                                 {.reference_count = 1, .size = 20000}};
    static struct chunk *chunks[2][20000];
    struct chunk_pool pool;
    chunk_pool_init(&pool);
    pool_fill(&pool, &files[0], chunks[0]);
    size_t memory = chunk_pool_memory(&pool);
    ck_assert_uint_le(memory, 20000 * sizeof(struct chunk) * 11 / 10 + 300000);
    for (size_t i = 0; i < 20000; i++) {
        ck_assert_ptr_eq(chunk_file(chunks[0][i]), &files[0]);
        ck_assert_int_eq(chunk_min_ms(chunks[0][i]), (int64_t)i);
        if (i % 100 != 99)
            chunk_free(chunks[0][i]);
    }
    pool_fill(&pool, &files[1], chunks[1]);
    ck_assert_uint_eq(chunk_pool_memory(&pool), memory);
    ck_assert_uint_gt(files[0].reference_count, 1); /* what lasts is still there */
    for (size_t i = 0; i < 20000; i++) {
        ck_assert_ptr_eq(chunk_file(chunks[1][i]), &files[1]);
        chunk_free(chunks[1][i]);
        if (i % 100 == 99) {
            ck_assert_int_eq(chunk_max_ms(chunks[0][i]), (int64_t)i + 480);
            chunk_free(chunks[0][i]);
        }
    }
    ck_assert_uint_eq(files[0].reference_count, 1);
    ck_assert_uint_eq(files[1].reference_count, 1);
    chunk_pool_release(&pool);
}
END_TEST

START_TEST(four_neighbours_become_one_and_members_share_its_times)
{
    struct sample_group *group = sample_group_new(db);
    size_t most = 0;
    for (int i = 0; i < 16; i++) {
        fill(group, 120 * i, 120);
        ck_assert(seal() == ERR_NONE);
        most = MAX(most, closed_count("g=1"));
    }
    struct texts expected = take();
    ck_assert_uint_le(most, 8);
    ck_assert_uint_le(closed_count("g=1"), 7);
    ck_assert_uint_le(closed_count("l=1"), 7);
    ck_assert_uint_ge(closed_count("h=1"), 15); /* histograms stay as they are */
    struct labels *first = kit_labels("g=1");
    struct labels *second = kit_labels("g=2");
    const struct chunk *one = head_series_for(&db->head, first)->closed;
    const struct chunk *two = head_series_for(&db->head, second)->closed;
    size_t shared = 0;
    for (; one != NULL && two != NULL; one = one->next, two = two->next) {
        ck_assert_ptr_eq(one->column, two->column);
        shared += one->column->commits == NULL && one->count > CHUNK_SAMPLES_MAX;
    }
    ck_assert_uint_ge(shared, 3);
    labels_unref(first);
    labels_unref(second);
    /* what the longer chunks say does not depend on what is read before */
    ck_assert_str_eq(kit_read_range(db, "g=2", 500000, 501000), "500000:7 501000:7");
    restart();
    check_same(&expected);
    texts_free(&expected);
}
END_TEST

START_TEST(rows_that_a_view_may_not_see_are_not_joined)
{
    struct sample_group *group = sample_group_new(db);
    fill(group, 0, 130);
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) == ERR_NONE);
    char *before = mem_strdup(kit_read_view(view, "g=1", INT64_MIN, INT64_MAX));
    fill(group, 130, 600);
    ck_assert(seal() == ERR_NONE);
    ck_assert_str_eq(kit_read_view(view, "g=1", INT64_MIN, INT64_MAX), before);
    ck_assert_uint_ge(closed_count("g=1"), 5);
    series_view_close(view);
    fill(group, 730, 130);
    ck_assert(seal() == ERR_NONE); /* now they may */
    ck_assert_uint_le(closed_count("g=1"), 4);
    mem_free(before);
    sample_group_free(group);
}
END_TEST

START_TEST(a_reader_keeps_what_it_took_while_chunks_are_replaced)
{
    struct sample_group *group = sample_group_new(db);
    fill(group, 0, 400);
    struct texts expected = take();
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) == ERR_NONE);
    fill(group, 400, 400);
    ck_assert(seal() == ERR_NONE);
    for (size_t i = 0; i < LABEL_COUNT; i++)
        ck_assert_str_eq(kit_read_view(view, labels[i], INT64_MIN, INT64_MAX), expected.texts[i]);
    series_view_close(view);
    texts_free(&expected);
    sample_group_free(group);
}
END_TEST

static _Atomic bool reading;
static _Atomic uint64_t read_count;

/* Every row of g=2 is 7, in each second from the first on: a torn list would show. */
static void read_on(void *context)
{
    struct matcher *matcher = context;
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, INT64_MIN, INT64_MAX, true, 0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    while (reading) {
        struct series_view *view;
        struct series_list list = {0};
        struct errbuf err;
        if (series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, &err) != ERR_NONE ||
            series_view_select(view, &query, &list, &err) != ERR_NONE)
            abort();
        for (size_t i = 0; i < list.entries.len; i++) {
            if (series_view_read(view, &list.entries.items[i], INT64_MIN, INT64_MAX, &columns,
                                 &err) != ERR_NONE)
                abort();
            for (size_t k = 0; k < columns.count; k++) {
                if (columns.timestamps_ms[k] != 1000 * ((int64_t)k + 1) || columns.values[k] != 7)
                    abort();
            }
            read_count++;
        }
        series_list_release(&list);
        series_view_close(view);
    }
    sample_columns_release(&columns);
}

START_TEST(readers_go_on_while_chunks_are_sealed_and_joined)
{
    struct sample_group *group = sample_group_new(db);
    fill(group, 0, 10);
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("g"), SLICE("2"), &matcher, NULL) == ERR_NONE);
    reading = true;
    struct thread readers[2] = {0};
    for (size_t i = 0; i < 2; i++)
        thread_start(&readers[i], "reader", read_on, matcher);
    int at = 10;
    for (; at < 1500 || read_count < 50; at += 40) {
        fill(group, at, 40);
        ck_assert(seal() == ERR_NONE);
    }
    reading = false;
    for (size_t i = 0; i < 2; i++)
        thread_join(&readers[i]);
    matcher_free(matcher);
    sample_group_free(group);
}
END_TEST

START_TEST(a_file_goes_with_its_last_chunk)
{
    options.retention_ms = 200000;
    restart();
    struct sample_group *group = sample_group_new(db);
    fill(group, 0, 400);
    ck_assert(seal() == ERR_NONE);
    fill(group, 400, 150);
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    ck_assert(exists("head/chunks.00000001")); /* the newest are kept */
    fill(group, 550, 400);
    ck_assert(seal() == ERR_NONE);
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    ck_assert(!exists("head/chunks.00000001"));
    ck_assert_uint_eq(db->head_files.count, 1);
    ck_assert_uint_lt(0, db->head_files.bytes);
    sample_group_free(group);
}
END_TEST

START_TEST(a_clean_stop_keeps_the_files_and_a_kill_makes_them_anew)
{
    fill(sample_group_new(db), 0, 700);
    ck_assert(seal() == ERR_NONE);
    struct texts expected = take();
    options.no_snapshot = true;
    restart();
    ck_assert(kept_log_has("Snapshot of the head loaded"));
    ck_assert_uint_eq(db->head_files.count, 1);
    check_same(&expected);
    restart(); /* by the same snapshot */
    ck_assert_uint_eq(db->head_files.count, 1);
    check_same(&expected);
    remove(path_of("head/snapshot"));
    restart();
    ck_assert_uint_eq(db->head_files.count, 0);
    ck_assert(!exists("head/chunks.00000001"));
    check_same(&expected);
    ck_assert(seal() == ERR_NONE);
    check_same(&expected);
    texts_free(&expected);
}
END_TEST

START_TEST(a_missing_file_means_a_replay_and_a_damaged_one_is_told)
{
    fill(sample_group_new(db), 0, 700);
    ck_assert(seal() == ERR_NONE);
    struct texts expected = take();
    tsdb_close(db);
    FILE *file = fopen(path_of("head/chunks.00000001"), "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, 100, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, 100, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
    kept_log_clear();
    db = kit_open(&options);
    ck_assert(kept_log_has("was set aside"));
    ck_assert(kept_log_has("chunks.00000001"));
    ck_assert_uint_eq(db->head_files.corruptions, 1);
    check_same(&expected);
    ck_assert(seal() == ERR_NONE);
    tsdb_close(db);
    remove(path_of("head/chunks.00000001"));
    kept_log_clear();
    db = kit_open(&options);
    ck_assert(!kept_log_has("was set aside"));
    ck_assert(!kept_log_has("Snapshot of the head loaded"));
    check_same(&expected);
    texts_free(&expected);
}
END_TEST

START_TEST(what_cannot_be_written_stays_in_memory_and_is_tried_again)
{
    fill(sample_group_new(db), 0, 300);
    struct texts expected = take();
    for (uint64_t k = 1;; k++) {
        fault_fs_fail(&faults, k, true, ENOSPC);
        bool failed = seal() != ERR_NONE;
        fault_fs_fail(&faults, 0, false, 0);
        check_same(&expected);
        if (!failed)
            break;
        ck_assert_uint_eq(db->head.sealed_count, 0);
        ck_assert_uint_lt(k, 20);
    }
    ck_assert_uint_eq(db->head.sealed_count, db->head.chunk_count);
    texts_free(&expected);
}
END_TEST

static bool run_power_cut(uint64_t k)
{
    setup();
    options.fsync_policy = TSDB_FSYNC_ALWAYS;
    restart();
    fill(sample_group_new(db), 0, 260);
    struct texts expected = take();
    fault_fs_fail(&faults, k, true, EIO);
    uint64_t until = faults.operations + k;
    (void)seal();
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
    check_same(&expected);
    texts_free(&expected);
    teardown();
    return !reached;
}

START_TEST(a_power_cut_while_sealing_stopping_or_starting_loses_nothing)
{
    for (uint64_t k = 1; !run_power_cut(k); k++)
        ck_assert_uint_lt(k, 200);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_seal");
    TCase *tcase = tcase_create("head_seal");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_is_read_stays_the_same_and_memory_is_freed);
    tcase_add_test(tcase, parts_of_a_chunk_are_read_as_before);
    tcase_add_test(tcase, series_that_begin_together_do_not_close_together);
    tcase_add_test(tcase, pages_of_chunks_that_do_not_last_are_used_again);
    tcase_add_test(tcase, four_neighbours_become_one_and_members_share_its_times);
    tcase_add_test(tcase, rows_that_a_view_may_not_see_are_not_joined);
    tcase_add_test(tcase, a_reader_keeps_what_it_took_while_chunks_are_replaced);
    tcase_add_test(tcase, readers_go_on_while_chunks_are_sealed_and_joined);
    tcase_add_test(tcase, a_file_goes_with_its_last_chunk);
    tcase_add_test(tcase, a_clean_stop_keeps_the_files_and_a_kill_makes_them_anew);
    tcase_add_test(tcase, a_missing_file_means_a_replay_and_a_damaged_one_is_told);
    tcase_add_test(tcase, what_cannot_be_written_stays_in_memory_and_is_tried_again);
    suite_add_tcase(suite, tcase);
    TCase *faulty = tcase_create("faults");
    tcase_set_timeout(faulty, 300);
    tcase_add_test(faulty, a_power_cut_while_sealing_stopping_or_starting_loses_nothing);
    suite_add_tcase(suite, faulty);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
