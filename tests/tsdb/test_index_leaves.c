/* Pages of an index that are kept: who asks again gets the same without reading it again. */
#include "tsdb/index_leaves.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rand.h"
#include "base/thread.h"
#include "model/labels_builder.h"
#include "tsdb/index_reader.h"
#include "tsdb/index_writer.h"

#define SERIES 40000
#define READERS 4
#define ROUNDS 1500

static char path[] = "/tmp/ferula-leaves-XXXXXX";
static struct buf file;
static struct index_leaves leaves;
static struct index_reader *index_;
static struct errbuf err;
static _Atomic bool done;

static size_t chunks_of(uint32_t series)
{
    return series % 700 < 300 ? 2 : series % 5;
}

static void write_index(void)
{
    struct index_writer *writer = index_writer_new();
    struct labels **sets = calloc(SERIES, sizeof(*sets));
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (uint32_t i = 0; i < SERIES; i++) {
        char text[64];
        labels_builder_reset(&builder);
        labels_builder_set(&builder, SLICE("__name__"), SLICE("metric"));
        snprintf(text, sizeof(text), "%06u", i);
        labels_builder_set(&builder, SLICE("id"), slice_str(text));
        snprintf(text, sizeof(text), "%u", i % 17);
        if (i % 3 > 0)
            labels_builder_set(&builder, SLICE("job"), slice_str(text));
        sets[i] = labels_builder_build(&builder);
        index_writer_series(writer, sets[i]);
        for (size_t k = 0; k < chunks_of(i); k++)
            index_writer_chunk(writer, (int64_t)(k * 1000 + i / 100), (int64_t)(k * 1000 + 900));
    }
    labels_builder_release(&builder);
    ck_assert_int_eq(index_writer_finish(writer, &file, &err), ERR_NONE);
    index_writer_free(writer);
    for (uint32_t i = 0; i < SERIES; i++)
        labels_unref(sets[i]);
    free(sets);
}

static void save(void)
{
    FILE *out = fopen(path, "r+b");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(file.data, 1, file.len, out), file.len);
    ck_assert_int_eq(fclose(out), 0);
}

static void setup(void)
{
    snprintf(path, sizeof(path), "%s", "/tmp/ferula-leaves-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    buf_init(&file, BUF_SIZE_ANY);
    write_index();
    save();
    ck_assert_msg(index_open(fs_system, path, &index_, &err) == ERR_NONE, "%s", err.text);
    index_leaves_init(&leaves);
    index_->leaves = &leaves;
    done = false;
}

static void teardown(void)
{
    index_close(index_);
    ck_assert_uint_eq(index_leaves_memory(&leaves), 0);
    index_leaves_release(&leaves);
    buf_release(&file);
    unlink(path);
}

/* Of all series before it. */
static uint64_t chunks_before(uint32_t series)
{
    uint64_t chunks = 0;
    for (uint32_t i = 0; i < series; i++)
        chunks += chunks_of(i);
    return chunks;
}

static bool is_series(struct index_cursor *cursor, uint32_t series)
{
    const struct index_row *row = &cursor->row;
    char text[64];
    struct slice found;
    snprintf(text, sizeof(text), "%06u", series);
    if (row->pairs.len != (series % 3 > 0 ? 3 : 2) || row->chunks.len != chunks_of(series) ||
        index_cursor_symbol(cursor, row->pairs.items[1].value, &found, NULL) != ERR_NONE ||
        !slice_eq(found, slice_str(text)))
        return false;
    for (size_t k = 0; k < row->chunks.len; k++) {
        if (row->chunks.items[k].min_ms != (int64_t)(k * 1000 + series / 100) ||
            row->chunks.items[k].max_ms != (int64_t)(k * 1000 + 900))
            return false;
    }
    return true;
}

/* As a query does, with a cursor of its own. */
static enum err ask(uint32_t series)
{
    struct index_cursor cursor;
    index_cursor_init(&cursor, index_);
    enum err code = index_cursor_series(&cursor, series, NULL);
    if (code == ERR_NONE && !is_series(&cursor, series))
        ck_abort_msg("series %u is another one", series);
    index_cursor_release(&cursor);
    return code;
}

START_TEST(what_is_asked_for_again_is_not_read_again_for_a_while)
{
    ck_assert_int_eq(ask(23456), ERR_NONE);
    for (size_t i = PAGED_HEADER_SIZE; i < index_->file.directory_offset; i++)
        file.data[i] ^= 1;
    save();
    ck_assert_int_eq(ask(23456), ERR_NONE);
    ck_assert_int_eq(ask(1), ERR_CORRUPT);
    index_leaves_age(&leaves);
    ck_assert_int_eq(ask(23456), ERR_NONE);
    index_leaves_age(&leaves);
    index_leaves_age(&leaves);
    ck_assert_uint_eq(index_leaves_memory(&leaves), 0);
    ck_assert_int_eq(ask(23456), ERR_CORRUPT);
}
END_TEST

START_TEST(series_are_the_same_from_any_place)
{
    struct rand random;
    rand_init(&random, 5);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t series = (uint32_t)rand_below(&random, i % 2 == 0 ? SERIES : 3000);
        struct index_cursor cursor;
        index_cursor_init(&cursor, index_);
        for (int k = 0; k < 4 && series < SERIES; k++) {
            ck_assert_int_eq(index_cursor_series(&cursor, series, &err), ERR_NONE);
            ck_assert(is_series(&cursor, series));
            if (i % 100 == 0)
                ck_assert_uint_eq(cursor.row.chunk_first, chunks_before(series));
            series += (uint32_t)rand_below(&random, 200);
        }
        index_cursor_release(&cursor);
    }
}
END_TEST

START_TEST(few_pages_are_kept)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < SERIES; i += 150) {
        ck_assert_int_eq(ask(SERIES - 1 - i), ERR_NONE);
        ck_assert_int_eq(ask(SERIES - 1 - i), ERR_NONE);
        most = MAX(most, index_leaves_memory(&leaves));
    }
    ck_assert_uint_gt(index_->series_page_count + index_->symbol_page_count, INDEX_LEAVES_MAX);
    ck_assert_uint_gt(most, (uint64_t)INDEX_LEAVES_MAX * 10000);
    ck_assert_uint_lt(most, (uint64_t)INDEX_LEAVES_MAX * 2 * INDEX_LEAF_SIZE_MAX);
}
END_TEST

START_TEST(a_walk_through_the_index_keeps_next_to_nothing)
{
    struct index_cursor cursor;
    index_cursor_init(&cursor, index_);
    ck_assert_int_eq(ask(SERIES / 2), ERR_NONE);
    for (uint32_t i = 0; i < SERIES; i++)
        ck_assert_int_eq(index_cursor_series(&cursor, i, &err), ERR_NONE);
    index_cursor_release(&cursor);
    ck_assert_uint_lt(index_leaves_memory(&leaves), 6 * INDEX_LEAF_SIZE_MAX);
}
END_TEST

static void read_run(void *context)
{
    struct rand random;
    rand_init(&random, *(const uint64_t *)context);
    for (int i = 0; i < ROUNDS; i++)
        ck_assert_int_eq(ask((uint32_t)rand_below(&random, i % 2 == 0 ? SERIES : 500)), ERR_NONE);
}

static void age_run(void *context)
{
    while (!done) {
        index_leaves_age(&leaves);
        (void)index_leaves_memory(&leaves);
    }
}

START_TEST(many_threads_ask_at_once)
{
    struct thread readers[READERS], aging;
    uint64_t seeds[READERS];
    thread_start(&aging, "aging", age_run, NULL);
    for (uint64_t i = 0; i < READERS; i++) {
        seeds[i] = i;
        thread_start(&readers[i], "reader", read_run, &seeds[i]);
    }
    for (size_t i = 0; i < READERS; i++)
        thread_join(&readers[i]);
    done = true;
    thread_join(&aging);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/index_leaves");
    TCase *tests = tcase_create("index_leaves");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_asked_for_again_is_not_read_again_for_a_while);
    tcase_add_test(tests, series_are_the_same_from_any_place);
    tcase_add_test(tests, few_pages_are_kept);
    tcase_add_test(tests, a_walk_through_the_index_keeps_next_to_nothing);
    tcase_add_test(tests, many_threads_ask_at_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
