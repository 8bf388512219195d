#include "remote/write_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/protobuf_wire.h"
#include "base/utf8.h"
#include "model/labels.h"
#include "model/quote.h"

/* Tags: field number << 3 | wire type. */
enum {
    TAG_REQUEST_SERIES = 1 << 3 | PROTOBUF_BYTES,
    TAG_SERIES_LABEL = 1 << 3 | PROTOBUF_BYTES,
    TAG_SERIES_SAMPLE = 2 << 3 | PROTOBUF_BYTES,
    TAG_SERIES_EXEMPLAR = 3 << 3 | PROTOBUF_BYTES,
    TAG_SERIES_HISTOGRAM = 4 << 3 | PROTOBUF_BYTES,
    TAG_SAMPLE_VALUE = 1 << 3 | PROTOBUF_FIXED64,
    TAG_SAMPLE_TIME = 2 << 3 | PROTOBUF_VARINT,
};

/* The field of a histogram that has its time. */
#define HISTOGRAM_TIME 15

/* A varint of at most 10 bytes; NULL where it breaks off. Lengths and tags are mostly one byte. */
static inline const uint8_t *take_varint(const uint8_t *at, const uint8_t *end, uint64_t *out)
{
    if (LIKELY(at < end && *at < 0x80)) {
        *out = *at;
        return at + 1;
    }
    uint64_t value = 0;
    for (unsigned shift = 0; at < end && shift < 70; shift += 7) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return at;
        }
    }
    return NULL;
}

/* A length and that many bytes. */
static inline const uint8_t *take_bytes(const uint8_t *at, const uint8_t *end, struct slice *out)
{
    uint64_t len;
    at = take_varint(at, end, &len);
    if (at == NULL || len > (uint64_t)(end - at))
        return NULL;
    *out = slice_from((const char *)at, (size_t)len);
    return at + len;
}

/* Any one field; NULL where it is broken. */
static const uint8_t *skip_field(const uint8_t *at, const uint8_t *end)
{
    struct protobuf_reader reader =
        protobuf_reader(slice_from((const char *)at, (size_t)(end - at)));
    struct protobuf_field field;
    return protobuf_next(&reader, &field) ? (const uint8_t *)reader.left.ptr : NULL;
}

static const uint8_t *begin_of(struct slice message)
{
    return (const uint8_t *)message.ptr;
}

static double load_double(const uint8_t *at)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++)
        bits |= (uint64_t)at[i] << (8 * i);
    return codec_bits_double(bits);
}

/* false where the message is broken. Encoders leave out zeros. */
static inline bool read_sample(struct slice message, struct sample *out)
{
    const uint8_t *at = begin_of(message);
    const uint8_t *end = at + message.len;
    *out = (struct sample){0, 0};
    while (at < end) {
        uint64_t time;
        if (*at == TAG_SAMPLE_VALUE && end - at >= 9) {
            out->value = load_double(at + 1);
            at += 9;
        } else if (*at == TAG_SAMPLE_TIME) {
            at = take_varint(at + 1, end, &time);
            if (at == NULL)
                return false;
            out->timestamp_ms = (int64_t)time;
        } else {
            at = skip_field(at, end);
            if (at == NULL)
                return false;
        }
    }
    return true;
}

int64_t write_histogram_time(struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    int64_t time = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.number == HISTOGRAM_TIME && field.type == PROTOBUF_VARINT)
            time = (int64_t)field.value;
    }
    return time;
}

static bool message_is_whole(struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field)) {
    }
    return !reader.failed;
}

/* Label fields from the start of the message on; where they end. */
static inline const uint8_t *skip_labels(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at == TAG_SERIES_LABEL) {
        struct slice label;
        const uint8_t *next = take_bytes(at + 1, end, &label);
        if (next == NULL)
            return NULL;
        at = next;
    }
    return at;
}

/* One field behind the labels at the front, of which *label_bytes were seen; NULL where it is
 * broken. */
static inline const uint8_t *read_series_field(struct write_request *request,
                                               struct write_series *series, size_t *label_bytes,
                                               const uint8_t *at, const uint8_t *end)
{
    if (*at != TAG_SERIES_SAMPLE && *at != TAG_SERIES_HISTOGRAM && *at != TAG_SERIES_LABEL &&
        *at != TAG_SERIES_EXEMPLAR)
        return skip_field(at, end);
    uint8_t tag = *at;
    struct slice message;
    at = take_bytes(at + 1, end, &message);
    if (at == NULL)
        return NULL;
    int64_t time;
    if (tag == TAG_SERIES_LABEL) {
        series->labels_len = 0;
        *label_bytes += message.len + 2;
        return at;
    } else if (tag == TAG_SERIES_SAMPLE) {
        struct sample sample;
        if (!read_sample(message, &sample))
            return NULL;
        time = sample.timestamp_ms;
        request->sample_count++;
    } else if (tag == TAG_SERIES_EXEMPLAR) {
        series->item_count++;
        return message_is_whole(message) ? at : NULL;
    } else {
        if (!message_is_whole(message))
            return NULL;
        time = write_histogram_time(message);
        request->histogram_count++;
    }
    series->item_count++;
    request->newest_ms = MAX(request->newest_ms, time);
    request->oldest_ms = MIN(request->oldest_ms, time);
    return at;
}

static bool read_series(struct write_request *request, struct slice message)
{
    struct write_series series = {.message = message};
    const uint8_t *at = begin_of(message);
    const uint8_t *end = at + message.len;
    at = skip_labels(at, end);
    if (at == NULL)
        return false;
    series.labels_len = (uint32_t)(at - begin_of(message));
    size_t label_bytes = series.labels_len;
    while (at < end) {
        at = read_series_field(request, &series, &label_bytes, at, end);
        if (at == NULL)
            return false;
    }
    /* what cannot be stored is only counted, so that millions of empty messages cost no memory */
    if (label_bytes < WRITE_LABEL_BYTES_MIN)
        request->nameless_count++;
    else if (series.item_count > 0)
        vec_push(&request->series, series);
    return true;
}

enum err write_request_read(struct write_request *request, struct slice message, struct errbuf *err)
{
    ASSERT(message.len <= UINT32_MAX);
    vec_reset(&request->series);
    request->sample_count = 0;
    request->histogram_count = 0;
    request->nameless_count = 0;
    request->newest_ms = INT64_MIN;
    request->oldest_ms = INT64_MAX;
    const uint8_t *at = begin_of(message);
    const uint8_t *end = at + message.len;
    while (at < end) {
        const uint8_t *field = at;
        struct slice series = {0};
        bool is_series = *at == TAG_REQUEST_SERIES;
        at = is_series ? take_bytes(at + 1, end, &series) : skip_field(at, end);
        if (at == NULL || (is_series && !read_series(request, series))) {
            errbuf_set(
                err, ERR_INVALID,
                "the body is no protobuf message prometheus.WriteRequest: broken field at byte "
                "%zu of %zu",
                (size_t)(field - begin_of(message)), message.len);
            return ERR_INVALID;
        }
    }
    return ERR_NONE;
}

void write_request_release(struct write_request *request)
{
    vec_release(&request->series);
}

struct write_items write_series_items(const struct write_series *series)
{
    const uint8_t *start = begin_of(series->message);
    return (struct write_items){start + series->labels_len, start + series->message.len};
}

enum write_item_kind write_items_next(struct write_items *items, struct sample *out_sample,
                                      struct slice *out_message)
{
    while (items->at != NULL && items->at < items->end) {
        uint8_t tag = *items->at;
        if (tag != TAG_SERIES_SAMPLE && tag != TAG_SERIES_HISTOGRAM && tag != TAG_SERIES_EXEMPLAR) {
            items->at = skip_field(items->at, items->end);
            continue;
        }
        struct slice message;
        items->at = take_bytes(items->at + 1, items->end, &message);
        if (items->at == NULL)
            break;
        if (tag != TAG_SERIES_SAMPLE) {
            *out_message = message;
            return tag == TAG_SERIES_HISTOGRAM ? WRITE_ITEM_HISTOGRAM : WRITE_ITEM_EXEMPLAR;
        }
        if (read_sample(message, out_sample))
            return WRITE_ITEM_SAMPLE;
        break;
    }
    return WRITE_ITEM_NONE;
}

static bool read_label(struct slice message, struct write_label *out)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    *out = (struct write_label){SLICE_EMPTY, SLICE_EMPTY};
    while (protobuf_next(&reader, &field)) {
        if (field.type != PROTOBUF_BYTES)
            continue;
        if (field.number == 1)
            out->name = field.bytes;
        else if (field.number == 2)
            out->value = field.bytes;
    }
    return !reader.failed;
}

bool write_exemplar_read(struct slice message, struct exemplar_label *labels, struct exemplar *out)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    *out = (struct exemplar){.labels = labels};
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_BYTES) {
            struct write_label label;
            if (out->label_count == EXEMPLAR_LABEL_RUNES_MAX || !read_label(field.bytes, &label))
                return false;
            labels[out->label_count++] = (struct exemplar_label){label.name, label.value};
        } else if (field.number == 2 && field.type == PROTOBUF_FIXED64) {
            out->value = protobuf_field_double(&field);
        } else if (field.number == 3 && field.type == PROTOBUF_VARINT) {
            out->timestamp_ms = (int64_t)field.value;
            out->has_timestamp = out->timestamp_ms != 0;
        }
    }
    return !reader.failed;
}

static int compare_names(const void *a, const void *b)
{
    const struct write_label *left = a;
    const struct write_label *right = b;
    return slice_cmp(left->name, right->name);
}

/* TEXT {name="value", ...} MORE */
static enum err refuse_labels(const char *text, const struct write_label *labels, size_t count,
                              struct slice more, struct errbuf *err)
{
    if (err == NULL)
        return ERR_INVALID;
    struct buf message;
    buf_init(&message, ERRBUF_TEXT_SIZE);
    buf_append_str(&message, text);
    for (size_t i = 0; i < count && !message.overflow; i++) {
        buf_append_str(&message, i == 0 ? " {" : ", ");
        if (labels_name_valid_legacy(labels[i].name))
            buf_append_slice(&message, labels[i].name);
        else
            quote_go(labels[i].name, &message);
        buf_append_byte(&message, '=');
        quote_go(labels[i].value, &message);
    }
    buf_append_str(&message, count == 0 ? " {}" : "}");
    buf_append_slice(&message, more);
    errbuf_set(err, ERR_INVALID, "%s", buf_cstr(&message));
    buf_release(&message);
    return ERR_INVALID;
}

/* Checks sorted labels and drops those with empty values. */
static enum err check_labels(struct write_label *labels, size_t count, size_t *out_count,
                             struct errbuf *err)
{
    bool good = true;
    bool named = false;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        good = good && labels_name_valid_utf8(labels[i].name) && utf8_valid(labels[i].value);
        named =
            named || (labels[i].value.len > 0 && slice_eq_str(labels[i].name, LABEL_METRIC_NAME));
    }
    if (!good || !named)
        return refuse_labels("invalid metric name or labels, got", labels, count, SLICE_EMPTY, err);
    for (size_t i = 1; i < count; i++) {
        if (!slice_eq(labels[i - 1].name, labels[i].name))
            continue;
        struct buf more;
        buf_init(&more, ERRBUF_TEXT_SIZE);
        buf_printf(&more, ", duplicated label %.*s", SLICE_ARG(labels[i].name));
        refuse_labels("invalid labels for series, labels", labels, count, buf_slice(&more), err);
        buf_release(&more);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        if (labels[i].value.len > 0)
            labels[kept++] = labels[i];
    }
    *out_count = kept;
    return ERR_NONE;
}

enum err write_labels_check(struct write_label *labels, size_t count, size_t *out_count,
                            struct errbuf *err)
{
    qsort(labels, count, sizeof(*labels), compare_names);
    return check_labels(labels, count, out_count, err);
}

enum err write_series_labels(const struct write_series *series, struct write_label *out,
                             size_t *out_count, struct errbuf *err)
{
    size_t count = 0;
    bool sorted = true;
    const uint8_t *at = begin_of(series->message);
    const uint8_t *end = at + series->message.len;
    while (at != NULL && at < end) {
        if (*at != TAG_SERIES_LABEL) {
            if (series->labels_len > 0)
                break;
            at = skip_field(at, end);
            continue;
        }
        struct slice message;
        at = take_bytes(at + 1, end, &message);
        if (count == WRITE_LABELS_MAX)
            return errbuf_set(err, ERR_INVALID, "a series with more than %d labels",
                              WRITE_LABELS_MAX);
        if (at == NULL || !read_label(message, &out[count]))
            return errbuf_set(err, ERR_INVALID, "a label that is no protobuf message");
        sorted = sorted && (count == 0 || compare_names(&out[count - 1], &out[count]) <= 0);
        count++;
    }
    if (!sorted)
        qsort(out, count, sizeof(*out), compare_names);
    return check_labels(out, count, out_count, err);
}
