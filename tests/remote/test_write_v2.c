/* Remote write 2.0: symbols, samples, histograms, exemplars, starts; what is good is stored. */
#include "remote/write_v2.h"

#include <check.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/protobuf_wire.h"
#include "tests/support/fake_storage.h"

#define NOW_MS INT64_C(1700000000000)
#define LONG_VALUE_BYTES ((size_t)8 << 20)

static struct buf message;
static struct buf series;
static struct remote_write_result result;
static struct errbuf err;

/* 0 "", 1 __name__, 2 up, 3 job, 4 x, 5 id, 6 \xff */
static void setup(void)
{
    static const char *const symbols[] = {"", "__name__", "up", "job", "x", "id", "\xff"};
    fake_storage_reset();
    buf_init(&message, 1 << 20);
    buf_init(&series, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++)
        protobuf_write_bytes(&message, 4, slice_str(symbols[i]));
}

static void teardown(void)
{
    buf_release(&message);
    buf_release(&series);
    fake_storage_reset();
}

static void put_refs(struct buf *out, const char *refs)
{
    struct buf packed;
    buf_init(&packed, 100);
    for (; *refs != '\0'; refs++)
        codec_write_uvarint(&packed, (uint64_t)(*refs - '0'));
    protobuf_write_bytes(out, 1, buf_slice(&packed));
    buf_release(&packed);
}

static void put_sample(double value, int64_t t_ms, int64_t start_ms)
{
    struct buf sample;
    buf_init(&sample, 100);
    protobuf_write_double(&sample, 1, value);
    protobuf_write_varint(&sample, 2, (uint64_t)t_ms);
    if (start_ms != 0)
        protobuf_write_varint(&sample, 3, (uint64_t)start_ms);
    protobuf_write_bytes(&series, 2, buf_slice(&sample));
    buf_release(&sample);
}

static void put_exemplar(const char *refs, double value, int64_t t_ms)
{
    struct buf exemplar;
    buf_init(&exemplar, 100);
    put_refs(&exemplar, refs);
    protobuf_write_double(&exemplar, 2, value);
    protobuf_write_varint(&exemplar, 3, (uint64_t)t_ms);
    protobuf_write_bytes(&series, 4, buf_slice(&exemplar));
    buf_release(&exemplar);
}

static void put_histogram(uint64_t count, uint64_t zero_count, int64_t t_ms)
{
    struct buf histogram;
    buf_init(&histogram, 100);
    protobuf_write_varint(&histogram, 1, count);
    protobuf_write_varint(&histogram, 6, zero_count);
    protobuf_write_varint(&histogram, 15, (uint64_t)t_ms);
    protobuf_write_bytes(&series, 3, buf_slice(&histogram));
    buf_release(&histogram);
}

static void end_series(void)
{
    protobuf_write_bytes(&message, 5, buf_slice(&series));
    buf_reset(&series);
}

static void send(unsigned status, const char *text)
{
    err = (struct errbuf)ERRBUF_INIT;
    result = (struct remote_write_result){0};
    enum err code = write_v2_store(NULL, buf_slice(&message), NOW_MS, &result, &err);
    ck_assert_str_eq(err.text, text);
    ck_assert_int_eq(code == ERR_NONE, status == 204);
    ck_assert_uint_eq(result.http_status, status);
}

START_TEST(samples_starts_and_exemplars_are_stored)
{
    put_exemplar("54", 2.5, 1000);
    put_refs(&series, "3412");
    put_sample(1, NOW_MS, NOW_MS - 5000);
    put_sample(2, NOW_MS + 1, 0);
    end_series();
    send(204, "");
    ck_assert_uint_eq(result.samples, 2);
    ck_assert_uint_eq(result.exemplars, 1);
    ck_assert_uint_eq(fake_storage_count("up{job=\"x\"}"), 2);
    ck_assert_str_eq(fake_storage_exemplars(), "1 1700000000000 since 1699999995000\n"
                                               "up{job=\"x\"} 1000:2.5 id=\"x\"\n");
}
END_TEST

START_TEST(histograms_are_stored)
{
    put_refs(&series, "12");
    put_histogram(5, 5, NOW_MS);
    end_series();
    send(204, "");
    ck_assert_uint_eq(result.histograms, 1);
    ck_assert_double_eq(fake_storage_last_histogram()->zero_count, 5);
}
END_TEST

START_TEST(what_is_good_is_stored_beside_what_is_bad)
{
    put_refs(&series, "1234");
    put_sample(1, NOW_MS, 0);
    put_sample(1, NOW_MS - 1, 0);
    put_sample(1, NOW_MS + REMOTE_WRITE_AHEAD_MS_MAX + 1, 0);
    put_sample(2, NOW_MS + 1, 0);
    end_series();
    put_refs(&series, "123");
    put_sample(1, NOW_MS, 0);
    end_series();
    put_refs(&series, "19");
    put_sample(1, NOW_MS, 0);
    end_series();
    put_refs(&series, "34");
    put_sample(1, NOW_MS, 0);
    end_series();
    put_refs(&series, "12");
    end_series();
    put_refs(&series, "12");
    put_histogram(5, 4, NOW_MS);
    end_series();
    send(400, "out of order sample for series {__name__=\"up\", job=\"x\"}\n"
              "out of bounds: timestamp is too far in the future for series {__name__=\"up\", "
              "job=\"x\"}\n"
              "parsing labels for series [1 2 3]: invalid labelRefs length 3\n"
              "parsing labels for series [1 9]: labelRefs 1 (name) = 9 (value) outside of symbols "
              "table (size 7)\n"
              "invalid metric name or labels, got {job=\"x\"}\n"
              "TimeSeries must contain at least one sample or histogram for series "
              "{__name__=\"up\"}\n"
              "4 observations found in buckets, but the Count field is 5: histogram's observation "
              "count should equal the number of observations found in the buckets (in absence of "
              "NaN) for series {__name__=\"up\"}");
    ck_assert_uint_eq(result.samples, 2);
    ck_assert_uint_eq(result.invalid_series, 3);
    ck_assert_uint_eq(fake_storage_count("up{job=\"x\"}"), 2);
}
END_TEST

START_TEST(bodies_that_are_no_request_are_refused)
{
    put_refs(&series, "12");
    put_sample(1, NOW_MS, 0);
    end_series();
    message.len--;
    send(400, "the body is no protobuf message io.prometheus.write.v2.Request");
    ck_assert_uint_eq(fake_storage_sample_count(), 0);
}
END_TEST

/* Each complaint names the series: 5000 times 8 MiB would be the time limit of the test many times. */
START_TEST(complaints_about_a_series_with_long_labels_take_no_time)
{
    char *value = mem_alloc(LONG_VALUE_BYTES);
    memset(value, 'v', LONG_VALUE_BYTES);
    buf_release(&message);
    buf_init(&message, 2 * LONG_VALUE_BYTES);
    protobuf_write_bytes(&message, 4, SLICE(""));
    protobuf_write_bytes(&message, 4, SLICE("__name__"));
    protobuf_write_bytes(&message, 4, slice_from(value, LONG_VALUE_BYTES));
    mem_free(value);
    put_refs(&series, "12");
    for (int i = 0; i < 5000; i++)
        put_sample(1, NOW_MS + REMOTE_WRITE_AHEAD_MS_MAX + 1, 0);
    end_series();
    ck_assert(write_v2_store(NULL, buf_slice(&message), NOW_MS, &result, &err) == ERR_INVALID);
    ck_assert_uint_eq(result.http_status, 400);
    ck_assert_ptr_nonnull(strstr(err.text, "too far in the future for series {"));
}
END_TEST

START_TEST(a_reference_that_is_no_number_is_refused)
{
    protobuf_write_bytes(&series, 1,
                         SLICE("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f, and more"));
    put_sample(1, NOW_MS, 0);
    end_series();
    put_refs(&series, "12");
    put_sample(1, NOW_MS, 0);
    end_series();
    err = (struct errbuf)ERRBUF_INIT;
    ck_assert(write_v2_store(NULL, buf_slice(&message), NOW_MS, &result, &err) == ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "labelRefs are no protobuf message"));
    ck_assert_uint_eq(result.samples, 1);
    ck_assert_uint_eq(result.invalid_series, 1);
}
END_TEST

START_TEST(a_failing_storage_asks_for_another_try)
{
    fake_storage_set_failing(true);
    put_refs(&series, "12");
    put_sample(1, NOW_MS, 0);
    end_series();
    err = (struct errbuf)ERRBUF_INIT;
    ck_assert(write_v2_store(NULL, buf_slice(&message), NOW_MS, &result, &err) != ERR_NONE);
    ck_assert_uint_eq(result.http_status, 503);
    fake_storage_set_failing(false);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("write_v2");
    TCase *tcase = tcase_create("write_v2");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, samples_starts_and_exemplars_are_stored);
    tcase_add_test(tcase, histograms_are_stored);
    tcase_add_test(tcase, what_is_good_is_stored_beside_what_is_bad);
    tcase_add_test(tcase, bodies_that_are_no_request_are_refused);
    tcase_add_test(tcase, complaints_about_a_series_with_long_labels_take_no_time);
    tcase_add_test(tcase, a_reference_that_is_no_number_is_refused);
    tcase_add_test(tcase, a_failing_storage_asks_for_another_try);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
