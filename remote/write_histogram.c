/* Native histograms of remote write: bucket counts come as deltas (integer) or absolute (float). */
#include <string.h>

#include "base/codec.h"
#include "base/protobuf_wire.h"
#include "remote/write_request.h"

/* Far above any histogram that is drawn; 160 is the usual bound. */
#define ITEMS_MAX 65536
#define EXACT_INTEGER_MAX (UINT64_C(1) << 53)

/* Fields of prometheus.Histogram. */
enum {
    FIELD_COUNT_INT = 1,
    FIELD_COUNT_FLOAT = 2,
    FIELD_SUM = 3,
    FIELD_SCHEMA = 4,
    FIELD_ZERO_THRESHOLD = 5,
    FIELD_ZERO_COUNT_INT = 6,
    FIELD_ZERO_COUNT_FLOAT = 7,
    FIELD_NEGATIVE_SPANS = 8,
    FIELD_NEGATIVE_DELTAS = 9,
    FIELD_NEGATIVE_COUNTS = 10,
    FIELD_POSITIVE_SPANS = 11,
    FIELD_POSITIVE_DELTAS = 12,
    FIELD_POSITIVE_COUNTS = 13,
    FIELD_RESET_HINT = 14,
    FIELD_TIMESTAMP = 15,
    FIELD_CUSTOM_VALUES = 16,
};

/* Arrays of one side while they are collected. */
struct side {
    VEC(struct histogram_span) spans;
    VEC(double) buckets;
    int64_t last; /* absolute count of the last integer bucket */
};

struct histogram_reader {
    struct side positive;
    struct side negative;
    VEC(double) bounds;
    bool inexact; /* an integer that a double does not hold */
    bool broken;
    bool too_large;
};

static void add_delta(struct histogram_reader *reader, struct side *side, int64_t delta)
{
    int64_t count;
    bool overflow = __builtin_add_overflow(side->last, delta, &count);
    if (overflow || count > (int64_t)EXACT_INTEGER_MAX || count < -(int64_t)EXACT_INTEGER_MAX) {
        reader->inexact = true;
        return;
    }
    side->last = count;
    vec_push(&side->buckets, (double)count);
}

/* Repeated numbers come packed into one field or singly. */
static void read_deltas(struct histogram_reader *reader, struct side *side,
                        const struct protobuf_field *field)
{
    if (field->type == PROTOBUF_VARINT) {
        add_delta(reader, side, protobuf_field_sint64(field));
        return;
    }
    struct codec_reader bytes = codec_reader(field->bytes.ptr, field->bytes.len);
    while (codec_left(&bytes) > 0 && !bytes.failed && side->buckets.len <= ITEMS_MAX)
        add_delta(reader, side, codec_unzigzag(codec_read_uvarint(&bytes)));
    reader->broken = reader->broken || bytes.failed || field->type != PROTOBUF_BYTES;
}

#define READ_DOUBLES(reader, vec, field)                                                           \
    do {                                                                                           \
        if ((field)->type == PROTOBUF_FIXED64) {                                                   \
            vec_push((vec), protobuf_field_double(field));                                         \
            break;                                                                                 \
        }                                                                                          \
        struct codec_reader bytes_ = codec_reader((field)->bytes.ptr, (field)->bytes.len);         \
        while (codec_left(&bytes_) > 0 && !bytes_.failed && (vec)->len <= ITEMS_MAX)               \
            vec_push((vec), codec_read_double(&bytes_));                                           \
        (reader)->broken = (reader)->broken || bytes_.failed || (field)->type != PROTOBUF_BYTES;   \
    } while (0)

static void read_span(struct histogram_reader *reader, struct side *side,
                      const struct protobuf_field *field)
{
    struct protobuf_reader span_reader = protobuf_reader(field->bytes);
    struct protobuf_field part;
    struct histogram_span span = {0};
    while (protobuf_next(&span_reader, &part)) {
        if (part.type != PROTOBUF_VARINT)
            continue;
        if (part.number == 1)
            span.offset = (int32_t)protobuf_field_sint64(&part);
        else if (part.number == 2)
            span.length = (uint32_t)part.value;
    }
    reader->broken = reader->broken || span_reader.failed;
    vec_push(&side->spans, span);
}

static double integer_of(struct histogram_reader *reader, const struct protobuf_field *field)
{
    reader->inexact = reader->inexact || field->value > EXACT_INTEGER_MAX;
    return (double)field->value;
}

/* Spans, buckets and bounds; false where the field is another one. */
static bool read_array(struct histogram_reader *reader, const struct protobuf_field *field)
{
    switch (field->number) {
    case FIELD_NEGATIVE_SPANS:
        read_span(reader, &reader->negative, field);
        return true;
    case FIELD_NEGATIVE_DELTAS:
        read_deltas(reader, &reader->negative, field);
        return true;
    case FIELD_NEGATIVE_COUNTS:
        READ_DOUBLES(reader, &reader->negative.buckets, field);
        return true;
    case FIELD_POSITIVE_SPANS:
        read_span(reader, &reader->positive, field);
        return true;
    case FIELD_POSITIVE_DELTAS:
        read_deltas(reader, &reader->positive, field);
        return true;
    case FIELD_POSITIVE_COUNTS:
        READ_DOUBLES(reader, &reader->positive.buckets, field);
        return true;
    case FIELD_CUSTOM_VALUES:
        READ_DOUBLES(reader, &reader->bounds, field);
        return true;
    default:
        return false;
    }
}

static bool is_double(uint32_t number)
{
    return number == FIELD_COUNT_FLOAT || number == FIELD_SUM || number == FIELD_ZERO_THRESHOLD ||
           number == FIELD_ZERO_COUNT_FLOAT;
}

static void read_scalar(struct histogram_reader *reader, const struct protobuf_field *field,
                        struct histogram *out, int64_t *out_timestamp_ms)
{
    if (field->number > FIELD_CUSTOM_VALUES)
        return;
    if (field->type != (is_double(field->number) ? PROTOBUF_FIXED64 : PROTOBUF_VARINT)) {
        reader->broken = true;
        return;
    }
    switch (field->number) {
    case FIELD_COUNT_INT:
        out->count = integer_of(reader, field);
        out->is_float = false;
        break;
    case FIELD_COUNT_FLOAT:
        out->count = protobuf_field_double(field);
        out->is_float = true;
        break;
    case FIELD_SUM:
        out->sum = protobuf_field_double(field);
        break;
    case FIELD_SCHEMA:
        out->schema = (int32_t)protobuf_field_sint64(field);
        break;
    case FIELD_ZERO_THRESHOLD:
        out->zero_threshold = protobuf_field_double(field);
        break;
    case FIELD_ZERO_COUNT_INT:
        out->zero_count = integer_of(reader, field);
        break;
    case FIELD_ZERO_COUNT_FLOAT:
        out->zero_count = protobuf_field_double(field);
        break;
    case FIELD_RESET_HINT:
        if (field->value <= HISTOGRAM_RESET_GAUGE)
            out->reset_hint = (enum histogram_reset_hint)field->value;
        break;
    case FIELD_TIMESTAMP:
        *out_timestamp_ms = (int64_t)field->value;
        break;
    default:
        break;
    }
}

static void read_fields(struct histogram_reader *reader, struct slice message,
                        struct histogram *out, int64_t *out_timestamp_ms)
{
    struct protobuf_reader fields = protobuf_reader(message);
    struct protobuf_field field;
    while (protobuf_next(&fields, &field) && !reader->too_large) {
        if (!read_array(reader, &field))
            read_scalar(reader, &field, out, out_timestamp_ms);
        reader->too_large =
            reader->positive.spans.len > ITEMS_MAX || reader->negative.spans.len > ITEMS_MAX ||
            reader->positive.buckets.len > ITEMS_MAX || reader->negative.buckets.len > ITEMS_MAX ||
            reader->bounds.len > ITEMS_MAX;
    }
    reader->broken = reader->broken || fields.failed;
}

static void *keep(struct arena *arena, const void *items, size_t count, size_t size, bool *full)
{
    if (count == 0 || *full)
        return NULL;
    void *copy = arena_try_alloc(arena, count * size);
    if (copy == NULL)
        *full = true;
    else
        memcpy(copy, items, count * size);
    return copy;
}

static bool keep_arrays(const struct histogram_reader *reader, struct arena *arena,
                        struct histogram *out)
{
    bool full = false;
    const struct side *positive = &reader->positive;
    const struct side *negative = &reader->negative;
    out->positive_span_count = (uint32_t)positive->spans.len;
    out->negative_span_count = (uint32_t)negative->spans.len;
    out->positive_bucket_count = (uint32_t)positive->buckets.len;
    out->negative_bucket_count = (uint32_t)negative->buckets.len;
    out->custom_bound_count = (uint32_t)reader->bounds.len;
    out->positive_spans = keep(arena, positive->spans.items, positive->spans.len,
                               sizeof(struct histogram_span), &full);
    out->negative_spans = keep(arena, negative->spans.items, negative->spans.len,
                               sizeof(struct histogram_span), &full);
    out->positive_buckets =
        keep(arena, positive->buckets.items, positive->buckets.len, sizeof(double), &full);
    out->negative_buckets =
        keep(arena, negative->buckets.items, negative->buckets.len, sizeof(double), &full);
    out->custom_bounds =
        keep(arena, reader->bounds.items, reader->bounds.len, sizeof(double), &full);
    return !full;
}

static enum err reader_finish(const struct histogram_reader *reader, struct arena *arena,
                              struct histogram *out, struct errbuf *err)
{
    if (reader->broken)
        return errbuf_set(err, ERR_INVALID, "a native histogram that is no protobuf message");
    if (reader->too_large)
        return errbuf_set(err, ERR_LIMIT, "a native histogram with more than %d buckets or spans",
                          ITEMS_MAX);
    if (reader->inexact)
        return errbuf_set(err, ERR_INVALID,
                          "a native histogram with a count above 2^53, which is not kept exactly");
    if (!keep_arrays(reader, arena, out))
        return errbuf_set(err, ERR_LIMIT, "the native histograms of a request are too large");
    return histogram_validate(out, err);
}

enum err write_histogram_read(struct slice message, struct arena *arena, struct histogram *out,
                              int64_t *out_timestamp_ms, struct errbuf *err)
{
    struct histogram_reader reader = {0};
    *out = (struct histogram){0};
    *out_timestamp_ms = 0;
    read_fields(&reader, message, out, out_timestamp_ms);
    enum err code = reader_finish(&reader, arena, out, err);
    vec_release(&reader.positive.spans);
    vec_release(&reader.positive.buckets);
    vec_release(&reader.negative.spans);
    vec_release(&reader.negative.buckets);
    vec_release(&reader.bounds);
    return code;
}
