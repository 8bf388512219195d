/* The index of a block: what was written is found again, by number, by text and by matcher. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rand.h"
#include "model/labels_builder.h"
#include "tsdb/index_select.h"
#include "tsdb/index_writer.h"

#define SERIES_MAX 5000

static struct labels *sets[SERIES_MAX];
static size_t set_count;
static struct buf file;
static char path[] = "/tmp/ferula-index-XXXXXX";
static struct index_reader *index_;
static struct index_cursor cursor;
static struct errbuf err;
static uint64_t seed;

static uint32_t below(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % limit;
}

static int compare_sets(const void *a, const void *b)
{
    return labels_compare(*(struct labels *const *)a, *(struct labels *const *)b);
}

/* Metrics with many and few series, labels that most have and few have. */
static void make_sets(size_t count)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < count; i++) {
        char text[64];
        labels_builder_reset(&builder);
        snprintf(text, sizeof(text), "metric_%u", below(30));
        labels_builder_set(&builder, SLICE("__name__"), slice_str(text));
        snprintf(text, sizeof(text), "%zu", i);
        labels_builder_set(&builder, SLICE("id"), slice_str(text));
        if (below(4) > 0)
            labels_builder_set(&builder, SLICE("job"), below(2) ? SLICE("api") : SLICE("db"));
        if (below(50) == 0)
            labels_builder_set(&builder, SLICE("Zone"), SLICE("\xe2\x82\xac uro"));
        sets[set_count++] = labels_builder_build(&builder);
    }
    labels_builder_release(&builder);
    qsort(sets, set_count, sizeof(struct labels *), compare_sets);
}

static void write_index(size_t count)
{
    make_sets(count);
    struct index_writer *writer = index_writer_new();
    for (size_t i = 0; i < set_count; i++) {
        index_writer_series(writer, sets[i]);
        for (size_t k = 0; k < i % 4; k++)
            index_writer_chunk(writer, (int64_t)(k * 1000 + i % 7), (int64_t)(k * 1000 + 900));
    }
    ck_assert_int_eq(index_writer_finish(writer, &file, &err), ERR_NONE);
    index_writer_free(writer);
}

static void save(struct slice bytes)
{
    FILE *out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(bytes.ptr, 1, bytes.len, out), bytes.len);
    ck_assert_int_eq(fclose(out), 0);
}

static void open_index(void)
{
    save(buf_slice(&file));
    ck_assert_msg(index_open(fs_system, path, &index_, &err) == ERR_NONE, "%s", err.text);
    index_cursor_init(&cursor, index_);
}

static void setup(void)
{
    seed = 42;
    snprintf(path, sizeof(path), "%s", "/tmp/ferula-index-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    buf_init(&file, BUF_SIZE_ANY);
}

static void teardown(void)
{
    if (index_ != NULL) {
        index_cursor_release(&cursor);
        index_close(index_);
        index_ = NULL;
    }
    buf_release(&file);
    for (size_t i = 0; i < set_count; i++)
        labels_unref(sets[i]);
    set_count = 0;
    unlink(path);
}

static void expect_series(uint32_t id)
{
    ck_assert_msg(index_cursor_series(&cursor, id, &err) == ERR_NONE, "%s", err.text);
    const struct labels *set = sets[id];
    ck_assert_uint_eq(cursor.row.pairs.len, set->count);
    for (uint32_t i = 0; i < set->count; i++) {
        struct index_pair pair = cursor.row.pairs.items[i];
        struct slice text;
        ck_assert_int_eq(index_cursor_symbol(&cursor, index_->names[pair.name].symbol, &text, &err),
                         ERR_NONE);
        ck_assert(slice_eq(text, symbols_text(set->pairs[i].name)));
        ck_assert_int_eq(index_cursor_symbol(&cursor, pair.value, &text, &err), ERR_NONE);
        ck_assert(slice_eq(text, symbols_text(set->pairs[i].value)));
    }
    ck_assert_uint_eq(cursor.row.chunks.len, id % 4);
    for (size_t k = 0; k < cursor.row.chunks.len; k++) {
        ck_assert_int_eq(cursor.row.chunks.items[k].min_ms, (int64_t)(k * 1000 + id % 7));
        ck_assert_int_eq(cursor.row.chunks.items[k].max_ms, (int64_t)(k * 1000 + 900));
    }
}

START_TEST(series_are_read_in_order_and_in_any_order)
{
    write_index(SERIES_MAX);
    open_index();
    ck_assert_uint_eq(index_->series_count, SERIES_MAX);
    uint64_t chunks = 0;
    for (uint32_t i = 0; i < SERIES_MAX; i++) {
        expect_series(i);
        ck_assert_uint_eq(cursor.row.chunk_first, chunks);
        chunks += i % 4;
    }
    ck_assert_uint_eq(index_->chunk_count, chunks);
    for (int i = 0; i < 300; i++)
        expect_series(below(SERIES_MAX));
}
END_TEST

START_TEST(symbols_are_found_by_text)
{
    write_index(SERIES_MAX);
    open_index();
    for (uint32_t i = 0; i < index_->symbol_count; i += 1 + below(20)) {
        struct slice text;
        ck_assert_int_eq(index_cursor_symbol(&cursor, i, &text, &err), ERR_NONE);
        char *copy = strndup(text.ptr, text.len);
        uint32_t found;
        ck_assert_int_eq(index_cursor_find_symbol(&cursor, slice_str(copy), &found, &err),
                         ERR_NONE);
        ck_assert_uint_eq(found, i);
        free(copy);
    }
    uint32_t none;
    ck_assert_int_eq(index_cursor_find_symbol(&cursor, SLICE("absent"), &none, &err), ERR_NONE);
    ck_assert_uint_eq(none, INDEX_NONE);
    ck_assert_int_eq(index_cursor_find_symbol(&cursor, SLICE(""), &none, &err), ERR_NONE);
    ck_assert_uint_eq(none, INDEX_NONE);
    ck_assert_int_eq(index_cursor_find_name(&cursor, SLICE("api"), &none, &err), ERR_NONE);
    ck_assert_uint_eq(none, INDEX_NONE);
}
END_TEST

/* What a look at every symbol says. */
static uint32_t symbol_of(const struct buf *texts, const size_t *ends, struct slice text)
{
    for (uint32_t i = 0; i < index_->symbol_count; i++) {
        size_t from = i == 0 ? 0 : ends[i - 1];
        if (slice_eq(slice_from(texts->data + from, ends[i] - from), text))
            return i;
    }
    return INDEX_NONE;
}

START_TEST(texts_that_are_nearly_symbols_are_told_apart)
{
    write_index(SERIES_MAX);
    open_index();
    struct buf CLEANUP(buf_release) texts, near;
    buf_init(&texts, BUF_SIZE_ANY);
    buf_init(&near, BUF_SIZE_ANY);
    size_t *ends = calloc(index_->symbol_count, sizeof(*ends));
    for (uint32_t i = 0; i < index_->symbol_count; i++) {
        struct slice text;
        ck_assert_int_eq(index_cursor_symbol(&cursor, i, &text, &err), ERR_NONE);
        buf_append_slice(&texts, text);
        ends[i] = texts.len;
    }
    for (int i = 0; i < 700; i++) {
        uint32_t symbol = below(index_->symbol_count), found;
        size_t from = symbol == 0 ? 0 : ends[symbol - 1], len = ends[symbol] - from;
        buf_reset(&near);
        buf_append(&near, texts.data + from, below(4) == 0 ? below((uint32_t)len + 1) : len);
        if (below(3) == 0)
            buf_append_byte(&near, (char)(below(2) ? '0' + below(10) : below(256)));
        if (near.len > 0 && below(2) == 0)
            near.data[below((uint32_t)near.len)] ^= (char)(1 << below(8));
        ck_assert_int_eq(index_cursor_find_symbol(&cursor, buf_slice(&near), &found, &err),
                         ERR_NONE);
        ck_assert_uint_eq(found, symbol_of(&texts, ends, buf_slice(&near)));
    }
    free(ends);
}
END_TEST

static void expect_selection(const struct matcher *const *matchers, size_t count)
{
    series_ids ids = {0};
    ck_assert_int_eq(index_select(&cursor, matchers, count, &ids, &err), ERR_NONE);
    size_t at = 0;
    for (size_t i = 0; i < set_count; i++) {
        bool matches = true;
        for (size_t k = 0; k < count; k++)
            matches =
                matches && matcher_matches(matchers[k], labels_get(sets[i], matchers[k]->name));
        if (matches) {
            ck_assert_uint_lt(at, ids.len);
            ck_assert_uint_eq(ids.items[at], i);
            at++;
        }
    }
    ck_assert_uint_eq(at, ids.len);
    vec_release(&ids);
}

static const struct {
    enum matcher_type type;
    const char *name;
    const char *value;
} selectors[] = {
    {MATCHER_EQUAL, "__name__", "metric_7"},
    {MATCHER_EQUAL, "job", "api"},
    {MATCHER_EQUAL, "job", ""},
    {MATCHER_NOT_EQUAL, "job", ""},
    {MATCHER_NOT_EQUAL, "job", "db"},
    {MATCHER_REGEX, "id", ".*7"},
    {MATCHER_REGEX, "__name__", "metric_(1|2)"},
    {MATCHER_REGEX, "job", "|api"},
    {MATCHER_NOT_REGEX, "Zone", ".+"},
    {MATCHER_NOT_REGEX, "job", "a.*"},
    {MATCHER_EQUAL, "none", "x"},
    {MATCHER_NOT_EQUAL, "none", "x"},
    {MATCHER_REGEX, "Zone", ".*uro"},
    {MATCHER_REGEX, "id", ".*"},
};

START_TEST(matchers_select_what_they_match)
{
    write_index(2000);
    open_index();
    struct matcher *all[ARRAY_SIZE(selectors)];
    for (size_t i = 0; i < ARRAY_SIZE(selectors); i++)
        ck_assert_int_eq(matcher_new(selectors[i].type, slice_str(selectors[i].name),
                                     slice_str(selectors[i].value), &all[i], &err),
                         ERR_NONE);
    expect_selection(NULL, 0);
    for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
        expect_selection((const struct matcher *const *)&all[i], 1);
        for (size_t k = 0; k < ARRAY_SIZE(selectors); k++)
            expect_selection((const struct matcher *[]){all[i], all[k]}, 2);
    }
    for (size_t i = 0; i < ARRAY_SIZE(selectors); i++)
        matcher_free(all[i]);
}
END_TEST

START_TEST(an_index_without_series_is_one)
{
    write_index(0);
    open_index();
    ck_assert_uint_eq(index_->series_count, 0);
    expect_selection(NULL, 0);
}
END_TEST

static enum err read_everything(void)
{
    struct index_reader *damaged;
    enum err code = index_open(fs_system, path, &damaged, &err);
    if (code != ERR_NONE)
        return code;
    struct index_cursor at;
    index_cursor_init(&at, damaged);
    struct matcher *matcher;
    ck_assert_int_eq(matcher_new(MATCHER_REGEX, SLICE("id"), SLICE(".*1.*"), &matcher, NULL),
                     ERR_NONE);
    series_ids ids = {0};
    code = index_select(&at, (const struct matcher *const *)&matcher, 1, &ids, &err);
    for (uint32_t i = 0; code == ERR_NONE && i < damaged->series_count; i++)
        code = index_cursor_series(&at, i, &err);
    vec_release(&ids);
    matcher_free(matcher);
    index_cursor_release(&at);
    index_close(damaged);
    return code;
}

START_TEST(damage_is_noticed_and_names_the_file)
{
    write_index(600);
    save(buf_slice(&file));
    ck_assert_int_eq(read_everything(), ERR_NONE);
    int noticed = 0;
    for (int i = 0; i < 300; i++) {
        size_t at = below((uint32_t)file.len);
        file.data[at] = (char)(file.data[at] ^ (1 << below(8)));
        save(buf_slice(&file));
        err.text[0] = 0;
        if (read_everything() != ERR_NONE) {
            noticed++;
            ck_assert_msg(strstr(err.text, path) != NULL, "%s", err.text);
        }
        file.data[at] = 0; /* damage adds up */
    }
    ck_assert_int_gt(noticed, 250);
    for (size_t len = 0; len < file.len; len += 97) {
        save(slice_from(file.data, len));
        ck_assert_int_eq(read_everything(), ERR_CORRUPT);
    }
}
END_TEST

START_TEST(lists_of_series_come_back)
{
    for (int round = 0; round < 300; round++) {
        series_ids ids = {0}, back = {0};
        uint32_t limit = 1 + below(20000), id = below(100);
        uint32_t gap = 1 + below(round % 3 == 0 ? 2 : 40);
        while (id < limit) {
            vec_push(&ids, id);
            id += 1 + below(gap);
        }
        if (ids.len == 0)
            vec_push(&ids, 0);
        struct buf bytes CLEANUP(buf_release);
        buf_init(&bytes, BUF_SIZE_ANY);
        index_postings_write(ids.items, ids.len, &bytes);
        ck_assert_int_eq(index_postings_read(buf_slice(&bytes), (uint32_t)ids.len, 30000, &back),
                         ERR_NONE);
        ck_assert_uint_eq(back.len, ids.len);
        ck_assert(memcmp(back.items, ids.items, ids.len * sizeof(uint32_t)) == 0);
        vec_reset(&back);
        ck_assert_int_eq(index_postings_read(buf_slice(&bytes), (uint32_t)ids.len,
                                             ids.items[ids.len - 1], &back),
                         ERR_CORRUPT);
        vec_release(&ids);
        vec_release(&back);
    }
}
END_TEST

START_TEST(ids_of_several_lists_are_sorted_and_counted_once)
{
    struct rand random;
    rand_init(&random, 11);
    for (int round = 0; round < 300; round++) {
        series_ids ids = {0};
        size_t count = (size_t)rand_below(&random, 200);
        uint32_t bound = 1u << rand_below(&random, 21), base = (uint32_t)rand_below(&random, 99);
        bool *expected = calloc(bound, sizeof(*expected));
        for (size_t i = 0; i < count; i++) {
            uint32_t id = (uint32_t)rand_below(&random, bound);
            expected[id] = true;
            vec_push(&ids, base + id);
        }
        series_ids_sort(&ids);
        size_t at = 0;
        for (uint32_t id = 0; id < bound; id++) {
            if (expected[id])
                ck_assert(at < ids.len && ids.items[at++] == base + id);
        }
        ck_assert_uint_eq(at, ids.len);
        free(expected);
        vec_release(&ids);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/index");
    TCase *tests = tcase_create("index");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, ids_of_several_lists_are_sorted_and_counted_once);
    tcase_add_test(tests, series_are_read_in_order_and_in_any_order);
    tcase_add_test(tests, symbols_are_found_by_text);
    tcase_add_test(tests, texts_that_are_nearly_symbols_are_told_apart);
    tcase_add_test(tests, matchers_select_what_they_match);
    tcase_add_test(tests, an_index_without_series_is_one);
    tcase_add_test(tests, damage_is_noticed_and_names_the_file);
    tcase_add_test(tests, lists_of_series_come_back);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
