/* What was compressed comes back, limits hold before memory is taken, and damage is an error. */
#include "base/compress.h"

#include "base/rand.h"

#include <check.h>
#include <stdlib.h>

#define SIZE_MAX_HERE ((size_t)8 << 20)

static void fill(struct buf *buf, size_t len, uint64_t variety)
{
    struct rand rand;
    rand_init(&rand, len + variety);
    for (size_t i = 0; i < len; i++)
        buf_append_byte(buf, (char)rand_below(&rand, variety));
}

typedef enum err (*compressor)(struct slice in, struct buf *out, struct errbuf *err);

static enum err gzip_once(struct slice in, struct buf *out, struct errbuf *err)
{
    struct compress_stream *stream = compress_stream_new(COMPRESS_GZIP);
    enum err code = compress_stream_write(stream, in, true, out, err);
    compress_stream_free(stream);
    return code;
}

static enum err lz4_back(struct slice in, size_t raw_len, struct buf *out)
{
    return decompress_lz4(in, raw_len, out, NULL);
}
static enum err snappy_back(struct slice in, size_t raw_len, struct buf *out)
{
    return decompress_snappy(in, raw_len, out, NULL);
}
static enum err gzip_back(struct slice in, size_t raw_len, struct buf *out)
{
    return decompress_gzip(in, raw_len, out, NULL);
}

static const struct {
    compressor forth;
    enum err (*back)(struct slice in, size_t raw_len, struct buf *out);
} codecs[] = {
    {compress_lz4, lz4_back},
    {compress_lz4_high, lz4_back},
    {compress_snappy, snappy_back},
    {gzip_once, gzip_back},
};

START_TEST(compress_gives_back_what_went_in)
{
    static const size_t lengths[] = {0, 1, 100, 5000, 300000};
    for (size_t codec = 0; codec < ARRAY_SIZE(codecs); codec++) {
        for (size_t i = 0; i < ARRAY_SIZE(lengths) * 2; i++) {
            struct buf raw CLEANUP(buf_release);
            struct buf packed CLEANUP(buf_release);
            struct buf back CLEANUP(buf_release);
            buf_init(&raw, SIZE_MAX_HERE);
            buf_init(&packed, SIZE_MAX_HERE);
            buf_init(&back, SIZE_MAX_HERE);
            fill(&raw, lengths[i / 2], i % 2 == 0 ? 256 : 3);
            /* both append */
            buf_append_str(&packed, "ab");
            buf_append_str(&back, "cd");
            ck_assert_int_eq(codecs[codec].forth(buf_slice(&raw), &packed, NULL), ERR_NONE);
            struct slice body = slice_from_index(buf_slice(&packed), 2);
            ck_assert_int_eq(codecs[codec].back(body, raw.len, &back), ERR_NONE);
            ck_assert(slice_has_prefix(buf_slice(&back), SLICE("cd")));
            ck_assert(slice_eq(slice_from_index(buf_slice(&back), 2), buf_slice(&raw)));
            if (raw.len > 0) {
                buf_reset(&back);
                ck_assert_int_ne(codecs[codec].back(body, raw.len - 1, &back), ERR_NONE);
                ck_assert_uint_eq(back.len, 0);
            }
        }
    }
}
END_TEST

START_TEST(compress_damage_never_passes_the_bounds)
{
    struct rand rand;
    rand_init(&rand, 11);
    for (size_t codec = 0; codec < ARRAY_SIZE(codecs); codec++) {
        struct buf raw CLEANUP(buf_release);
        struct buf packed CLEANUP(buf_release);
        buf_init(&raw, SIZE_MAX_HERE);
        buf_init(&packed, SIZE_MAX_HERE);
        fill(&raw, 2000, 5);
        ck_assert_int_eq(codecs[codec].forth(buf_slice(&raw), &packed, NULL), ERR_NONE);
        for (int round = 0; round < 2000; round++) {
            size_t at = (size_t)rand_below(&rand, packed.len);
            char kept = packed.data[at];
            packed.data[at] = (char)rand_u64(&rand);
            size_t cut = round % 2 == 0 ? packed.len : (size_t)rand_below(&rand, packed.len);
            struct buf back CLEANUP(buf_release);
            buf_init(&back, 4000);
            enum err code = codecs[codec].back(slice_from(packed.data, cut), 2000, &back);
            ck_assert(back.len <= 2000 && (code == ERR_NONE || back.len == 0));
            packed.data[at] = kept;
        }
    }
}
END_TEST

START_TEST(compress_lying_lengths_cost_no_memory)
{
    struct buf out CLEANUP(buf_release);
    struct errbuf err = ERRBUF_INIT;
    buf_init(&out, BUF_SIZE_ANY);
    /* a header that promises 4 GiB less one byte */
    struct slice snappy = slice_from("\xff\xff\xff\xff\x0f" "aaaaaaaaaaaaaaa", 20);
    ck_assert_int_eq(decompress_snappy(snappy, 32 << 20, &out, &err), ERR_LIMIT);
    ck_assert_int_eq(decompress_snappy(snappy, (size_t)8 << 30, &out, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, "snappy: corrupt input");
    ck_assert_int_eq(decompress_snappy(SLICE_EMPTY, 100, &out, &err), ERR_INVALID);
    ck_assert_int_eq(decompress_lz4(SLICE("abc"), (size_t)1 << 30, &out, &err), ERR_CORRUPT);
    ck_assert_int_eq(decompress_gzip(SLICE("\x1f\x8b\x08"), 100, &out, &err), ERR_INVALID);
    ck_assert_int_eq(decompress_gzip(SLICE_EMPTY, 100, &out, &err), ERR_INVALID);
    ck_assert_uint_eq(out.capacity < ((size_t)1 << 20), 1);
}
END_TEST

START_TEST(decompress_gzip_reads_several_members_within_one_limit)
{
    struct buf packed CLEANUP(buf_release);
    struct buf raw CLEANUP(buf_release);
    struct buf out CLEANUP(buf_release);
    struct errbuf err = ERRBUF_INIT;
    buf_init(&packed, SIZE_MAX_HERE);
    buf_init(&raw, SIZE_MAX_HERE);
    buf_init(&out, SIZE_MAX_HERE);
    fill(&raw, 100000, 2);
    ck_assert_int_eq(gzip_once(buf_slice(&raw), &packed, NULL), ERR_NONE);
    ck_assert_int_eq(gzip_once(SLICE_EMPTY, &packed, NULL), ERR_NONE);
    ck_assert_int_eq(gzip_once(SLICE("tail"), &packed, NULL), ERR_NONE);
    ck_assert_int_eq(decompress_gzip(buf_slice(&packed), 100004, &out, &err), ERR_NONE);
    ck_assert_uint_eq(out.len, 100004);
    ck_assert(slice_has_suffix(buf_slice(&out), SLICE("tail")));
    buf_reset(&out);
    ck_assert_int_eq(decompress_gzip(buf_slice(&packed), 100003, &out, &err), ERR_LIMIT);
    ck_assert_uint_eq(out.len, 0);
    buf_append_str(&packed, "garbage");
    ck_assert_int_eq(decompress_gzip(buf_slice(&packed), SIZE_MAX_HERE, &out, &err), ERR_INVALID);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(decompress_gzip_stops_a_bomb_at_the_limit)
{
    struct buf packed CLEANUP(buf_release);
    struct buf out CLEANUP(buf_release);
    buf_init(&packed, SIZE_MAX_HERE);
    buf_init(&out, BUF_SIZE_ANY);
    struct compress_stream *stream = compress_stream_new(COMPRESS_GZIP);
    static char zeros[1 << 20];
    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(compress_stream_write(stream, slice_from(zeros, sizeof(zeros)), i == 63,
                                               &packed, NULL),
                         ERR_NONE);
    compress_stream_free(stream);
    ck_assert_int_eq(decompress_gzip(buf_slice(&packed), 1 << 20, &out, NULL), ERR_LIMIT);
    ck_assert(out.capacity <= (2 << 20));
}
END_TEST

START_TEST(compress_stream_joins_its_pieces)
{
    struct buf raw CLEANUP(buf_release);
    struct buf packed CLEANUP(buf_release);
    struct buf out CLEANUP(buf_release);
    buf_init(&raw, SIZE_MAX_HERE);
    buf_init(&packed, SIZE_MAX_HERE);
    buf_init(&out, SIZE_MAX_HERE);
    fill(&raw, 200000, 200);
    struct compress_stream *stream = compress_stream_new(COMPRESS_GZIP);
    for (size_t at = 0; at < raw.len; at += 1000)
        ck_assert_int_eq(compress_stream_write(stream, slice_from(raw.data + at, 1000), false,
                                               &packed, NULL),
                         ERR_NONE);
    ck_assert_int_eq(compress_stream_write(stream, SLICE_EMPTY, true, &packed, NULL), ERR_NONE);
    compress_stream_free(stream);
    ck_assert_int_eq(decompress_gzip(buf_slice(&packed), raw.len, &out, NULL), ERR_NONE);
    ck_assert(slice_eq(buf_slice(&out), buf_slice(&raw)));

    struct buf small CLEANUP(buf_release);
    buf_init(&small, 100);
    ck_assert_int_eq(gzip_once(buf_slice(&raw), &small, NULL), ERR_LIMIT);
    buf_reset(&packed);
    stream = compress_stream_new(COMPRESS_DEFLATE);
    ck_assert_int_eq(compress_stream_write(stream, SLICE("x"), true, &packed, NULL), ERR_NONE);
    compress_stream_free(stream);
    ck_assert_int_eq((unsigned char)packed.data[0], 0x78); /* the header of zlib's format */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compress");
    TCase *tcase = tcase_create("compress");
    tcase_add_test(tcase, compress_gives_back_what_went_in);
    tcase_add_test(tcase, compress_damage_never_passes_the_bounds);
    tcase_add_test(tcase, compress_lying_lengths_cost_no_memory);
    tcase_add_test(tcase, decompress_gzip_reads_several_members_within_one_limit);
    tcase_add_test(tcase, decompress_gzip_stops_a_bomb_at_the_limit);
    tcase_add_test(tcase, compress_stream_joins_its_pieces);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
