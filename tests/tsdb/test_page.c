/* Pages give back their chunks, are small where LZ4 helps, and notice any damage. */
#include "tsdb/page.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/rand.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct rand rand_state;
static struct page_writer writer;
static struct page page;
static struct buf stored;
static struct buf kept[PAGE_CHUNKS_MAX];
static struct page_chunk chunks[PAGE_CHUNKS_MAX];

static void setup(void)
{
    rand_init(&rand_state, 3);
    buf_init(&stored, BUF_SIZE_ANY);
    page_writer_init(&writer, false);
    memset(&page, 0, sizeof(page));
    for (size_t i = 0; i < PAGE_CHUNKS_MAX; i++)
        buf_init(&kept[i], BUF_SIZE_ANY);
}

static void teardown(void)
{
    page_writer_release(&writer);
    page_release(&page);
    buf_release(&stored);
    for (size_t i = 0; i < PAGE_CHUNKS_MAX; i++)
        buf_release(&kept[i]);
}

static uint64_t below(uint64_t bound)
{
    return rand_below(&rand_state, bound);
}

static void add(size_t len, bool noise)
{
    uint32_t number = writer.count;
    struct buf *bytes = &kept[number];
    buf_reset(bytes);
    for (size_t i = 0; i < len; i++)
        buf_append_byte(bytes, noise ? (char)below(256) : (char)(i % 7));
    chunks[number] = (struct page_chunk){
        .kind = below(5) == 0 ? PAGE_CHUNK_HISTOGRAMS : PAGE_CHUNK_VALUES,
        .count = below(3) == 0 ? (uint32_t)rand_u64(&rand_state) : 480,
        .time_column = (uint32_t)below(9),
        .row_first = below(9) == 0 ? UINT32_MAX : 0,
        .bytes = buf_slice(bytes),
    };
    ck_assert_uint_eq(page_writer_add(&writer, &chunks[number]), number);
}

static void check_page(uint32_t count)
{
    struct errbuf err = ERRBUF_INIT;
    buf_reset(&stored);
    ck_assert_int_eq(page_writer_finish(&writer, &stored, &err), ERR_NONE);
    ck_assert_uint_eq(writer.count, 0);
    char *exact = mem_dup(stored.data, stored.len);
    size_t size = 0;
    ck_assert_int_eq(page_stored_size(buf_slice(&stored), &size, &err), ERR_NONE);
    ck_assert_uint_eq(size, stored.len);
    ck_assert_int_eq(page_open(&page, slice_from(exact, stored.len), &err), ERR_NONE);
    ck_assert_uint_eq(page.count, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct page_chunk *chunk = page_chunk(&page, i);
        ck_assert(chunk->kind == chunks[i].kind && chunk->count == chunks[i].count &&
                  chunk->time_column == chunks[i].time_column &&
                  chunk->row_first == chunks[i].row_first);
        ck_assert(slice_eq(chunk->bytes, chunks[i].bytes));
    }
    ck_assert_ptr_null(page_chunk(&page, count));
    mem_free(exact);
}

START_TEST(a_page_gives_back_its_chunks)
{
    for (int i = 0; i < 2000; i++) {
        writer.dense = below(2);
        uint32_t count = 1 + (uint32_t)below(PAGE_CHUNKS_MAX);
        for (uint32_t k = 0; k < count; k++)
            add(below(below(20) == 0 ? 2000 : 60), below(2));
        check_page(count);
    }
}
END_TEST

START_TEST(a_page_is_full_by_size_and_by_number)
{
    ck_assert(!page_writer_full(&writer, (size_t)1 << 20)); /* one chunk always fits */
    add(PAGE_SIZE_FAST - 10, false);
    ck_assert(!page_writer_full(&writer, 10));
    ck_assert(page_writer_full(&writer, 11));
    check_page(1);
    for (int dense = 0; dense < 2; dense++) {
        int count_max = dense ? PAGE_CHUNKS_MAX : PAGE_CHUNKS_FAST;
        writer.dense = dense;
        for (int i = 0; i < count_max; i++) {
            ck_assert(!page_writer_full(&writer, 3));
            add(3, false);
        }
        ck_assert(page_writer_full(&writer, 0));
        check_page((uint32_t)count_max);
    }
}
END_TEST

START_TEST(what_does_not_shrink_is_stored_plain)
{
    for (int i = 0; i < 30; i++)
        add(500, true);
    check_page(30);
    ck_assert_uint_eq((uint8_t)stored.data[8], 0);
    for (int i = 0; i < 30; i++)
        add(500, false);
    check_page(30);
    ck_assert_uint_eq((uint8_t)stored.data[8], 1);
    ck_assert_uint_le(stored.len, 1000);
}
END_TEST

START_TEST(a_large_chunk_has_a_page_of_its_own)
{
    add(300000, true);
    check_page(1);
}
END_TEST

START_TEST(any_damaged_byte_is_noticed)
{
    struct errbuf err = ERRBUF_INIT;
    for (int i = 0; i < 10; i++)
        add(50, i % 2);
    check_page(10);
    for (size_t at = 0; at < stored.len; at++) {
        char *exact = mem_dup(stored.data, stored.len);
        exact[at] ^= (char)(1 << below(8));
        ck_assert_int_eq(page_open(&page, slice_from(exact, stored.len), &err), ERR_CORRUPT);
        mem_free(exact);
        exact = mem_dup(stored.data, at + 1);
        ck_assert_int_eq(page_open(&page, slice_from(exact, at), &err), ERR_CORRUPT);
        mem_free(exact);
    }
}
END_TEST

/* The checksum repaired, as an attacker would. */
static void repair(void)
{
    uint32_t crc = crc32c(0, stored.data, PAGE_HEADER_SIZE - 4);
    crc = crc32c(crc, stored.data + PAGE_HEADER_SIZE, stored.len - PAGE_HEADER_SIZE);
    for (unsigned i = 0; i < 4; i++)
        stored.data[PAGE_HEADER_SIZE - 4 + i] = (char)(crc >> (8 * i));
}

START_TEST(forged_pages_do_no_harm)
{
    struct errbuf err = ERRBUF_INIT;
    for (int i = 0; i < 3000; i++) {
        uint32_t count = 1 + (uint32_t)below(20);
        for (uint32_t k = 0; k < count; k++)
            add(below(60), below(2));
        check_page(count);
        for (int k = 0; k < 10; k++) {
            stored.data[below(MIN(stored.len, (size_t)60))] = (char)below(256);
            repair();
            char *exact = mem_dup(stored.data, stored.len);
            if (page_open(&page, slice_from(exact, stored.len), &err) == ERR_NONE)
                ck_assert_uint_le(page.count, PAGE_CHUNKS_MAX);
            else
                ck_assert_uint_eq(page.count, 0);
            mem_free(exact);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page");
    TCase *tcase = tcase_create("page");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_page_gives_back_its_chunks);
    tcase_add_test(tcase, a_page_is_full_by_size_and_by_number);
    tcase_add_test(tcase, what_does_not_shrink_is_stored_plain);
    tcase_add_test(tcase, a_large_chunk_has_a_page_of_its_own);
    tcase_add_test(tcase, any_damaged_byte_is_noticed);
    tcase_add_test(tcase, forged_pages_do_no_harm);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
