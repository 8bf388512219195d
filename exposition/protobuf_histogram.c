/* io.prometheus.client.Histogram. */
#include "exposition/protobuf_histogram.h"

#include "base/codec.h"
#include "base/protobuf_wire.h"
#include "model/histogram_arithmetic.h"

#include <string.h>

/* Far above any histogram that is drawn; 160 is the usual bound. */
#define ITEMS_MAX 65536
/* Above this a double does not hold every integer. */
#define EXACT_INTEGER_MAX (INT64_C(1) << 53)

enum {
    FIELD_COUNT = 1,
    FIELD_SUM = 2,
    FIELD_BUCKET = 3,
    FIELD_COUNT_FLOAT = 4,
    FIELD_SCHEMA = 5,
    FIELD_ZERO_THRESHOLD = 6,
    FIELD_ZERO_COUNT = 7,
    FIELD_ZERO_COUNT_FLOAT = 8,
    FIELD_NEGATIVE_SPAN = 9,
    FIELD_NEGATIVE_DELTA = 10,
    FIELD_NEGATIVE_COUNT = 11,
    FIELD_POSITIVE_SPAN = 12,
    FIELD_POSITIVE_DELTA = 13,
    FIELD_POSITIVE_COUNT = 14,
    FIELD_START = 15,
    FIELD_EXEMPLAR = 16,
};

void protobuf_histogram_release(struct protobuf_histogram *histogram)
{
    struct protobuf_side *sides[] = {&histogram->positive, &histogram->negative};
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        vec_release(&sides[i]->spans);
        vec_release(&sides[i]->counts);
        vec_release(&sides[i]->sums);
    }
    vec_release(&histogram->buckets);
    vec_release(&histogram->exemplars);
}

static void side_reset(struct protobuf_side *side)
{
    vec_reset(&side->spans);
    vec_reset(&side->counts);
    vec_reset(&side->sums);
    side->sum = 0;
    side->span_total = 0;
}

static void histogram_reset(struct protobuf_histogram *histogram)
{
    vec_reset(&histogram->buckets);
    vec_reset(&histogram->exemplars);
    side_reset(&histogram->positive);
    side_reset(&histogram->negative);
    histogram->count = histogram->sum = histogram->integer_count = 0;
    histogram->is_float = false;
    histogram->schema = 0;
    histogram->zero_threshold = histogram->zero_count_float = 0;
    histogram->zero_count = 0;
    histogram->start_ms = 0;
}

int64_t protobuf_timestamp_ms(struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    uint64_t seconds = 0;
    int32_t nanos = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.type == PROTOBUF_VARINT && field.number == 1)
            seconds = field.value;
        else if (field.type == PROTOBUF_VARINT && field.number == 2)
            nanos = (int32_t)field.value;
    }
    return (int64_t)(seconds * 1000 + (uint64_t)(int64_t)(nanos / 1000000));
}

static bool read_bucket(struct slice message, struct protobuf_bucket *out)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    double count_float = 0;
    *out = (struct protobuf_bucket){0};
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_VARINT)
            out->cumulative_count = (double)field.value;
        else if (field.number == 2 && field.type == PROTOBUF_FIXED64)
            out->upper_bound = protobuf_field_double(&field);
        else if (field.number == 3 && field.type == PROTOBUF_BYTES)
            out->exemplar = field.bytes;
        else if (field.number == 4 && field.type == PROTOBUF_FIXED64)
            count_float = protobuf_field_double(&field);
    }
    if (count_float != 0)
        out->cumulative_count = count_float;
    return !reader.failed;
}

static bool read_span(struct protobuf_side *side, struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    struct histogram_span span = {0};
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_VARINT)
            span.offset = (int32_t)protobuf_field_sint64(&field);
        else if (field.number == 2 && field.type == PROTOBUF_VARINT)
            span.length = (uint32_t)field.value;
    }
    side->span_total += span.length;
    vec_push(&side->spans, span);
    return !reader.failed;
}

static bool add_delta(struct protobuf_side *side, int64_t delta)
{
    int64_t sum;
    if (__builtin_add_overflow(side->sum, delta, &sum) || sum > EXACT_INTEGER_MAX ||
        sum < -EXACT_INTEGER_MAX)
        return false;
    side->sum = sum;
    vec_push(&side->sums, (double)sum);
    return true;
}

/* Repeated numbers come packed into one field or singly. */
static bool read_deltas(struct protobuf_side *side, const struct protobuf_field *field)
{
    if (field->type == PROTOBUF_VARINT)
        return add_delta(side, protobuf_field_sint64(field));
    struct codec_reader bytes = codec_reader(field->bytes.ptr, field->bytes.len);
    while (field->type == PROTOBUF_BYTES && codec_left(&bytes) > 0 && side->sums.len <= ITEMS_MAX) {
        int64_t delta = codec_unzigzag(codec_read_uvarint(&bytes));
        if (bytes.failed || !add_delta(side, delta))
            return false;
    }
    return field->type == PROTOBUF_BYTES;
}

static bool read_counts(struct protobuf_side *side, const struct protobuf_field *field)
{
    if (field->type == PROTOBUF_FIXED64) {
        vec_push(&side->counts, protobuf_field_double(field));
        return true;
    }
    struct codec_reader bytes = codec_reader(field->bytes.ptr, field->bytes.len);
    while (field->type == PROTOBUF_BYTES && codec_left(&bytes) > 0 && side->counts.len <= ITEMS_MAX)
        vec_push(&side->counts, codec_read_double(&bytes));
    return field->type == PROTOBUF_BYTES && !bytes.failed;
}

static bool read_message(struct protobuf_histogram *out, const struct protobuf_field *field)
{
    struct protobuf_bucket bucket;
    switch (field->number) {
    case FIELD_BUCKET:
        if (!read_bucket(field->bytes, &bucket))
            return false;
        vec_push(&out->buckets, bucket);
        return true;
    case FIELD_NEGATIVE_SPAN:
        return read_span(&out->negative, field->bytes);
    case FIELD_POSITIVE_SPAN:
        return read_span(&out->positive, field->bytes);
    case FIELD_START:
        out->start_ms = protobuf_timestamp_ms(field->bytes);
        return true;
    case FIELD_EXEMPLAR:
        vec_push(&out->exemplars, field->bytes);
        return true;
    default:
        return true;
    }
}

static void read_double(struct protobuf_histogram *out, const struct protobuf_field *field)
{
    double value = protobuf_field_double(field);
    if (field->number == FIELD_SUM)
        out->sum = value;
    else if (field->number == FIELD_COUNT_FLOAT)
        out->count = value;
    else if (field->number == FIELD_ZERO_THRESHOLD)
        out->zero_threshold = value;
    else if (field->number == FIELD_ZERO_COUNT_FLOAT)
        out->zero_count_float = value;
}

static void read_integer(struct protobuf_histogram *out, const struct protobuf_field *field)
{
    if (field->number == FIELD_COUNT)
        out->integer_count = (double)field->value;
    else if (field->number == FIELD_SCHEMA)
        out->schema = (int32_t)protobuf_field_sint64(field);
    else if (field->number == FIELD_ZERO_COUNT)
        out->zero_count = field->value;
}

static bool read_field(struct protobuf_histogram *out, const struct protobuf_field *field)
{
    switch (field->number) {
    case FIELD_NEGATIVE_DELTA:
        return read_deltas(&out->negative, field);
    case FIELD_POSITIVE_DELTA:
        return read_deltas(&out->positive, field);
    case FIELD_NEGATIVE_COUNT:
        return read_counts(&out->negative, field);
    case FIELD_POSITIVE_COUNT:
        return read_counts(&out->positive, field);
    default:
        break;
    }
    if (field->type == PROTOBUF_BYTES)
        return read_message(out, field);
    if (field->type == PROTOBUF_FIXED64)
        read_double(out, field);
    else if (field->type == PROTOBUF_VARINT)
        read_integer(out, field);
    return true;
}

static bool is_too_large(const struct protobuf_histogram *histogram)
{
    const struct protobuf_side *sides[] = {&histogram->positive, &histogram->negative};
    bool large = histogram->buckets.len > ITEMS_MAX || histogram->exemplars.len > ITEMS_MAX;
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
        large = large || sides[i]->spans.len > ITEMS_MAX || sides[i]->counts.len > ITEMS_MAX ||
                sides[i]->sums.len > ITEMS_MAX;
    return large;
}

enum err protobuf_histogram_read(struct protobuf_histogram *out, struct slice message,
                                 struct errbuf *err)
{
    histogram_reset(out);
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field)) {
        if (!read_field(out, &field))
            return errbuf_set(err, ERR_INVALID, "a histogram that is no protobuf message");
        if (is_too_large(out))
            return errbuf_set(err, ERR_INVALID, "a histogram with more than %d buckets", ITEMS_MAX);
    }
    if (reader.failed)
        return errbuf_set(err, ERR_INVALID, "a histogram that is no protobuf message");
    out->is_float = out->count > 0 || out->zero_count_float > 0;
    if (out->count == 0 && !out->is_float)
        out->count = out->integer_count;
    return ERR_NONE;
}

bool protobuf_histogram_is_native(const struct protobuf_histogram *histogram)
{
    return histogram->positive.spans.len > 0 || histogram->negative.spans.len > 0 ||
           histogram->zero_threshold > 0 || histogram->zero_count > 0;
}

static enum err check_side(const struct protobuf_side *side, const char *name, size_t count,
                           struct slice family, struct errbuf *err)
{
    if (side->span_total == count)
        return ERR_NONE;
    return errbuf_set(err, ERR_INVALID,
                      "histogram \"%.*s\": %s side: spans require %llu buckets, have %zu buckets",
                      SLICE_ARG(family), name, (unsigned long long)side->span_total, count);
}

enum err protobuf_histogram_native(const struct protobuf_histogram *histogram, struct slice family,
                                   bool gauge, struct arena *arena, struct histogram **out,
                                   struct errbuf *err)
{
    const struct protobuf_side *positive = &histogram->positive;
    const struct protobuf_side *negative = &histogram->negative;
    bool is_float = histogram->is_float;
    size_t positive_count = is_float ? positive->counts.len : positive->sums.len;
    size_t negative_count = is_float ? negative->counts.len : negative->sums.len;
    enum err code = check_side(positive, "positive", positive_count, family, err);
    if (code == ERR_NONE)
        code = check_side(negative, "negative", negative_count, family, err);
    if (code != ERR_NONE)
        return code;
    struct histogram whole = {
        .is_float = is_float,
        .reset_hint = gauge ? HISTOGRAM_RESET_GAUGE : HISTOGRAM_RESET_UNKNOWN,
        .schema = histogram->schema,
        .zero_threshold = histogram->zero_threshold,
        .zero_count = is_float ? histogram->zero_count_float : (double)histogram->zero_count,
        .count = histogram->count,
        .sum = histogram->sum,
        .positive_span_count = (uint32_t)positive->spans.len,
        .negative_span_count = (uint32_t)negative->spans.len,
        .positive_bucket_count = (uint32_t)positive_count,
        .negative_bucket_count = (uint32_t)negative_count,
        .positive_spans = positive->spans.items,
        .negative_spans = negative->spans.items,
        .positive_buckets = is_float ? positive->counts.items : positive->sums.items,
        .negative_buckets = is_float ? negative->counts.items : negative->sums.items,
    };
    *out = histogram_compact(arena, &whole, 0);
    (*out)->is_float = is_float; /* arithmetic makes floats; nothing was computed here */
    return ERR_NONE;
}
