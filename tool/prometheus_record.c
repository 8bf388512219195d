#include "tool/prometheus_record.h"

#include "base/codec.h"
#include "tool/big_endian.h"
#include "tool/prometheus_record_histogram.h"

enum record_type {
    RECORD_SERIES = 1,
    RECORD_SAMPLES = 2,
    RECORD_TOMBSTONES = 3,
    RECORD_HISTOGRAMS = 7,
    RECORD_FLOAT_HISTOGRAMS = 8,
    RECORD_CUSTOM_HISTOGRAMS = 9,
    RECORD_CUSTOM_FLOAT_HISTOGRAMS = 10,
    RECORD_SAMPLES_2 = 11, /* with start times, here and below */
    RECORD_HISTOGRAMS_2 = 12,
    RECORD_FLOAT_HISTOGRAMS_2 = 13,
};

enum start_mark {
    START_NONE = 0,
    START_SAME = 1, /* as that of the sample before */
};

void prometheus_record_reader_init(struct prometheus_record_reader *reader)
{
    labels_builder_init(&reader->labels);
    arena_init(&reader->arena, SIZE_MAX);
}

void prometheus_record_reader_release(struct prometheus_record_reader *reader)
{
    labels_builder_release(&reader->labels);
    arena_release(&reader->arena);
}

static uint64_t read_u64(struct codec_reader *reader)
{
    struct slice bytes = codec_read_bytes(reader, sizeof(uint64_t));
    return reader->failed ? 0 : big_endian_u64((const uint8_t *)bytes.ptr);
}

static enum err check(const struct codec_reader *reader, const char *what, struct errbuf *err)
{
    if (!reader->failed)
        return ERR_NONE;
    return errbuf_set(err, ERR_CORRUPT, "a record of %s breaks off", what);
}

static enum err read_series(struct prometheus_record_reader *reader, struct codec_reader *bytes,
                            const struct prometheus_record_sink *sink, struct errbuf *err)
{
    while (codec_left(bytes) > 0 && !bytes->failed) {
        uint64_t series = read_u64(bytes);
        uint64_t count = codec_read_uvarint(bytes);
        labels_builder_reset(&reader->labels);
        for (uint64_t i = 0; i < count && !bytes->failed; i++) {
            struct slice name = codec_read_slice(bytes);
            struct slice value = codec_read_slice(bytes);
            if (!bytes->failed && name.len == 0)
                return errbuf_set(err, ERR_CORRUPT, "a label has no name");
            if (!bytes->failed)
                labels_builder_set(&reader->labels, name, value);
        }
        if (!bytes->failed)
            sink->series(sink->context, series, &reader->labels);
    }
    return check(bytes, "series", err);
}

static enum err read_deletions(struct codec_reader *bytes,
                               const struct prometheus_record_sink *sink, struct errbuf *err)
{
    while (codec_left(bytes) > 0 && !bytes->failed) {
        uint64_t series = read_u64(bytes);
        int64_t min_ms = codec_read_varint(bytes);
        int64_t max_ms = codec_read_varint(bytes);
        if (!bytes->failed && min_ms <= max_ms)
            sink->deleted(sink->context, series, min_ms, max_ms);
    }
    return check(bytes, "deletions", err);
}

enum content {
    CONTENT_FLOATS,
    CONTENT_HISTOGRAMS,
    CONTENT_FLOAT_HISTOGRAMS,
};

/* The value behind what says whose it is and when. */
static enum err read_value(struct prometheus_record_reader *reader, struct codec_reader *bytes,
                           enum content content, struct prometheus_sample *sample,
                           const struct prometheus_record_sink *sink, struct errbuf *err)
{
    enum err code = ERR_NONE;
    sample->histogram = NULL;
    if (content == CONTENT_FLOATS) {
        sample->value = codec_bits_double(read_u64(bytes));
    } else {
        arena_reset(&reader->arena);
        code = prometheus_record_histogram_read(bytes, content == CONTENT_FLOAT_HISTOGRAMS,
                                                &reader->arena, &sample->histogram, err);
    }
    bool is_known = content == CONTENT_FLOATS || sample->histogram != NULL;
    if (code == ERR_NONE && !bytes->failed && is_known)
        sink->sample(sink->context, sample);
    return code;
}

/* Series and time are told by the distance to a base. */
static enum err read_samples(struct prometheus_record_reader *reader, struct codec_reader *bytes,
                             enum content content, const struct prometheus_record_sink *sink,
                             struct errbuf *err)
{
    if (codec_left(bytes) == 0)
        return ERR_NONE;
    uint64_t series = read_u64(bytes), time_ms = read_u64(bytes);
    enum err code = ERR_NONE;
    while (codec_left(bytes) > 0 && !bytes->failed && code == ERR_NONE) {
        struct prometheus_sample sample = {
            .series = series + (uint64_t)codec_read_varint(bytes),
            .time_ms = (int64_t)(time_ms + (uint64_t)codec_read_varint(bytes))};
        code = read_value(reader, bytes, content, &sample, sink, err);
    }
    return code == ERR_NONE ? check(bytes, "samples", err) : code;
}

/* The series is told by the distance to the sample before, times by that to the first sample. */
static enum err read_samples_2(struct prometheus_record_reader *reader, struct codec_reader *bytes,
                               enum content content, const struct prometheus_record_sink *sink,
                               struct errbuf *err)
{
    if (codec_left(bytes) == 0)
        return ERR_NONE;
    struct prometheus_sample sample = {.series = (uint64_t)codec_read_varint(bytes),
                                       .time_ms = codec_read_varint(bytes),
                                       .start_ms = codec_read_varint(bytes)};
    uint64_t first_ms = (uint64_t)sample.time_ms, first_start_ms = (uint64_t)sample.start_ms;
    enum err code = read_value(reader, bytes, content, &sample, sink, err);
    while (codec_left(bytes) > 0 && !bytes->failed && code == ERR_NONE) {
        sample.series += (uint64_t)codec_read_varint(bytes);
        sample.time_ms = (int64_t)(first_ms + (uint64_t)codec_read_varint(bytes));
        uint8_t mark = codec_read_u8(bytes);
        if (mark == START_NONE)
            sample.start_ms = 0;
        else if (mark != START_SAME)
            sample.start_ms = (int64_t)(first_start_ms + (uint64_t)codec_read_varint(bytes));
        code = read_value(reader, bytes, content, &sample, sink, err);
    }
    return code == ERR_NONE ? check(bytes, "samples", err) : code;
}

enum err prometheus_record_read(struct prometheus_record_reader *reader, struct slice record,
                                const struct prometheus_record_sink *sink, struct errbuf *err)
{
    struct codec_reader bytes = codec_reader(record.ptr, record.len);
    switch (codec_read_u8(&bytes)) {
    case RECORD_SERIES:
        return sink->series == NULL ? ERR_NONE : read_series(reader, &bytes, sink, err);
    case RECORD_TOMBSTONES:
        return sink->deleted == NULL ? ERR_NONE : read_deletions(&bytes, sink, err);
    case RECORD_SAMPLES:
        return read_samples(reader, &bytes, CONTENT_FLOATS, sink, err);
    case RECORD_HISTOGRAMS:
    case RECORD_CUSTOM_HISTOGRAMS:
        return read_samples(reader, &bytes, CONTENT_HISTOGRAMS, sink, err);
    case RECORD_FLOAT_HISTOGRAMS:
    case RECORD_CUSTOM_FLOAT_HISTOGRAMS:
        return read_samples(reader, &bytes, CONTENT_FLOAT_HISTOGRAMS, sink, err);
    case RECORD_SAMPLES_2:
        return read_samples_2(reader, &bytes, CONTENT_FLOATS, sink, err);
    case RECORD_HISTOGRAMS_2:
        return read_samples_2(reader, &bytes, CONTENT_HISTOGRAMS, sink, err);
    case RECORD_FLOAT_HISTOGRAMS_2:
        return read_samples_2(reader, &bytes, CONTENT_FLOAT_HISTOGRAMS, sink, err);
    default:
        return ERR_NONE;
    }
}
