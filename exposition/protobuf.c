/*
 * The protobuf format: delimited io.prometheus.client.MetricFamily messages. What a family holds is
 * given as the text formats would: a histogram is its _count, _sum and _bucket series, or one
 * native histogram, or both. Series are written as text, so that those who know them by it need not
 * know the format.
 */
#include "exposition/text.h"

#include <math.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/float_text.h"
#include "base/protobuf_wire.h"
#include "base/utf8.h"
#include "exposition/protobuf_histogram.h"
#include "model/labels.h"

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define ARENA_BYTES_MAX ((size_t)64 << 20)
/* Of one sample; native histograms have several. */
#define EXEMPLARS_MAX 256

enum {
    TYPE_COUNTER = 0,
    TYPE_GAUGE = 1,
    TYPE_SUMMARY = 2,
    TYPE_UNTYPED = 3,
    TYPE_HISTOGRAM = 4,
    TYPE_GAUGE_HISTOGRAM = 5,
};

struct family_parser {
    const struct exposition_sink *sink;
    struct errbuf *err;
    /* of the family */
    struct slice name;
    uint64_t type;
    bool plain_name;
    /* of the metric */
    struct buf labels;  /* a="b",c="d" */
    struct slice value; /* the message of its type */
    int64_t timestamp_ms;
    struct protobuf_histogram histogram;
    /* of the series */
    struct buf text;
    struct exposition_series series;
    struct arena arena;
};

static enum err broken(struct family_parser *parser, const char *what)
{
    return errbuf_set(parser->err, ERR_INVALID, "a %s that is no protobuf message", what);
}

static void put_quoted(struct buf *out, struct slice text)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (byte == '\n') {
            buf_append_str(out, "\\n");
            continue;
        }
        if (byte == '"' || byte == '\\')
            buf_append_byte(out, '\\');
        buf_append_byte(out, byte);
    }
    buf_append_byte(out, '"');
}

static enum err read_label(struct family_parser *parser, struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    struct slice name = SLICE_EMPTY;
    struct slice value = SLICE_EMPTY;
    while (protobuf_next(&reader, &field)) {
        if (field.type == PROTOBUF_BYTES && field.number == 1)
            name = field.bytes;
        else if (field.type == PROTOBUF_BYTES && field.number == 2)
            value = field.bytes;
    }
    if (reader.failed)
        return broken(parser, "label");
    if (!labels_name_valid_utf8(name))
        return errbuf_set(parser->err, ERR_INVALID, "invalid label name: %.*s", SLICE_ARG(name));
    if (!utf8_valid(value))
        return errbuf_set(parser->err, ERR_INVALID, "invalid label value: %.*s", SLICE_ARG(value));
    struct buf *out = &parser->labels;
    if (out->len > 0)
        buf_append_byte(out, ',');
    if (labels_name_valid_legacy(name))
        buf_append_slice(out, name);
    else
        put_quoted(out, name);
    buf_append_byte(out, '=');
    put_quoted(out, value);
    return ERR_NONE;
}

/* The field of a metric that holds what its type says. */
static uint32_t value_field(uint64_t type)
{
    static const uint32_t fields[] = {
        [TYPE_COUNTER] = 3, [TYPE_GAUGE] = 2,     [TYPE_SUMMARY] = 4,
        [TYPE_UNTYPED] = 5, [TYPE_HISTOGRAM] = 7, [TYPE_GAUGE_HISTOGRAM] = 7};
    return fields[type];
}

static enum err read_metric(struct family_parser *parser, struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    buf_reset(&parser->labels);
    parser->value = SLICE_EMPTY;
    parser->timestamp_ms = 0;
    uint32_t wanted = value_field(parser->type);
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_BYTES) {
            enum err code = read_label(parser, field.bytes);
            if (code != ERR_NONE)
                return code;
        } else if (field.number == wanted && field.type == PROTOBUF_BYTES) {
            parser->value = field.bytes;
        } else if (field.number == 6 && field.type == PROTOBUF_VARINT) {
            parser->timestamp_ms = (int64_t)field.value;
        }
    }
    return reader.failed ? broken(parser, "metric") : ERR_NONE;
}

/* name_suffix{labels,magic="value"} */
static void put_series(struct family_parser *parser, const char *suffix, const char *magic,
                       struct slice value)
{
    struct buf *out = &parser->text;
    buf_reset(out);
    if (parser->plain_name) {
        buf_append_slice(out, parser->name);
        buf_append_str(out, suffix);
        parser->series.text = buf_slice(out);
        if (parser->labels.len == 0 && magic == NULL)
            return;
        buf_append_byte(out, '{');
    } else {
        struct buf name CLEANUP(buf_release);
        buf_init(&name, TEXT_BYTES_MAX);
        buf_append_slice(&name, parser->name);
        buf_append_str(&name, suffix);
        buf_append_byte(out, '{');
        put_quoted(out, buf_slice(&name));
        if (parser->labels.len > 0 || magic != NULL)
            buf_append_byte(out, ',');
    }
    buf_append_slice(out, buf_slice(&parser->labels));
    if (magic != NULL) {
        buf_printf(out, "%s%s=\"", parser->labels.len > 0 ? "," : "", magic);
        buf_append_slice(out, value);
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, '}');
    parser->series.text = buf_slice(out);
}

static bool give_sample(struct family_parser *parser, double value)
{
    return parser->sink->sample(parser->sink->context, &parser->series, value,
                                parser->timestamp_ms != 0,
                                parser->timestamp_ms) == EXPOSITION_GO_ON;
}

static bool give_suffixed(struct family_parser *parser, const char *suffix, double value)
{
    put_series(parser, suffix, NULL, SLICE_EMPTY);
    return give_sample(parser, value);
}

static bool give_bounded(struct family_parser *parser, const char *suffix, const char *magic,
                         double bound, double value)
{
    char text[FLOAT_TEXT_SHORT_SIZE];
    size_t len = float_text_openmetrics(bound, text);
    put_series(parser, suffix, magic, slice_from(text, len));
    return give_sample(parser, value);
}

/* One exemplar; false where it is broken or has too many labels, which costs only the exemplar. */
static bool read_exemplar(struct slice message, struct arena *arena, struct exemplar *out)
{
    struct exemplar_label *labels =
        arena_try_alloc(arena, EXEMPLAR_LABEL_RUNES_MAX * sizeof(*labels));
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    *out = (struct exemplar){.labels = labels};
    while (labels != NULL && protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_BYTES) {
            if (out->label_count == EXEMPLAR_LABEL_RUNES_MAX)
                return false;
            struct protobuf_reader pair = protobuf_reader(field.bytes);
            struct exemplar_label label = {SLICE_EMPTY, SLICE_EMPTY};
            struct protobuf_field part;
            while (protobuf_next(&pair, &part)) {
                if (part.type == PROTOBUF_BYTES && part.number <= 2)
                    *(part.number == 1 ? &label.name : &label.value) = part.bytes;
            }
            labels[out->label_count++] = label;
        } else if (field.number == 2 && field.type == PROTOBUF_FIXED64) {
            out->value = protobuf_field_double(&field);
        } else if (field.number == 3 && field.type == PROTOBUF_BYTES) {
            out->has_timestamp = true;
            out->timestamp_ms = protobuf_timestamp_ms(field.bytes);
        }
    }
    return labels != NULL && !reader.failed;
}

static bool give_exemplar(struct family_parser *parser, struct slice message)
{
    if (message.ptr == NULL || parser->sink->exemplar == NULL)
        return true;
    struct exemplar exemplar;
    arena_reset(&parser->arena);
    return !read_exemplar(message, &parser->arena, &exemplar) ||
           parser->sink->exemplar(parser->sink->context, &exemplar) == EXPOSITION_GO_ON;
}

static int exemplars_compare(const void *a, const void *b)
{
    const struct exemplar *x = a;
    const struct exemplar *y = b;
    if (x->timestamp_ms != y->timestamp_ms)
        return x->timestamp_ms < y->timestamp_ms ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

/* Those of a native histogram, by time; where it has none of its own, those of its classic buckets.
 * An exemplar without a time is nothing to a native histogram. */
static bool give_exemplars(struct family_parser *parser)
{
    const struct protobuf_histogram *histogram = &parser->histogram;
    struct exemplar exemplars[EXEMPLARS_MAX];
    size_t count = 0;
    bool own = histogram->exemplars.len > 0;
    size_t message_count = own ? histogram->exemplars.len : histogram->buckets.len;
    if (parser->sink->exemplar == NULL)
        return true;
    for (size_t i = 0; i < message_count && count < EXEMPLARS_MAX; i++) {
        struct slice message =
            own ? histogram->exemplars.items[i] : histogram->buckets.items[i].exemplar;
        if (message.ptr != NULL && read_exemplar(message, &parser->arena, &exemplars[count]))
            count += exemplars[count].has_timestamp;
    }
    qsort(exemplars, count, sizeof(*exemplars), exemplars_compare);
    for (size_t i = 0; i < count; i++) {
        if (parser->sink->exemplar(parser->sink->context, &exemplars[i]) != EXPOSITION_GO_ON)
            return false;
    }
    return true;
}

/* A counter, gauge or untyped metric. */
static enum err give_plain(struct family_parser *parser)
{
    struct protobuf_reader reader = protobuf_reader(parser->value);
    struct protobuf_field field;
    double value = 0;
    struct slice exemplar = {0};
    bool counter = parser->type == TYPE_COUNTER;
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_FIXED64)
            value = protobuf_field_double(&field);
        else if (counter && field.number == 2 && field.type == PROTOBUF_BYTES)
            exemplar = field.bytes;
        else if (counter && field.number == 3 && field.type == PROTOBUF_BYTES)
            parser->series.start_ms = protobuf_timestamp_ms(field.bytes);
    }
    if (reader.failed)
        return broken(parser, "value");
    bool go_on = give_suffixed(parser, "", value) && give_exemplar(parser, exemplar);
    return go_on ? ERR_NONE : ERR_CANCELED;
}

static bool read_quantile(struct slice message, double *out_quantile, double *out_value)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    *out_quantile = *out_value = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.type == PROTOBUF_FIXED64 && field.number <= 2)
            *(field.number == 1 ? out_quantile : out_value) = protobuf_field_double(&field);
    }
    return !reader.failed;
}

static enum err give_summary(struct family_parser *parser)
{
    struct protobuf_reader reader = protobuf_reader(parser->value);
    struct protobuf_field field;
    double count = 0;
    double sum = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_VARINT)
            count = (double)field.value;
        else if (field.number == 2 && field.type == PROTOBUF_FIXED64)
            sum = protobuf_field_double(&field);
        else if (field.number == 4 && field.type == PROTOBUF_BYTES)
            parser->series.start_ms = protobuf_timestamp_ms(field.bytes);
    }
    if (reader.failed)
        return broken(parser, "summary");
    if (!give_suffixed(parser, "_count", count) || !give_suffixed(parser, "_sum", sum))
        return ERR_CANCELED;
    reader = protobuf_reader(parser->value);
    while (protobuf_next(&reader, &field)) {
        double quantile;
        double value;
        if (field.number != 3 || field.type != PROTOBUF_BYTES)
            continue;
        if (!read_quantile(field.bytes, &quantile, &value))
            return broken(parser, "quantile");
        if (!give_bounded(parser, "", "quantile", quantile, value))
            return ERR_CANCELED;
    }
    return ERR_NONE;
}

/* _count, _sum and _bucket; the last bucket is made where there is none. */
static bool give_classic(struct family_parser *parser)
{
    const struct protobuf_histogram *histogram = &parser->histogram;
    double count =
        histogram->is_float && histogram->count == 0 ? histogram->integer_count : histogram->count;
    if (!give_suffixed(parser, "_count", count) || !give_suffixed(parser, "_sum", histogram->sum))
        return false;
    for (size_t i = 0; i < histogram->buckets.len; i++) {
        const struct protobuf_bucket *bucket = &histogram->buckets.items[i];
        if (!give_bounded(parser, "_bucket", "le", bucket->upper_bound, bucket->cumulative_count) ||
            !give_exemplar(parser, bucket->exemplar))
            return false;
        if (isinf(bucket->upper_bound) && bucket->upper_bound > 0)
            return true;
    }
    return give_bounded(parser, "_bucket", "le", INFINITY, count);
}

static enum err give_native(struct family_parser *parser)
{
    struct histogram *native;
    arena_reset(&parser->arena);
    enum err code = protobuf_histogram_native(&parser->histogram, parser->name,
                                              parser->type == TYPE_GAUGE_HISTOGRAM, &parser->arena,
                                              &native, parser->err);
    if (code != ERR_NONE)
        return code;
    put_series(parser, "", NULL, SLICE_EMPTY);
    if (parser->sink->histogram(parser->sink->context, &parser->series, native,
                                parser->timestamp_ms != 0,
                                parser->timestamp_ms) != EXPOSITION_GO_ON)
        return ERR_CANCELED;
    return give_exemplars(parser) ? ERR_NONE : ERR_CANCELED;
}

static enum err give_histogram(struct family_parser *parser)
{
    struct protobuf_histogram *histogram = &parser->histogram;
    enum err code = protobuf_histogram_read(histogram, parser->value, parser->err);
    if (code != ERR_NONE)
        return code;
    parser->series.start_ms = histogram->start_ms;
    if (parser->sink->histogram != NULL && protobuf_histogram_is_native(histogram)) {
        code = give_native(parser);
        if (code != ERR_NONE || !parser->sink->classic_histograms_too ||
            histogram->buckets.len == 0)
            return code;
    }
    return give_classic(parser) ? ERR_NONE : ERR_CANCELED;
}

static enum err give_metric(struct family_parser *parser, struct slice message)
{
    enum err code = read_metric(parser, message);
    if (code != ERR_NONE)
        return code;
    parser->series.start_ms = 0;
    switch (parser->type) {
    case TYPE_SUMMARY:
        return give_summary(parser);
    case TYPE_HISTOGRAM:
    case TYPE_GAUGE_HISTOGRAM:
        return give_histogram(parser);
    default:
        return give_plain(parser);
    }
}

static enum err give_metadata(struct family_parser *parser, struct slice help, struct slice unit)
{
    static const enum metric_type types[] = {
        [TYPE_COUNTER] = METRIC_COUNTER,     [TYPE_GAUGE] = METRIC_GAUGE,
        [TYPE_SUMMARY] = METRIC_SUMMARY,     [TYPE_UNTYPED] = METRIC_UNKNOWN,
        [TYPE_HISTOGRAM] = METRIC_HISTOGRAM, [TYPE_GAUGE_HISTOGRAM] = METRIC_GAUGE_HISTOGRAM,
    };
    const struct exposition_sink *sink = parser->sink;
    if (!labels_name_valid_utf8(parser->name))
        return errbuf_set(parser->err, ERR_INVALID, "invalid metric name: %.*s",
                          SLICE_ARG(parser->name));
    if (!utf8_valid(help))
        return errbuf_set(parser->err, ERR_INVALID, "invalid help for metric \"%.*s\": %.*s",
                          SLICE_ARG(parser->name), SLICE_ARG(help));
    if (parser->type >= ARRAY_SIZE(types))
        return errbuf_set(parser->err, ERR_INVALID, "unknown metric type for metric \"%.*s\": %llu",
                          SLICE_ARG(parser->name), (unsigned long long)parser->type);
    parser->plain_name = labels_metric_name_valid_legacy(parser->name);
    parser->series =
        (struct exposition_series){.type = types[parser->type], .unit = unit, .openmetrics = true};
    enum exposition_answer answer = EXPOSITION_GO_ON;
    if (sink->help != NULL)
        answer = sink->help(sink->context, parser->name, help);
    if (answer == EXPOSITION_GO_ON && sink->unit != NULL && unit.len > 0)
        answer = sink->unit(sink->context, parser->name, unit);
    if (answer == EXPOSITION_GO_ON && sink->type != NULL)
        answer = sink->type(sink->context, parser->name, types[parser->type]);
    return answer == EXPOSITION_GO_ON ? ERR_NONE : ERR_CANCELED;
}

static enum err give_family(struct family_parser *parser, struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    struct slice help = SLICE_EMPTY;
    struct slice unit = SLICE_EMPTY;
    bool any = false;
    parser->name = SLICE_EMPTY;
    parser->type = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.type == PROTOBUF_VARINT && field.number == 3)
            parser->type = field.value;
        if (field.type != PROTOBUF_BYTES)
            continue;
        if (field.number == 1)
            parser->name = field.bytes;
        else if (field.number == 2)
            help = field.bytes;
        else if (field.number == 5)
            unit = field.bytes;
        any = any || field.number == 4;
    }
    if (reader.failed)
        return broken(parser, "metric family");
    if (!any)
        return ERR_NONE;
    enum err code = give_metadata(parser, help, unit);
    reader = protobuf_reader(message);
    while (code == ERR_NONE && protobuf_next(&reader, &field)) {
        if (field.number == 4 && field.type == PROTOBUF_BYTES)
            code = give_metric(parser, field.bytes);
    }
    return code;
}

enum err protobuf_parse(struct slice body, const struct exposition_sink *sink, struct errbuf *err)
{
    struct family_parser parser = {.sink = sink, .err = err};
    buf_init(&parser.labels, TEXT_BYTES_MAX);
    buf_init(&parser.text, TEXT_BYTES_MAX);
    arena_init(&parser.arena, ARENA_BYTES_MAX);
    struct codec_reader reader = codec_reader(body.ptr, body.len);
    enum err code = ERR_NONE;
    while (code == ERR_NONE && codec_left(&reader) > 0) {
        struct slice message = codec_read_slice(&reader);
        code = reader.failed ? broken(&parser, "body") : give_family(&parser, message);
    }
    buf_release(&parser.labels);
    buf_release(&parser.text);
    arena_release(&parser.arena);
    protobuf_histogram_release(&parser.histogram);
    return code;
}
