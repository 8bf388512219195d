/*
 * Queries over blocks of which a part cannot be read: what is whole has its values, and the answer
 * says what is missing, with one thread and with several.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "promql/promql.h"
#include "tests/support/kept_log.h"
#include "tests/support/tsdb_kit.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define START_MS INT64_C(1699999200000) /* a multiple of two hours */
#define ROWS 120                        /* of a block */
#define SERIES_MAX 2200
#define PATH_SIZE 512
#define ULID_SIZE 64
#define ALL "{a=~\".+\"}[2h]"

static char *directory;
static struct tsdb *db;
static struct promql_engine *engine; /* with one thread */

static void setup(void)
{
    kept_log_start();
    directory = mem_strdup(kit_directory());
    db = kit_open(&(struct tsdb_options){.path = directory, .fsync_policy = TSDB_FSYNC_OFF});
    engine = promql_engine_new(&(struct promql_engine_options){.threads = 1});
}

static void teardown(void)
{
    promql_engine_free(engine);
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
    kept_log_stop();
}

static double value_of(long series, int64_t t_ms)
{
    return (double)((uint64_t)(t_ms + series) * 0x9e3779b97f4a7c15u >> 30) / 7;
}

/* Two hours in a block, and two in the head. */
static void write_block(int series_count)
{
    struct errbuf err = ERRBUF_INIT;
    struct sample_group *group = sample_group_new(db);
    for (int64_t t_ms = START_MS; t_ms < START_MS + 4 * HOUR_MS; t_ms += MINUTE_MS) {
        struct appender *appender = kit_begin(db, group, t_ms);
        for (int i = 0; i < series_count; i++) {
            char text[32];
            snprintf(text, sizeof(text), "a=%d", i);
            ck_assert_int_eq(kit_stage(appender, text, value_of(i, t_ms)), APPEND_OK);
        }
        kit_commit(appender);
    }
    sample_group_free(group);
    ck_assert_msg(tsdb_maintain(db, &err) == ERR_NONE, "%s", err.text);
}

static int keep_name(const char *name, void *context)
{
    char *only = context;
    ck_assert_str_eq(only, "");
    snprintf(only, ULID_SIZE, "%s", name);
    return 0;
}

static const char *file_of_block(const char *file)
{
    static char path[PATH_SIZE];
    char blocks[PATH_SIZE / 2], name[ULID_SIZE] = "";
    snprintf(blocks, sizeof(blocks), "%s/blocks", directory);
    ck_assert_int_eq(fs_system->list(fs_system, blocks, keep_name, name), 0);
    ck_assert_str_ne(name, "");
    snprintf(path, sizeof(path), "%s/%s/%s", blocks, name, file);
    return path;
}

static void damage(const char *path, uint64_t offset)
{
    int fd = fs_system->open(fs_system, path, FS_WRITE);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs_system->pwrite(fs_system, fd, "damaged!", 8, offset), 8);
    fs_system->close(fs_system, fd);
}

/* An instant query. */
static struct promql_result *ask(struct promql_engine *of, const char *text, int64_t t_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct promql_expression *expression;
    struct promql_result *result;
    ck_assert_msg(promql_parse(slice_str(text), 0, &expression, &err) == ERR_NONE, "%s", err.text);
    const struct promql_query query = {
        .expression = expression, .source = tsdb_source(db), .start_ms = t_ms, .end_ms = t_ms};
    ck_assert_msg(promql_evaluate(of, &query, &result, &err) == ERR_NONE, "%s", err.text);
    promql_expression_free(expression);
    return result;
}

static long series_number(const struct labels *labels)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    labels_print(labels, &text);
    long number;
    ck_assert_msg(sscanf(buf_cstr(&text), "{a=\"%ld\"}", &number) == 1, "%s", buf_cstr(&text));
    return number;
}

/* How many series have all samples of [from_ms, from_ms + two hours); no sample may be another's.
 * `out_series` is one of them, or -1. */
static size_t count_whole(const struct promql_result *result, int64_t from_ms, long *out_series)
{
    size_t whole = 0;
    *out_series = -1;
    ck_assert_int_eq(result->type, PROMQL_MATRIX);
    for (size_t i = 0; i < result->points_count; i++) {
        const struct promql_points *points = &result->points[i];
        long series = series_number(points->labels);
        for (size_t k = 0; k < points->count; k++)
            ck_assert_double_eq(points->values[k], value_of(series, points->timestamps_ms[k]));
        if (points->count != ROWS || points->timestamps_ms[0] != from_ms)
            continue;
        whole++;
        *out_series = series;
    }
    return whole;
}

/* Two hours before these are what the block has, and what the head has. */
static const int64_t block_end_ms = START_MS + 2 * HOUR_MS - 1;
static const int64_t head_end_ms = START_MS + 4 * HOUR_MS - 1;

static void check_warning(const struct promql_result *result, size_t at, const char *path)
{
    ck_assert_uint_lt(at, result->annotation_count);
    const struct promql_annotation *annotation = &result->annotations[at];
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    buf_append_slice(&text, annotation->text);
    ck_assert_int_eq(annotation->level, PROMQL_STORAGE_WARNING);
    ck_assert_msg(strstr(buf_cstr(&text), path) != NULL, "%s", buf_cstr(&text));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "docs/backup.md"));
    /* the block by its name, before the path that has it too */
    char block[PATH_SIZE];
    snprintf(block, sizeof(block), "%s", strstr(path, "blocks/") + strlen("blocks/"));
    *strchr(block, '/') = '\0';
    ck_assert(strstr(buf_cstr(&text), block) < strstr(buf_cstr(&text), path));
}

START_TEST(an_answer_tells_of_a_damaged_page_of_chunks)
{
    write_block(400);
    const char *path = file_of_block("chunks");
    damage(path, 1000);
    long series;
    for (int i = 0; i < 2; i++) {
        struct promql_result *result = ask(engine, ALL, block_end_ms);
        size_t whole = count_whole(result, START_MS, &series);
        ck_assert_uint_gt(whole, 0);
        ck_assert_uint_lt(whole, 400);
        ck_assert_uint_eq(result->annotation_count, 1);
        check_warning(result, 0, path);
        promql_result_free(result);
    }
    ck_assert_uint_eq(kept_log_count("A block is damaged"), 1);
    /* neither a series of another page nor another time */
    char text[64];
    snprintf(text, sizeof(text), "{a=\"%ld\"}[2h]", series);
    struct promql_result *result = ask(engine, text, block_end_ms);
    ck_assert_uint_eq(result->annotation_count, 0);
    promql_result_free(result);
    result = ask(engine, ALL, head_end_ms);
    ck_assert_uint_eq(count_whole(result, START_MS + 2 * HOUR_MS, &series), 400);
    ck_assert_uint_eq(result->annotation_count, 0);
    promql_result_free(result);
}
END_TEST

START_TEST(an_answer_tells_of_a_damaged_page_of_the_index_once)
{
    write_block(400);
    const char *path = file_of_block("index");
    damage(path, 40);
    long series;
    struct promql_result *result =
        ask(engine, "count({a=~\".+\"} offset 2h) or count({a=\"7\"} offset 3h)", head_end_ms);
    ck_assert_uint_eq(result->annotation_count, 1);
    check_warning(result, 0, path);
    promql_result_free(result);
    result = ask(engine, ALL, head_end_ms);
    ck_assert_uint_eq(count_whole(result, START_MS + 2 * HOUR_MS, &series), 400);
    ck_assert_uint_eq(result->annotation_count, 0);
    promql_result_free(result);
}
END_TEST

START_TEST(what_the_query_itself_warns_of_comes_behind)
{
    write_block(400);
    const char *path = file_of_block("chunks");
    damage(path, 1000);
    struct promql_result *result = ask(engine, "quantile(2, sum_over_time(" ALL "))", block_end_ms);
    ck_assert_uint_eq(result->annotation_count, 2);
    check_warning(result, 0, path);
    ck_assert_int_eq(result->annotations[1].level, PROMQL_WARNING);
    promql_result_free(result);
}
END_TEST

START_TEST(warnings_are_bounded)
{
    write_block(SERIES_MAX);
    const char *path = file_of_block("chunks");
    struct fs_stat stat;
    ck_assert_int_eq(fs_system->stat(fs_system, path, &stat), 0);
    for (uint64_t at = 1000; at + 40000 < stat.size; at += 4000)
        damage(path, at);
    struct promql_result *result = ask(engine, ALL, block_end_ms);
    ck_assert_uint_eq(result->annotation_count, 65);
    for (size_t i = 0; i < 64; i++)
        check_warning(result, i, path);
    ck_assert(slice_eq_str(result->annotations[64].text,
                           "incomplete: more damaged parts of blocks are left out"));
    promql_result_free(result);
}
END_TEST

/* Everything of it as text. */
static void print_result(const struct promql_result *result, struct buf *out)
{
    for (size_t i = 0; i < result->annotation_count; i++)
        buf_printf(out, "%.*s\n", SLICE_ARG(result->annotations[i].text));
    for (size_t i = 0; i < result->row_count; i++) {
        labels_print(result->rows[i].labels, out);
        buf_printf(out, " %.17g\n", result->rows[i].values[0]);
    }
}

START_TEST(threads_give_the_same_answer_with_the_same_warnings)
{
    const char *text = "sum_over_time({a=~\".+\"}[2h])";
    struct promql_engine *threads = promql_engine_new(
        &(struct promql_engine_options){.threads = 4, .threads_series_min = 1, .turns_max = 8});
    struct buf CLEANUP(buf_release) expected;
    struct buf CLEANUP(buf_release) actual;
    buf_init(&expected, BUF_SIZE_ANY);
    buf_init(&actual, BUF_SIZE_ANY);
    write_block(400);
    const char *path = file_of_block("chunks");
    for (uint64_t at = 1000; at < 200000; at += 50000)
        damage(path, at);
    for (int i = 0; i < 20; i++) {
        struct promql_result *result = ask(threads, text, block_end_ms);
        buf_reset(&actual);
        print_result(result, &actual);
        promql_result_free(result);
        if (expected.len == 0) {
            result = ask(engine, text, block_end_ms);
            ck_assert_uint_gt(result->annotation_count, 1);
            ck_assert_uint_gt(result->row_count, 0);
            print_result(result, &expected);
            promql_result_free(result);
        }
        ck_assert_str_eq(buf_cstr(&actual), buf_cstr(&expected));
    }
    promql_engine_free(threads);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/damaged_storage");
    TCase *tests = tcase_create("damaged_storage");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_answer_tells_of_a_damaged_page_of_chunks);
    tcase_add_test(tests, an_answer_tells_of_a_damaged_page_of_the_index_once);
    tcase_add_test(tests, what_the_query_itself_warns_of_comes_behind);
    tcase_add_test(tests, warnings_are_bounded);
    tcase_add_test(tests, threads_give_the_same_answer_with_the_same_warnings);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
