/* The protobuf format: series and their order, native histograms, exemplars, errors. */
#include "tests/exposition/collected.h"

#include "base/codec.h"
#include "base/protobuf_wire.h"

static struct buf body;
static struct collected collected;

static void setup(void)
{
    buf_init(&body, 1 << 20);
    collected_init(&collected);
    collected.histograms = true;
}

static void teardown(void)
{
    buf_release(&body);
    collected_release(&collected);
}

static struct slice text(const char *value)
{
    return slice_str(value);
}

/* A message in the making; each is used once. */
static struct buf *message(void)
{
    static struct buf messages[16];
    static size_t next;
    struct buf *out = &messages[next++ % 16];
    buf_release(out);
    buf_init(out, 1 << 16);
    return out;
}

static void put_message(struct buf *out, uint32_t number, const struct buf *value)
{
    protobuf_write_bytes(out, number, slice_from(value->data, value->len));
}

static void put_label(struct buf *out, const char *name, const char *value)
{
    struct buf *label = message();
    protobuf_write_bytes(label, 1, text(name));
    protobuf_write_bytes(label, 2, text(value));
    put_message(out, 1, label);
}

static void put_time(struct buf *out, uint32_t number, int64_t seconds, int32_t nanos)
{
    struct buf *time = message();
    protobuf_write_varint(time, 1, (uint64_t)seconds);
    protobuf_write_varint(time, 2, (uint64_t)nanos);
    put_message(out, number, time);
}

static void put_exemplar(struct buf *out, uint32_t number, const char *id, double value,
                         int64_t seconds)
{
    struct buf *exemplar = message();
    put_label(exemplar, "id", id);
    protobuf_write_double(exemplar, 2, value);
    if (seconds != 0)
        put_time(exemplar, 3, seconds, 250000000);
    put_message(out, number, exemplar);
}

static void put_family(const char *name, int type, struct buf *const *metrics, size_t count)
{
    struct buf *family = message();
    protobuf_write_bytes(family, 1, text(name));
    protobuf_write_bytes(family, 2, text("H"));
    protobuf_write_varint(family, 3, (uint64_t)type);
    for (size_t i = 0; i < count; i++)
        put_message(family, 4, metrics[i]);
    codec_write_slice(&body, slice_from(family->data, family->len));
}

static struct buf *plain_metric(uint32_t field, double value)
{
    struct buf *inner = message();
    protobuf_write_double(inner, 1, value);
    struct buf *metric = message();
    put_message(metric, field, inner);
    return metric;
}

static void expect(const char *expected)
{
    enum err code = collected_parse(&collected, EXPOSITION_PROTOBUF, buf_slice(&body));
    ck_assert_msg(code == ERR_NONE, "%s", collected.err.text);
    ck_assert_str_eq(buf_cstr(&collected.text), expected);
}

static void expect_refused(const char *words)
{
    ck_assert(collected_parse(&collected, EXPOSITION_PROTOBUF, buf_slice(&body)) == ERR_INVALID);
    ck_assert_str_eq(collected.err.text, words);
}

START_TEST(plain_metrics_have_labels_times_and_exemplars)
{
    struct buf *counter = message();
    protobuf_write_double(counter, 1, 5);
    put_exemplar(counter, 2, "x", 2.5, 7);
    put_time(counter, 3, 3, 500000000);
    struct buf *metric = message();
    put_label(metric, "a", "q\"\\\n");
    put_label(metric, "b c", "");
    put_message(metric, 3, counter);
    protobuf_write_varint(metric, 6, 1234);
    put_family("c_total", 0, &metric, 1);
    metric = plain_metric(2, -1.5);
    put_family("my.gauge", 1, &metric, 1);
    metric = plain_metric(5, 3);
    put_family("u", 3, &metric, 1);
    put_family("empty", 3, NULL, 0);
    expect("help c_total \"H\"\ntype c_total counter\n"
           "c_total{a=\"q\\\"\\\\\\n\",\"b c\"=\"\"} => \"c_total\" \"a\"=\"q\\\"\\\\\\n\" \"b "
           "c\"=\"\" "
           "| 5 @1234 since 3500\n  exemplar \"id\"=\"x\" | 2.5 @7250\n"
           "help my.gauge \"H\"\ntype my.gauge gauge\n{\"my.gauge\"} => \"my.gauge\" | -1.5\n"
           "help u \"H\"\ntype u unknown\nu => \"u\" | 3\n");
}
END_TEST

START_TEST(a_summary_is_its_count_sum_and_quantiles)
{
    struct buf *summary = message();
    struct buf *quantile = message();
    protobuf_write_double(quantile, 1, 0.5);
    protobuf_write_double(quantile, 2, 7);
    put_message(summary, 3, quantile);
    protobuf_write_varint(summary, 1, 4);
    protobuf_write_double(summary, 2, 9.5);
    quantile = message();
    protobuf_write_double(quantile, 1, 1);
    protobuf_write_double(quantile, 2, 8);
    put_message(summary, 3, quantile);
    struct buf *metric = message();
    put_label(metric, "a", "1");
    put_message(metric, 4, summary);
    put_family("s", 2, &metric, 1);
    collected.labels = false;
    expect("help s \"H\"\ntype s summary\ns_count{a=\"1\"} | 4\ns_sum{a=\"1\"} | 9.5\n"
           "s{a=\"1\",quantile=\"0.5\"} | 7\ns{a=\"1\",quantile=\"1.0\"} | 8\n");
}
END_TEST

static void put_bucket(struct buf *histogram, uint64_t count, double bound, const char *exemplar)
{
    struct buf *bucket = message();
    protobuf_write_varint(bucket, 1, count);
    protobuf_write_double(bucket, 2, bound);
    if (exemplar != NULL)
        put_exemplar(bucket, 3, exemplar, bound, bound > 1 ? 9 : 0);
    put_message(histogram, 3, bucket);
}

static struct buf *classic(void)
{
    struct buf *histogram = message();
    protobuf_write_varint(histogram, 1, 5);
    protobuf_write_double(histogram, 2, 12.5);
    put_bucket(histogram, 2, 1, "x");
    put_bucket(histogram, 4, 2.5, "y");
    return histogram;
}

static void put_histogram(const char *name, int type, const struct buf *histogram)
{
    struct buf *metric = message();
    put_message(metric, 7, histogram);
    put_family(name, type, &metric, 1);
}

#define CLASSIC                                                                                    \
    "h_count | 5\nh_sum | 12.5\nh_bucket{le=\"1.0\"} | 2\n  exemplar \"id\"=\"x\" | 1\n"           \
    "h_bucket{le=\"2.5\"} | 4\n  exemplar \"id\"=\"y\" | 2.5 @9250\nh_bucket{le=\"+Inf\"} | 5\n"

START_TEST(a_classic_histogram_gets_the_bucket_that_it_lacks)
{
    put_histogram("h", 4, classic());
    collected.labels = false;
    expect("help h \"H\"\ntype h histogram\n" CLASSIC);
}
END_TEST

/* Adds a span of two buckets with 1 and 3 to what is a classic histogram. */
static void make_native(struct buf *histogram)
{
    struct buf *span = message();
    protobuf_write_sint(span, 1, 0);
    protobuf_write_varint(span, 2, 2);
    put_message(histogram, 12, span);
    protobuf_write_sint(histogram, 5, 0);
    protobuf_write_double(histogram, 6, 0.001);
    protobuf_write_varint(histogram, 7, 1);
    struct buf *deltas = message();
    codec_write_varint(deltas, 1);
    codec_write_varint(deltas, 2);
    put_message(histogram, 13, deltas);
}

#define NATIVE                                                                                     \
    "h{count:5, sum:12.5, [-0.001,0.001]:1, (0.5,1]:1, (1,2]:3}\n"                                 \
    "  exemplar \"id\"=\"y\" | 2.5 @9250\n"

START_TEST(a_native_histogram_is_one_sample)
{
    struct buf *histogram = classic();
    make_native(histogram);
    put_histogram("h", 4, histogram);
    collected.labels = false;
    expect("help h \"H\"\ntype h histogram\n" NATIVE);
}
END_TEST

START_TEST(both_forms_are_given_where_that_is_wanted)
{
    struct buf *histogram = classic();
    make_native(histogram);
    put_histogram("h", 4, histogram);
    collected.labels = false;
    collected.classic_too = true;
    expect("help h \"H\"\ntype h histogram\n" NATIVE CLASSIC);
}
END_TEST

START_TEST(native_parts_are_left_out_where_nobody_wants_them)
{
    struct buf *histogram = classic();
    make_native(histogram);
    put_histogram("h", 4, histogram);
    collected.labels = collected.histograms = false;
    expect("help h \"H\"\ntype h histogram\n" CLASSIC);
}
END_TEST

START_TEST(float_histograms_gauges_and_exemplars_of_their_own)
{
    struct buf *histogram = message();
    protobuf_write_double(histogram, 4, 4.5);
    protobuf_write_double(histogram, 8, 0.5);
    protobuf_write_double(histogram, 6, 0.001);
    struct buf *span = message();
    protobuf_write_sint(span, 1, -1);
    protobuf_write_varint(span, 2, 2);
    put_message(histogram, 9, span);
    protobuf_write_double(histogram, 11, 4);
    protobuf_write_double(histogram, 11, 0);
    put_exemplar(histogram, 16, "late", 2, 20);
    put_exemplar(histogram, 16, "untimed", 1, 0);
    put_exemplar(histogram, 16, "early", 3, 10);
    put_time(histogram, 15, 6, 0);
    put_histogram("g", 5, histogram);
    collected.labels = false;
    expect("help g \"H\"\ntype g gaugehistogram\n"
           "g{count:4.5, sum:0, [-0.5,-0.25):4, [-0.001,0.001]:0.5} float gauge since 6000\n"
           "  exemplar \"id\"=\"early\" | 3 @10250\n  exemplar \"id\"=\"late\" | 2 @20250\n");
}
END_TEST

START_TEST(what_is_wrong_is_refused)
{
    struct buf *histogram = message();
    struct buf *span = message();
    protobuf_write_varint(span, 2, 3);
    put_message(histogram, 12, span);
    put_histogram("h", 4, histogram);
    expect_refused("histogram \"h\": positive side: spans require 3 buckets, have 0 buckets");
    buf_reset(&body);
    struct buf *metric = plain_metric(2, 1);
    put_label(metric, "", "x");
    put_family("g", 1, &metric, 1);
    expect_refused("invalid label name: ");
    buf_reset(&body);
    metric = plain_metric(2, 1);
    put_family("g", 6, &metric, 1);
    expect_refused("unknown metric type for metric \"g\": 6");
    buf_reset(&body);
    put_family("", 1, &metric, 1);
    expect_refused("invalid metric name: ");
    buf_reset(&body);
    metric = plain_metric(2, 1);
    put_family("g", 1, &metric, 1);
    body.len--;
    expect_refused("a body that is no protobuf message");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("protobuf");
    TCase *tcase = tcase_create("protobuf");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, plain_metrics_have_labels_times_and_exemplars);
    tcase_add_test(tcase, a_summary_is_its_count_sum_and_quantiles);
    tcase_add_test(tcase, a_classic_histogram_gets_the_bucket_that_it_lacks);
    tcase_add_test(tcase, a_native_histogram_is_one_sample);
    tcase_add_test(tcase, both_forms_are_given_where_that_is_wanted);
    tcase_add_test(tcase, native_parts_are_left_out_where_nobody_wants_them);
    tcase_add_test(tcase, float_histograms_gauges_and_exemplars_of_their_own);
    tcase_add_test(tcase, what_is_wrong_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
