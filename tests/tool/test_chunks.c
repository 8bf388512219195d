/* Chunks that the reference has written: what was read is written again bit for bit. And numbers at
 * the edges of their widths. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/fs.h"
#include "model/sample.h"
#include "tool/bit_stream.h"
#include "tool/prometheus_format.h"
#include "tool/prometheus_histogram_chunk.h"
#include "tool/xor_chunk.h"

#define CHUNK_SIZE_MAX ((size_t)1 << 20)

static struct errbuf err;

/* `bytes` without the encoding in front. */
static enum err read_chunk(uint8_t encoding, struct slice bytes, struct sample_columns *out)
{
    struct chunk_samples samples;
    chunk_samples_begin(&samples, out, INT64_MIN, INT64_MAX, (struct tombstone_spans){0});
    struct histogram_chunk_kind kind = {.is_float = encoding == CHUNK_FLOAT_HISTOGRAM};
    enum err code = encoding == CHUNK_XOR
                        ? xor_chunk_read(bytes, &samples, &err)
                        : prometheus_histogram_chunk_read(bytes, kind, &samples, &err);
    chunk_samples_finish(&samples);
    return code;
}

static void check_file(const char *path, unsigned counts[])
{
    struct buf file, again;
    struct sample_columns columns;
    sample_columns_init(&columns);
    buf_init(&file, CHUNK_SIZE_MAX);
    buf_init(&again, CHUNK_SIZE_MAX);
    ck_assert_int_eq(fs_read_file(fs_system, path, &file, &err), ERR_NONE);
    uint8_t encoding = (uint8_t)file.data[0];
    if (encoding <= CHUNK_FLOAT_HISTOGRAM) {
        struct slice bytes = slice_from_index(buf_slice(&file), 1);
        ck_assert_msg(read_chunk(encoding, bytes, &columns) == ERR_NONE, "%s: %s", path, err.text);
        if (encoding == CHUNK_XOR)
            xor_chunk_write(columns.timestamps_ms, columns.values, columns.count, &again);
        else
            prometheus_histogram_chunk_write(columns.timestamps_ms, columns.histograms,
                                             columns.count, &again);
        /* 2.x leaves an empty byte where the last bit ended with one */
        if (bytes.len == again.len + 1 && bytes.ptr[bytes.len - 1] == 0)
            bytes.len--;
        ck_assert_msg(slice_eq(buf_slice(&again), bytes), "%s is written otherwise", path);
        counts[encoding]++;
    }
    sample_columns_release(&columns);
    buf_release(&file);
    buf_release(&again);
}

START_TEST(chunks_of_the_reference_are_written_again_bit_for_bit)
{
    unsigned counts[CHUNK_FLOAT_HISTOGRAM + 1] = {0};
    DIR *directory = opendir(CORPUS);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", CORPUS, entry->d_name);
        if (entry->d_name[0] != '.')
            check_file(path, counts);
    }
    closedir(directory);
    ck_assert_uint_gt(counts[CHUNK_XOR], 10);
    ck_assert_uint_gt(counts[CHUNK_HISTOGRAM], 3);
    ck_assert_uint_gt(counts[CHUNK_FLOAT_HISTOGRAM], 3);
}
END_TEST

START_TEST(numbers_at_the_edges_of_their_widths_come_back)
{
    struct buf bytes;
    buf_init(&bytes, CHUNK_SIZE_MAX);
    struct bit_writer writer;
    bit_writer_init(&writer, &bytes);
    for (unsigned width = 0; width < 64; width++) {
        for (int64_t off = -2; off <= 2; off++) {
            int64_t value = (int64_t)((UINT64_C(1) << width) + (uint64_t)off);
            bit_write(&writer, width, 7); /* so that nothing begins with a byte */
            bit_write_varbit_int(&writer, value);
            bit_write_varbit_int(&writer, (int64_t)(0 - (uint64_t)value));
            bit_write_varbit_uint(&writer, (uint64_t)value);
            bit_write_varint(&writer, value);
            bit_write_uvarint(&writer, (uint64_t)value);
        }
    }
    struct bit_reader reader;
    bit_reader_init(&reader, bytes.data, bytes.len);
    for (unsigned width = 0; width < 64; width++) {
        for (int64_t off = -2; off <= 2; off++) {
            int64_t value = (int64_t)((UINT64_C(1) << width) + (uint64_t)off);
            ck_assert_uint_eq(bit_read(&reader, 7), width);
            ck_assert_int_eq(bit_read_varbit_int(&reader), value);
            ck_assert_int_eq(bit_read_varbit_int(&reader), (int64_t)(0 - (uint64_t)value));
            ck_assert_uint_eq(bit_read_varbit_uint(&reader), (uint64_t)value);
            ck_assert_int_eq(bit_read_varint(&reader), value);
            ck_assert_uint_eq(bit_read_uvarint(&reader), (uint64_t)value);
        }
    }
    ck_assert(!reader.failed);
    (void)bit_read(&reader, 64);
    ck_assert(reader.failed);
    buf_release(&bytes);
}
END_TEST

START_TEST(a_chunk_whose_times_do_not_rise_is_damaged)
{
    static const int64_t times_ms[] = {1000, 2000, 2000};
    static const double values[] = {1, 2, 3};
    struct buf bytes;
    struct sample_columns columns;
    sample_columns_init(&columns);
    buf_init(&bytes, CHUNK_SIZE_MAX);
    xor_chunk_write(times_ms, values, 3, &bytes);
    ck_assert_int_eq(read_chunk(CHUNK_XOR, buf_slice(&bytes), &columns), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "2000"));
    buf_truncate(&bytes, bytes.len - 1);
    ck_assert_int_eq(read_chunk(CHUNK_XOR, buf_slice(&bytes), &columns), ERR_CORRUPT);
    sample_columns_release(&columns);
    buf_release(&bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tool/chunks");
    TCase *tests = tcase_create("chunks");
    tcase_add_test(tests, chunks_of_the_reference_are_written_again_bit_for_bit);
    tcase_add_test(tests, numbers_at_the_edges_of_their_widths_come_back);
    tcase_add_test(tests, a_chunk_whose_times_do_not_rise_is_damaged);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
