/* Remote write: what is stored, what is refused and with which status, and that nothing is stored
 * of what is refused. */
#include "remote/remote.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/compress.h"
#include "base/counters.h"
#include "base/protobuf_wire.h"
#include "model/sample.h"
#include "tests/support/fake_storage.h"

#define NOW_MS INT64_C(1700000000000)

static struct remote_write_receiver *receiver;
static struct buf message; /* the WriteRequest */
static struct buf series;  /* the TimeSeries that is being made */
static struct errbuf err;
static struct remote_write_result result;

static void setup(void)
{
    fake_storage_reset();
    counters_reset_all();
    receiver = remote_write_receiver_new(NULL, NULL);
    buf_init(&message, BUF_SIZE_ANY);
    buf_init(&series, BUF_SIZE_ANY);
}

static void teardown(void)
{
    buf_release(&message);
    buf_release(&series);
    remote_write_receiver_free(receiver);
    fake_storage_set_failing(false);
    fake_storage_reset();
}

static void add_label(struct slice name, struct slice value)
{
    struct buf label;
    buf_init(&label, BUF_SIZE_ANY);
    protobuf_write_bytes(&label, 1, name);
    protobuf_write_bytes(&label, 2, value);
    protobuf_write_bytes(&series, 1, buf_slice(&label));
    buf_release(&label);
}

static void add_sample(int64_t t_ms, double value)
{
    struct buf sample;
    buf_init(&sample, 100);
    if (codec_double_bits(value) != 0)
        protobuf_write_double(&sample, 1, value);
    if (t_ms != 0)
        protobuf_write_varint(&sample, 2, (uint64_t)t_ms);
    protobuf_write_bytes(&series, 2, buf_slice(&sample));
    buf_release(&sample);
}

static void end_series(void)
{
    protobuf_write_bytes(&message, 1, buf_slice(&series));
    buf_reset(&series);
}

static void add_series(const char *name, const char *job, int64_t t_ms, double value)
{
    add_label(SLICE("__name__"), slice_str(name));
    add_label(SLICE("job"), slice_str(job));
    add_sample(t_ms, value);
    end_series();
}

static enum err send_as(const char *content_type, const char *encoding)
{
    struct buf body;
    buf_init(&body, BUF_SIZE_ANY);
    ck_assert_int_eq(compress_snappy(buf_slice(&message), &body, NULL), ERR_NONE);
    buf_reset(&message);
    err = (struct errbuf){0};
    enum err code = remote_write_receive(receiver, buf_slice(&body), slice_str(content_type),
                                         slice_str(encoding), NOW_MS, &result, &err);
    buf_release(&body);
    return code;
}

static void assert_stored(void)
{
    enum err code = send_as("application/x-protobuf", "snappy");
    ck_assert_msg(code == ERR_NONE, "%s", err.text);
    ck_assert_uint_eq(result.http_status, 204);
}

static void assert_refused(unsigned status, const char *text)
{
    size_t before = fake_storage_sample_count();
    ck_assert_int_ne(send_as("application/x-protobuf", "snappy"), ERR_NONE);
    ck_assert_uint_eq(result.http_status, status);
    ck_assert_str_eq(err.text, text);
    ck_assert_uint_eq(fake_storage_sample_count(), before);
    ck_assert_uint_eq(result.samples, 0);
}

START_TEST(write_stores_samples_with_their_times)
{
    add_label(SLICE("__name__"), SLICE("up"));
    add_label(SLICE("job"), SLICE("a"));
    add_sample(NOW_MS - 2000, 1);
    add_sample(NOW_MS - 1000, 0);
    end_series();
    add_series("up", "b", NOW_MS, -2.5);
    assert_stored();
    ck_assert_uint_eq(result.samples, 3);
    ck_assert_uint_eq(fake_storage_count("up{job=\"a\"}"), 2);
    ck_assert_int_eq(fake_storage_sample("up{job=\"a\"}", 1).t_ms, NOW_MS - 1000);
    ck_assert_double_eq(fake_storage_sample("up{job=\"a\"}", 1).value, 0);
    ck_assert_double_eq(fake_storage_sample("up{job=\"b\"}", 0).value, -2.5);
}
END_TEST

START_TEST(write_keeps_the_bits_of_nan_and_stale_markers)
{
    add_series("a", "x", NOW_MS, sample_stale());
    add_series("b", "x", NOW_MS, codec_bits_double(UINT64_C(0x7ff8dead00000001)));
    assert_stored();
    ck_assert(fake_storage_is_stale("a{job=\"x\"}"));
    ck_assert_uint_eq(codec_double_bits(fake_storage_sample("b{job=\"x\"}", 0).value),
                      UINT64_C(0x7ff8dead00000001));
}
END_TEST

START_TEST(write_starts_at_time_zero_and_takes_exact_repetitions)
{
    add_label(SLICE("__name__"), SLICE("old"));
    for (int i = 0; i < 5; i++)
        add_sample(i * 15000, i);
    end_series();
    assert_stored();
    ck_assert_uint_eq(fake_storage_count("old"), 5);
    ck_assert_int_eq(fake_storage_sample("old", 0).t_ms, 0);
    add_label(SLICE("__name__"), SLICE("old"));
    add_sample(60000, 4);
    end_series();
    assert_stored();
    ck_assert_uint_eq(fake_storage_count("old"), 5);
}
END_TEST

START_TEST(write_recognises_series_of_earlier_requests)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            char job[32];
            snprintf(job, sizeof(job), "job-%d", i);
            add_series("m", job, NOW_MS + round, round);
        }
        assert_stored();
        ck_assert_uint_eq(fake_storage_series_count(), 500);
    }
    ck_assert_uint_eq(fake_storage_count("m{job=\"job-499\"}"), 3);
    /* the head forgets a series: its labels are taken apart again */
    fake_storage_forget("m{job=\"job-7\"}");
    add_series("m", "job-7", NOW_MS + 10, 1);
    assert_stored();
    add_series("m", "job-7", NOW_MS + 11, 2);
    assert_stored();
    ck_assert_uint_eq(fake_storage_series_count(), 501);
    ck_assert_uint_eq(fake_storage_count("m{job=\"job-7\"}"), 5);
}
END_TEST

START_TEST(write_sorts_labels_and_leaves_out_empty_ones)
{
    add_label(SLICE("z"), SLICE("1"));
    add_label(SLICE("empty"), SLICE_EMPTY);
    add_label(SLICE("__name__"), SLICE("up"));
    add_label(SLICE("a"), SLICE("2"));
    add_sample(NOW_MS, 1);
    end_series();
    assert_stored();
    ck_assert_uint_eq(fake_storage_count("up{a=\"2\",z=\"1\"}"), 1);
}
END_TEST

START_TEST(write_reads_labels_that_lie_behind_samples)
{
    for (int i = 0; i < 2; i++) {
        add_label(SLICE("__name__"), SLICE("up"));
        add_sample(NOW_MS + i, 1);
        add_label(SLICE("job"), i == 0 ? SLICE("a") : SLICE("b"));
        end_series();
    }
    assert_stored();
    ck_assert_uint_eq(fake_storage_count("up{job=\"a\"}"), 1);
    ck_assert_uint_eq(fake_storage_count("up{job=\"b\"}"), 1);
}
END_TEST

START_TEST(write_ignores_metadata_and_unknown_fields)
{
    struct buf metadata;
    buf_init(&metadata, 1000);
    protobuf_write_varint(&metadata, 1, 1);
    protobuf_write_bytes(&metadata, 2, SLICE("up"));
    protobuf_write_bytes(&message, 3, buf_slice(&metadata));
    protobuf_write_varint(&message, 77, 5);
    add_label(SLICE("__name__"), SLICE("up"));
    protobuf_write_double(&series, 99, 1);
    add_sample(NOW_MS, 1);
    end_series();
    assert_stored();
    ck_assert_uint_eq(fake_storage_count("up"), 1);
    buf_release(&metadata);
    assert_stored(); /* an empty request is fine */
}
END_TEST

static void add_exemplar(const char *id, double value, int64_t t_ms)
{
    struct buf label;
    buf_init(&label, 100);
    protobuf_write_bytes(&label, 1, SLICE("id"));
    protobuf_write_bytes(&label, 2, slice_str(id));
    struct buf exemplar;
    buf_init(&exemplar, 200);
    protobuf_write_bytes(&exemplar, 1, buf_slice(&label));
    protobuf_write_double(&exemplar, 2, value);
    protobuf_write_varint(&exemplar, 3, (uint64_t)t_ms);
    protobuf_write_bytes(&series, 3, buf_slice(&exemplar));
    buf_release(&exemplar);
    buf_release(&label);
}

START_TEST(write_stores_exemplars_beside_and_without_samples)
{
    add_label(SLICE("__name__"), SLICE("up"));
    add_sample(NOW_MS, 1);
    add_exemplar("x", 2.5, 1000);
    end_series();
    add_label(SLICE("__name__"), SLICE("up"));
    add_exemplar("y", 3, 2000);
    add_exemplar("late", 3, 500);
    add_exemplar("far ahead", 3, NOW_MS + REMOTE_WRITE_AHEAD_MS_MAX + 1);
    end_series();
    assert_stored();
    ck_assert_str_eq(fake_storage_exemplars(), "up 1000:2.5 id=\"x\"\nup 2000:3 id=\"y\"\n");
    ck_assert_uint_eq(result.samples, 1);
}
END_TEST

START_TEST(write_skips_and_counts_series_with_bad_labels)
{
    add_series("good", "x", NOW_MS, 1);
    add_label(SLICE("job"), SLICE("no name"));
    add_sample(NOW_MS, 1);
    end_series();
    add_sample(NOW_MS, 1); /* no labels at all */
    end_series();
    add_series("bad", "\xff", NOW_MS, 1);
    add_label(SLICE("__name__"), SLICE("bad"));
    add_label(SLICE_EMPTY, SLICE("x"));
    add_sample(NOW_MS, 1);
    end_series();
    assert_stored();
    ck_assert_uint_eq(result.invalid_series, 4);
    ck_assert_uint_eq(result.samples, 1);
    ck_assert_uint_eq(fake_storage_series_count(), 1);
    ck_assert_double_eq(counter_value(counters_counter(
                            "prometheus_api_remote_write_invalid_labels_samples_total", "")),
                        4);
}
END_TEST

START_TEST(write_refuses_a_request_of_nothing_but_bad_labels)
{
    add_label(SLICE("job"), SLICE("a name is missing"));
    add_sample(NOW_MS, 1);
    end_series();
    assert_refused(400, "invalid metric name or labels, got {job=\"a name is missing\"}");
    add_series("a", "\xff", NOW_MS, 1);
    assert_refused(400, "invalid metric name or labels, got {__name__=\"a\", job=\"\\xff\"}");
    add_label(SLICE("__name__"), SLICE("a"));
    add_label(SLICE("x"), SLICE("1"));
    add_label(SLICE("x"), SLICE("2"));
    add_sample(NOW_MS, 1);
    end_series();
    assert_refused(400, "invalid labels for series, labels {__name__=\"a\", x=\"1\", x=\"2\"}, "
                        "duplicated label x");
    add_label(SLICE("__name__"), SLICE("a"));
    add_label(SLICE_EMPTY, SLICE("1"));
    add_sample(NOW_MS, 1);
    end_series();
    assert_refused(400, "invalid metric name or labels, got {\"\"=\"1\", __name__=\"a\"}");
    add_sample(NOW_MS, 1);
    end_series();
    assert_refused(400, "invalid metric name or labels, got {}");
    ck_assert_uint_eq(fake_storage_series_count(), 0);
}
END_TEST

START_TEST(write_refuses_the_whole_request_for_one_bad_sample)
{
    add_series("a", "x", NOW_MS, 1);
    assert_stored();
    add_series("b", "x", NOW_MS, 1);
    add_series("a", "x", NOW_MS - 1, 1);
    assert_refused(400, "out of order sample: a{job=\"x\"} at 1699999999999");
    add_series("b", "x", NOW_MS, 1);
    add_series("a", "x", NOW_MS, 2);
    assert_refused(400, "duplicate sample for timestamp: a{job=\"x\"} at 1700000000000");
    /* and what was refused may come again */
    add_series("b", "x", NOW_MS, 1);
    assert_stored();
}
END_TEST

START_TEST(write_refuses_samples_from_the_future_and_goes_on)
{
    add_series("a", "x", NOW_MS + REMOTE_WRITE_AHEAD_MS_MAX, 1);
    assert_stored();
    add_series("b", "x", NOW_MS, 1);
    add_series("b", "y", NOW_MS + REMOTE_WRITE_AHEAD_MS_MAX + 1, 1);
    assert_refused(400, "out of bounds: timestamp is too far in the future");
    add_series("b", "y", INT64_MAX, 1);
    assert_refused(400, "out of bounds: timestamp is too far in the future");
    add_series("b", "y", INT64_MIN, 1);
    assert_refused(400, "out of bounds: timestamp is too far in the past");
    ck_assert_uint_eq(fake_storage_series_count(), 1);
    add_series("b", "x", NOW_MS, 1);
    assert_stored();
}
END_TEST

START_TEST(write_refuses_other_encodings_and_messages)
{
    static const struct {
        const char *content_type;
        const char *encoding;
        unsigned status;
        const char *text;
    } cases[] = {
        {"application/x-protobuf", "gzip", 415,
         "gzip encoding (compression) is not accepted by this server; only snappy is acceptable"},
        {"application/json", "snappy", 415,
         "expected application/x-protobuf as the first (media) part, got application/json "
         "content-type"},
        {"application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", 204, ""},
        {"application/x-protobuf;proto=foo", "snappy", 415,
         "got application/x-protobuf;proto=foo content type; unknown type for remote write "
         "protobuf "
         "message foo, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request"},
        {"application/x-protobuf;foo", "snappy", 415,
         "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be "
         "key-values, got foo in application/x-protobuf;foo content-type"},
        {"application/x-protobuf;proto=prometheus.WriteRequest", "snappy", 204, ""},
        {"application/x-protobuf;a=b", "", 204, ""},
        {"", "", 204, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        send_as(cases[i].content_type, cases[i].encoding);
        ck_assert_uint_eq(result.http_status, cases[i].status);
        ck_assert_str_eq(err.text, cases[i].text);
    }
}
END_TEST

START_TEST(write_refuses_bodies_that_are_no_request)
{
    struct slice bodies[] = {SLICE_EMPTY, SLICE("not snappy"), SLICE("\xff\xff\xff\xff\x0f\0"),
                             /* 33 MB to come */ SLICE("\x81\x80\x80\x10\0")};
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        ck_assert_int_ne(remote_write_receive(receiver, bodies[i], SLICE_EMPTY, SLICE("snappy"),
                                              NOW_MS, &result, &err),
                         ERR_NONE);
        ck_assert_uint_eq(result.http_status, 400);
    }
    ck_assert_str_eq(err.text, "decoded size exceeds the 33554432 bytes limit");
    struct slice messages[] = {SLICE("\x0a"),
                               SLICE("\x0a\x05\x0a"),
                               SLICE("\x0a\x02\x12\x7f"),
                               SLICE("\x0a\x03\x12\x01\x09"),
                               SLICE("\x0b"),
                               SLICE("\x00"),
                               SLICE("\x0a\x0c\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                               SLICE("\x0a\x04\x22\x02\x0a\x05")};
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        buf_append_slice(&message, messages[i]);
        ck_assert_int_eq(send_as("", "snappy"), ERR_INVALID);
        ck_assert_uint_eq(result.http_status, 400);
        ck_assert_msg(
            slice_has_prefix(slice_str(err.text), SLICE("the body is no protobuf message")),
            "%zu: %s", i, err.text);
    }
    ck_assert_uint_eq(fake_storage_series_count(), 0);
}
END_TEST

START_TEST(write_answers_503_while_storage_fails)
{
    fake_storage_set_failing(true);
    add_series("a", "x", NOW_MS, 1);
    assert_refused(503, "storage has failed: no space left on device");
    fake_storage_set_failing(false);
    add_series("a", "x", NOW_MS, 1);
    assert_stored();
}
END_TEST

static void write_span(struct buf *out, uint32_t field, int32_t offset, uint32_t length)
{
    struct buf span;
    buf_init(&span, 100);
    protobuf_write_sint(&span, 1, offset);
    protobuf_write_varint(&span, 2, length);
    protobuf_write_bytes(out, field, buf_slice(&span));
    buf_release(&span);
}

/* 2 in the zero bucket, 1, 3 and 2 in positive ones; `count` should be 8. */
static void add_histogram(uint64_t count, bool packed)
{
    struct buf histogram;
    buf_init(&histogram, 1000);
    protobuf_write_varint(&histogram, 1, count);
    protobuf_write_double(&histogram, 3, 18.5);
    protobuf_write_sint(&histogram, 4, 1);
    protobuf_write_double(&histogram, 5, 0.001);
    protobuf_write_varint(&histogram, 6, 2);
    write_span(&histogram, 11, -1, 2);
    write_span(&histogram, 11, 3, 1);
    static const int64_t deltas[] = {1, 2, -1};
    struct buf numbers;
    buf_init(&numbers, 100);
    for (size_t i = 0; i < 3; i++) {
        if (packed)
            codec_write_varint(&numbers, deltas[i]);
        else
            protobuf_write_sint(&histogram, 12, deltas[i]);
    }
    if (packed)
        protobuf_write_bytes(&histogram, 12, buf_slice(&numbers));
    protobuf_write_varint(&histogram, 14, 3);
    protobuf_write_varint(&histogram, 15, (uint64_t)NOW_MS);
    add_label(SLICE("__name__"), SLICE("h"));
    protobuf_write_bytes(&series, 4, buf_slice(&histogram));
    end_series();
    buf_release(&numbers);
    buf_release(&histogram);
}

START_TEST(write_stores_native_histograms)
{
    for (int packed = 0; packed < 2; packed++) {
        add_histogram(8, packed != 0);
        assert_stored();
        const struct histogram *histogram = fake_storage_last_histogram();
        ck_assert(!histogram->is_float);
        ck_assert_int_eq(histogram->reset_hint, HISTOGRAM_RESET_GAUGE);
        ck_assert_int_eq(histogram->schema, 1);
        ck_assert_double_eq(histogram->count, 8);
        ck_assert_double_eq(histogram->zero_count, 2);
        ck_assert_uint_eq(histogram->positive_span_count, 2);
        ck_assert_int_eq(histogram->positive_spans[0].offset, -1);
        ck_assert_uint_eq(histogram->positive_bucket_count, 3);
        ck_assert_double_eq(histogram->positive_buckets[0], 1);
        ck_assert_double_eq(histogram->positive_buckets[1], 3);
        ck_assert_double_eq(histogram->positive_buckets[2], 2);
    }
    ck_assert_int_eq(fake_storage_sample("h", 0).t_ms, NOW_MS);
}
END_TEST

START_TEST(write_refuses_histograms_that_contradict_themselves)
{
    add_histogram(9, true);
    assert_refused(400, "8 observations found in buckets, but the Count field is 9: histogram's "
                        "observation count should equal the number of observations found in the "
                        "buckets (in absence of NaN)");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("write_receiver");
    TCase *tcase = tcase_create("write_receiver");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, write_stores_samples_with_their_times);
    tcase_add_test(tcase, write_keeps_the_bits_of_nan_and_stale_markers);
    tcase_add_test(tcase, write_starts_at_time_zero_and_takes_exact_repetitions);
    tcase_add_test(tcase, write_recognises_series_of_earlier_requests);
    tcase_add_test(tcase, write_sorts_labels_and_leaves_out_empty_ones);
    tcase_add_test(tcase, write_reads_labels_that_lie_behind_samples);
    tcase_add_test(tcase, write_ignores_metadata_and_unknown_fields);
    tcase_add_test(tcase, write_stores_exemplars_beside_and_without_samples);
    tcase_add_test(tcase, write_skips_and_counts_series_with_bad_labels);
    tcase_add_test(tcase, write_refuses_a_request_of_nothing_but_bad_labels);
    tcase_add_test(tcase, write_refuses_the_whole_request_for_one_bad_sample);
    tcase_add_test(tcase, write_refuses_samples_from_the_future_and_goes_on);
    tcase_add_test(tcase, write_refuses_other_encodings_and_messages);
    tcase_add_test(tcase, write_refuses_bodies_that_are_no_request);
    tcase_add_test(tcase, write_answers_503_while_storage_fails);
    tcase_add_test(tcase, write_stores_native_histograms);
    tcase_add_test(tcase, write_refuses_histograms_that_contradict_themselves);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
