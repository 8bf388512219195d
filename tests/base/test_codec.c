/* Integers survive the way through bytes, and a reader never runs over its end. */
#include "base/codec.h"

#include "base/compiler.h"

#include <check.h>
#include <stdlib.h>

START_TEST(codec_gives_back_every_width)
{
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 1000);
    codec_write_u8(&out, 0xfe);
    codec_write_u16(&out, 0x1234);
    codec_write_u32(&out, 0xdeadbeef);
    codec_write_u64(&out, 0x0123456789abcdef);
    codec_write_double(&out, codec_bits_double(0x7ff0000000000002));
    codec_write_slice(&out, SLICE("text"));
    codec_write_slice(&out, SLICE_EMPTY);
    ck_assert_mem_eq(out.data, "\xfe\x34\x12\xef\xbe\xad\xde", 7); /* little-endian */
    struct codec_reader reader = codec_reader(out.data, out.len);
    ck_assert_uint_eq(codec_read_u8(&reader), 0xfe);
    ck_assert_uint_eq(codec_read_u16(&reader), 0x1234);
    ck_assert_uint_eq(codec_read_u32(&reader), 0xdeadbeef);
    ck_assert_uint_eq(codec_read_u64(&reader), 0x0123456789abcdef);
    ck_assert_uint_eq(codec_double_bits(codec_read_double(&reader)), 0x7ff0000000000002);
    ck_assert(slice_eq_str(codec_read_slice(&reader), "text"));
    ck_assert_uint_eq(codec_read_slice(&reader).len, 0);
    ck_assert(!reader.failed);
    ck_assert_uint_eq(codec_left(&reader), 0);
}
END_TEST

START_TEST(codec_varints_keep_their_limits)
{
    static const uint64_t values[] = {0,     1,          127,        128,       16383,
                                      16384, UINT32_MAX, 1ull << 63, UINT64_MAX};
    static const int64_t signed_values[] = {0, -1, 1, -64, 63, 64, INT64_MIN, INT64_MAX};
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 1000);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        codec_write_uvarint(&out, values[i]);
    for (size_t i = 0; i < ARRAY_SIZE(signed_values); i++)
        codec_write_varint(&out, signed_values[i]);
    struct codec_reader reader = codec_reader(out.data, out.len);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        ck_assert_uint_eq(codec_read_uvarint(&reader), values[i]);
    for (size_t i = 0; i < ARRAY_SIZE(signed_values); i++)
        ck_assert_int_eq(codec_read_varint(&reader), signed_values[i]);
    ck_assert(!reader.failed);
    ck_assert_uint_eq(codec_left(&reader), 0);
}
END_TEST

START_TEST(codec_reader_fails_once_and_stays_failed)
{
    struct codec_reader reader = codec_reader("abc", 3);
    ck_assert_uint_eq(codec_read_u32(&reader), 0);
    ck_assert(reader.failed);
    /* there would be bytes, but what they mean is not known any more */
    ck_assert_uint_eq(codec_read_u8(&reader), 0);
    ck_assert_uint_eq(codec_read_slice(&reader).len, 0);
    ck_assert_uint_eq(codec_left(&reader), 3);
}
END_TEST

START_TEST(codec_refuses_varints_and_lengths_that_lie)
{
    static const struct slice wrong[] = {
        {"\x80", 1},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10}, /* bit 64 */
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct codec_reader reader = codec_reader(wrong[i].ptr, wrong[i].len);
        ck_assert_uint_eq(codec_read_uvarint(&reader), 0);
        ck_assert_msg(reader.failed, "case %zu", i);
    }
    struct codec_reader reader = codec_reader("\x05" "abcd", 5);
    ck_assert_uint_eq(codec_read_slice(&reader).len, 0);
    ck_assert(reader.failed);
    reader = codec_reader("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    ck_assert_uint_eq(codec_read_slice(&reader).len, 0);
    ck_assert(reader.failed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec");
    TCase *tcase = tcase_create("codec");
    tcase_add_test(tcase, codec_gives_back_every_width);
    tcase_add_test(tcase, codec_varints_keep_their_limits);
    tcase_add_test(tcase, codec_reader_fails_once_and_stays_failed);
    tcase_add_test(tcase, codec_refuses_varints_and_lengths_that_lie);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
