#include "tool/prometheus_histogram_chunk.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "model/histogram_side.h"
#include "model/sample.h"
#include "tool/bit_stream.h"
#include "tool/start_times.h"

#define HEADER_SIZE 3
#define COUNT_MAX 65535
#define COUNT_MASK_WITH_STARTS 0x3fff
#define RESET_SHIFT 6

/* What the header says of the counter. */
enum reset_mark {
    RESET_MARK_UNKNOWN = 0,
    RESET_MARK_NO = 1,
    RESET_MARK_YES = 2,
    RESET_MARK_GAUGE = 3,
};

/* The zero threshold: 0, a power of two in a byte, or 255 and its bits. */
#define THRESHOLD_EXPONENT_MIN (-242)
#define THRESHOLD_EXPONENT_MAX 11
#define THRESHOLD_BIAS 243
#define THRESHOLD_PLAIN 255

/* Custom bounds of up to three decimals are numbers of thousandths. */
#define BOUND_SCALE 1000.0
#define BOUND_THOUSANDTHS_MAX 33554430.0

/* A number that is told by its second differences; unsigned, so that it wraps. */
struct rising {
    uint64_t value;
    uint64_t delta;
};

struct side {
    struct histogram_span *spans;
    uint32_t span_count;
    uint32_t bucket_count;
    struct rising *integers; /* differences of neighbouring buckets, which are told */
    struct xor_value *floats;
};

struct decoder {
    struct bit_reader reader;
    struct histogram_chunk_kind kind;
    enum reset_mark mark;
    struct arena *arena; /* of the columns */
    struct histogram layout;
    struct side positive;
    struct side negative;
    struct rising count, zero_count;
    struct xor_value float_count, float_zero_count, sum;
};

static double read_threshold(struct bit_reader *reader)
{
    unsigned byte = (unsigned)bit_read(reader, 8);
    if (byte == 0)
        return 0;
    if (byte == THRESHOLD_PLAIN)
        return codec_bits_double(bit_read(reader, 64));
    return ldexp(0.5, (int)byte - THRESHOLD_BIAS);
}

/* How many items follow; each takes `bits_min` bits at least. */
static uint32_t read_count(struct bit_reader *reader, unsigned bits_min)
{
    uint64_t count = bit_read_varbit_uint(reader);
    if (count > UINT32_MAX || count * bits_min > reader->bit_count - reader->at) {
        reader->failed = true;
        return 0;
    }
    return (uint32_t)count;
}

static enum err fail_memory(struct errbuf *err)
{
    return errbuf_set(err, ERR_LIMIT, "the histograms of a series need too much memory");
}

static enum err read_spans(struct decoder *decoder, struct side *side, struct errbuf *err)
{
    struct bit_reader *reader = &decoder->reader;
    side->span_count = read_count(reader, 2);
    side->spans = arena_try_alloc(decoder->arena, side->span_count * sizeof(*side->spans));
    if (side->spans == NULL)
        return fail_memory(err);
    uint64_t buckets = 0;
    for (uint32_t i = 0; i < side->span_count; i++) {
        uint64_t length = bit_read_varbit_uint(reader);
        int64_t offset = bit_read_varbit_int(reader);
        if (length > UINT32_MAX || offset < INT32_MIN || offset > INT32_MAX)
            reader->failed = true;
        side->spans[i] = (struct histogram_span){(int32_t)offset, (uint32_t)length};
        buckets += (uint32_t)length;
    }
    side->bucket_count = (uint32_t)buckets;
    /* the first sample tells each of them */
    if (buckets > reader->bit_count - reader->at)
        reader->failed = true;
    return ERR_NONE;
}

static enum err read_bounds(struct decoder *decoder, struct errbuf *err)
{
    struct bit_reader *reader = &decoder->reader;
    uint32_t count = read_count(reader, 5);
    double *bounds = arena_try_alloc(decoder->arena, count * sizeof(*bounds));
    if (bounds == NULL)
        return fail_memory(err);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t thousandths = bit_read_varbit_uint(reader);
        bounds[i] = thousandths == 0 ? codec_bits_double(bit_read(reader, 64))
                                     : (double)(thousandths - 1) / BOUND_SCALE;
    }
    decoder->layout.custom_bounds = bounds;
    decoder->layout.custom_bound_count = count;
    return ERR_NONE;
}

static enum err make_buckets(struct decoder *decoder, struct side *side, struct errbuf *err)
{
    size_t size = decoder->kind.is_float ? sizeof(*side->floats) : sizeof(*side->integers);
    void *items = arena_try_alloc(decoder->arena, size * side->bucket_count);
    if (items == NULL)
        return fail_memory(err);
    memset(items, 0, size * side->bucket_count);
    side->integers = decoder->kind.is_float ? NULL : items;
    side->floats = decoder->kind.is_float ? items : NULL;
    for (uint32_t i = 0; side->floats != NULL && i < side->bucket_count; i++)
        xor_value_init(&side->floats[i]);
    return ERR_NONE;
}

static enum err read_layout(struct decoder *decoder, struct errbuf *err)
{
    struct bit_reader *reader = &decoder->reader;
    struct histogram *layout = &decoder->layout;
    *layout = (struct histogram){.is_float = decoder->kind.is_float};
    layout->zero_threshold = read_threshold(reader);
    int64_t schema = bit_read_varbit_int(reader);
    if (!reader->failed && schema != HISTOGRAM_SCHEMA_CUSTOM &&
        (schema < HISTOGRAM_SCHEMA_MIN || schema > HISTOGRAM_SCHEMA_MAX))
        return errbuf_set(err, ERR_CORRUPT, "a histogram has the unknown schema %lld",
                          (long long)schema);
    layout->schema = (int32_t)schema;
    enum err code = read_spans(decoder, &decoder->positive, err);
    if (code == ERR_NONE)
        code = read_spans(decoder, &decoder->negative, err);
    if (code == ERR_NONE && layout->schema == HISTOGRAM_SCHEMA_CUSTOM)
        code = read_bounds(decoder, err);
    if (code == ERR_NONE && reader->failed)
        code = errbuf_set(err, ERR_CORRUPT, "the layout of the histograms is damaged");
    if (code != ERR_NONE)
        return code;
    code = make_buckets(decoder, &decoder->positive, err);
    return code == ERR_NONE ? make_buckets(decoder, &decoder->negative, err) : code;
}

static void read_first_side(struct decoder *decoder, struct side *side)
{
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        if (side->floats != NULL)
            side->floats[i].value = codec_bits_double(bit_read(&decoder->reader, 64));
        else
            side->integers[i].value = (uint64_t)bit_read_varbit_int(&decoder->reader);
    }
}

static void read_first(struct decoder *decoder, struct rising *time)
{
    struct bit_reader *reader = &decoder->reader;
    time->value = (uint64_t)bit_read_varbit_int(reader);
    if (decoder->kind.is_float) {
        decoder->float_count.value = codec_bits_double(bit_read(reader, 64));
        decoder->float_zero_count.value = codec_bits_double(bit_read(reader, 64));
    } else {
        decoder->count.value = bit_read_varbit_uint(reader);
        decoder->zero_count.value = bit_read_varbit_uint(reader);
    }
    decoder->sum.value = codec_bits_double(bit_read(reader, 64));
    read_first_side(decoder, &decoder->positive);
    read_first_side(decoder, &decoder->negative);
}

static void rising_read(struct rising *rising, struct bit_reader *reader)
{
    rising->delta += (uint64_t)bit_read_varbit_int(reader);
    rising->value += rising->delta;
}

static void read_next_side(struct decoder *decoder, struct side *side)
{
    for (uint32_t i = 0; i < side->bucket_count && !decoder->reader.failed; i++) {
        if (side->floats != NULL)
            xor_value_read(&side->floats[i], &decoder->reader);
        else
            rising_read(&side->integers[i], &decoder->reader);
    }
}

static void read_next(struct decoder *decoder, struct rising *time)
{
    struct bit_reader *reader = &decoder->reader;
    rising_read(time, reader);
    if (decoder->kind.is_float) {
        xor_value_read(&decoder->float_count, reader);
        xor_value_read(&decoder->float_zero_count, reader);
    } else {
        rising_read(&decoder->count, reader);
        rising_read(&decoder->zero_count, reader);
    }
    xor_value_read(&decoder->sum, reader);
    if (sample_is_stale(decoder->sum.value))
        return;
    read_next_side(decoder, &decoder->positive);
    read_next_side(decoder, &decoder->negative);
}

static enum err side_counts(struct decoder *decoder, const struct side *side, double **out,
                            struct errbuf *err)
{
    double *counts = arena_try_alloc(decoder->arena, side->bucket_count * sizeof(*counts));
    if (counts == NULL)
        return fail_memory(err);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        if (side->floats != NULL) {
            counts[i] = side->floats[i].value;
        } else {
            sum += side->integers[i].value;
            counts[i] = (double)(int64_t)sum;
        }
    }
    *out = counts;
    return ERR_NONE;
}

static enum histogram_reset_hint hint_of(enum reset_mark mark, bool is_first)
{
    if (mark == RESET_MARK_GAUGE)
        return HISTOGRAM_RESET_GAUGE;
    if (!is_first || mark == RESET_MARK_NO)
        return HISTOGRAM_RESET_NO;
    return mark == RESET_MARK_YES ? HISTOGRAM_RESET_YES : HISTOGRAM_RESET_UNKNOWN;
}

/* The sample that was read last, as a histogram of its own. */
static enum err make_histogram(struct decoder *decoder, bool is_first, const struct histogram **out,
                               struct errbuf *err)
{
    struct histogram *histogram = arena_try_alloc(decoder->arena, sizeof(*histogram));
    if (histogram == NULL)
        return fail_memory(err);
    *out = histogram;
    if (sample_is_stale(decoder->sum.value)) {
        *histogram =
            (struct histogram){.is_float = decoder->kind.is_float, .sum = decoder->sum.value};
        return ERR_NONE;
    }
    bool is_float = decoder->kind.is_float;
    *histogram = decoder->layout;
    histogram->reset_hint = hint_of(decoder->mark, is_first);
    histogram->count = is_float ? decoder->float_count.value : (double)decoder->count.value;
    histogram->zero_count =
        is_float ? decoder->float_zero_count.value : (double)decoder->zero_count.value;
    histogram->sum = decoder->sum.value;
    histogram->positive_spans = decoder->positive.spans;
    histogram->positive_span_count = decoder->positive.span_count;
    histogram->positive_bucket_count = decoder->positive.bucket_count;
    histogram->negative_spans = decoder->negative.spans;
    histogram->negative_span_count = decoder->negative.span_count;
    histogram->negative_bucket_count = decoder->negative.bucket_count;
    enum err code = side_counts(decoder, &decoder->positive, &histogram->positive_buckets, err);
    if (code == ERR_NONE)
        code = side_counts(decoder, &decoder->negative, &histogram->negative_buckets, err);
    if (code == ERR_NONE && histogram_validate(histogram, err) != ERR_NONE) {
        errbuf_prefix(err, "a histogram is not consistent: ");
        return err == NULL ? ERR_CORRUPT : (err->code = ERR_CORRUPT);
    }
    return code;
}

static size_t read_header(struct decoder *decoder, const uint8_t *header,
                          struct start_times *starts)
{
    size_t count = (size_t)header[0] << 8 | header[1];
    decoder->mark =
        (enum reset_mark)((decoder->kind.has_starts ? header[0] : header[2]) >> RESET_SHIFT);
    start_times_init(starts, decoder->kind.has_starts ? header[2] : 0);
    return decoder->kind.has_starts ? count & COUNT_MASK_WITH_STARTS : count;
}

static enum err read_sample(struct decoder *decoder, size_t i, struct rising *time,
                            struct start_times *starts, struct chunk_samples *out,
                            struct errbuf *err)
{
    uint64_t before_ms = time->value;
    if (i == 0)
        read_first(decoder, time);
    else
        read_next(decoder, time);
    start_times_read(starts, &decoder->reader, i, time->value, before_ms);
    if (decoder->reader.failed)
        return errbuf_set(err, ERR_CORRUPT, "the chunk of histograms breaks off at its sample %zu",
                          i);
    bool wanted = false;
    enum err code = chunk_samples_check(out, (int64_t)time->value, &wanted, err);
    if (code != ERR_NONE || !wanted)
        return code;
    const struct histogram *histogram = NULL;
    code = make_histogram(decoder, i == 0, &histogram, err);
    if (code == ERR_NONE)
        chunk_samples_push(out, (int64_t)time->value, 0, histogram, (int64_t)starts->start_ms);
    return code;
}

enum err prometheus_histogram_chunk_read(struct slice bytes, struct histogram_chunk_kind kind,
                                         struct chunk_samples *out, struct errbuf *err)
{
    struct decoder decoder = {.kind = kind, .arena = &out->out->histogram_arena};
    struct rising time = {0};
    struct start_times starts;
    if (bytes.len < HEADER_SIZE)
        return errbuf_set(err, ERR_CORRUPT, "the chunk of histograms is too short");
    size_t count = read_header(&decoder, (const uint8_t *)bytes.ptr, &starts);
    bit_reader_init(&decoder.reader, bytes.ptr + HEADER_SIZE, bytes.len - HEADER_SIZE);
    xor_value_init(&decoder.float_count);
    xor_value_init(&decoder.float_zero_count);
    xor_value_init(&decoder.sum);
    enum err code = count == 0 ? ERR_NONE : read_layout(&decoder, err);
    for (size_t i = 0; i < count && code == ERR_NONE; i++)
        code = read_sample(&decoder, i, &time, &starts, out, err);
    return code;
}

/* --- writing --- */

bool prometheus_histogram_chunk_continues(const struct histogram *before,
                                          const struct histogram *next)
{
    if (before->is_float != next->is_float || sample_is_stale(before->sum))
        return false;
    if (sample_is_stale(next->sum))
        return true;
    bool was_gauge = before->reset_hint == HISTOGRAM_RESET_GAUGE;
    bool is_gauge = next->reset_hint == HISTOGRAM_RESET_GAUGE;
    if (was_gauge != is_gauge || (!is_gauge && next->reset_hint != HISTOGRAM_RESET_NO))
        return false;
    struct histogram_side positive[] = {histogram_positive_side(before),
                                        histogram_positive_side(next)};
    struct histogram_side negative[] = {histogram_negative_side(before),
                                        histogram_negative_side(next)};
    return before->schema == next->schema && before->zero_threshold == next->zero_threshold &&
           histogram_same_layout(&positive[0], &positive[1]) &&
           histogram_same_layout(&negative[0], &negative[1]) && histogram_same_bounds(before, next);
}

static void write_threshold(struct bit_writer *writer, double threshold)
{
    int exponent;
    if (threshold == 0) {
        bit_write(writer, 0, 8);
    } else if (frexp(threshold, &exponent) != 0.5 || exponent < THRESHOLD_EXPONENT_MIN ||
               exponent > THRESHOLD_EXPONENT_MAX) {
        bit_write(writer, THRESHOLD_PLAIN, 8);
        bit_write(writer, codec_double_bits(threshold), 64);
    } else {
        bit_write(writer, (uint64_t)(exponent + THRESHOLD_BIAS), 8);
    }
}

static void write_spans(struct bit_writer *writer, const struct histogram_span *spans,
                        uint32_t count)
{
    bit_write_varbit_uint(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        bit_write_varbit_uint(writer, spans[i].length);
        bit_write_varbit_int(writer, spans[i].offset);
    }
}

static void write_bound(struct bit_writer *writer, double bound)
{
    double thousandths = bound * BOUND_SCALE;
    if (thousandths >= 0 && thousandths <= BOUND_THOUSANDTHS_MAX &&
        round(thousandths) / BOUND_SCALE == bound) {
        bit_write_varbit_uint(writer, (uint64_t)round(thousandths) + 1);
        return;
    }
    bit_write(writer, 0, 1);
    bit_write(writer, codec_double_bits(bound), 64);
}

static void write_layout(struct bit_writer *writer, const struct histogram *histogram)
{
    write_threshold(writer, histogram->zero_threshold);
    bit_write_varbit_int(writer, histogram->schema);
    write_spans(writer, histogram->positive_spans, histogram->positive_span_count);
    write_spans(writer, histogram->negative_spans, histogram->negative_span_count);
    if (histogram->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return;
    bit_write_varbit_uint(writer, histogram->custom_bound_count);
    for (uint32_t i = 0; i < histogram->custom_bound_count; i++)
        write_bound(writer, histogram->custom_bounds[i]);
}

struct encoder {
    struct bit_writer writer;
    bool is_float;
    uint32_t bucket_count; /* of both sides */
    struct rising time, count, zero_count;
    struct xor_value float_count, float_zero_count, sum;
    struct rising *integers;
    struct xor_value *floats;
};

/* The first value is told as it is, the others by second differences. */
static void rising_write(struct rising *rising, uint64_t now, struct bit_writer *writer)
{
    uint64_t delta = now - rising->value;
    bit_write_varbit_int(writer, (int64_t)(delta - rising->delta));
    rising->value = now;
    rising->delta = delta;
}

static void write_float(struct xor_value *value, double now, bool is_first,
                        struct bit_writer *writer)
{
    if (!is_first) {
        xor_value_write(value, now, writer);
        return;
    }
    value->value = now;
    bit_write(writer, codec_double_bits(now), 64);
}

static void write_buckets(struct encoder *encoder, const double *counts, uint32_t count,
                          uint32_t first, bool is_first)
{
    uint64_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (encoder->is_float) {
            write_float(&encoder->floats[first + i], counts[i], is_first, &encoder->writer);
            continue;
        }
        uint64_t now = (uint64_t)(int64_t)counts[i];
        struct rising *integer = &encoder->integers[first + i];
        rising_write(integer, now - before, &encoder->writer);
        if (is_first)
            integer->delta = 0;
        before = now;
    }
}

static void write_counts(struct encoder *encoder, const struct histogram *histogram, bool is_first)
{
    struct bit_writer *writer = &encoder->writer;
    if (encoder->is_float) {
        write_float(&encoder->float_count, histogram->count, is_first, writer);
        write_float(&encoder->float_zero_count, histogram->zero_count, is_first, writer);
        return;
    }
    uint64_t count = (uint64_t)histogram->count, zero_count = (uint64_t)histogram->zero_count;
    if (is_first) {
        encoder->count.value = count;
        encoder->zero_count.value = zero_count;
        bit_write_varbit_uint(writer, count);
        bit_write_varbit_uint(writer, zero_count);
        return;
    }
    rising_write(&encoder->count, count, writer);
    rising_write(&encoder->zero_count, zero_count, writer);
}

static void write_sample(struct encoder *encoder, int64_t time_ms,
                         const struct histogram *histogram, bool is_first)
{
    struct bit_writer *writer = &encoder->writer;
    rising_write(&encoder->time, (uint64_t)time_ms, writer);
    if (is_first)
        encoder->time.delta = 0;
    write_counts(encoder, histogram, is_first);
    write_float(&encoder->sum, histogram->sum, is_first, writer);
    if (!is_first && sample_is_stale(histogram->sum))
        return;
    write_buckets(encoder, histogram->positive_buckets, histogram->positive_bucket_count, 0,
                  is_first);
    write_buckets(encoder, histogram->negative_buckets, histogram->negative_bucket_count,
                  histogram->positive_bucket_count, is_first);
}

static enum reset_mark mark_of(const struct histogram *histogram)
{
    static const enum reset_mark marks[] = {
        [HISTOGRAM_RESET_UNKNOWN] = RESET_MARK_UNKNOWN,
        [HISTOGRAM_RESET_YES] = RESET_MARK_YES,
        [HISTOGRAM_RESET_NO] = RESET_MARK_NO,
        [HISTOGRAM_RESET_GAUGE] = RESET_MARK_GAUGE,
    };
    return marks[histogram->reset_hint];
}

void prometheus_histogram_chunk_write(const int64_t *times_ms,
                                      const struct histogram *const *histograms, size_t count,
                                      struct buf *out)
{
    ASSERT(count > 0 && count <= COUNT_MAX);
    const struct histogram *first = histograms[0];
    buf_append_byte(out, (char)(count >> 8));
    buf_append_byte(out, (char)count);
    buf_append_byte(out, (char)(mark_of(first) << RESET_SHIFT));
    struct encoder encoder = {.is_float = first->is_float};
    encoder.bucket_count = first->positive_bucket_count + first->negative_bucket_count;
    encoder.integers = mem_zalloc_array(encoder.bucket_count, sizeof(*encoder.integers));
    encoder.floats = mem_zalloc_array(encoder.bucket_count, sizeof(*encoder.floats));
    for (uint32_t i = 0; i < encoder.bucket_count; i++)
        xor_value_init(&encoder.floats[i]);
    xor_value_init(&encoder.float_count);
    xor_value_init(&encoder.float_zero_count);
    xor_value_init(&encoder.sum);
    bit_writer_init(&encoder.writer, out);
    write_layout(&encoder.writer, first);
    for (size_t i = 0; i < count; i++)
        write_sample(&encoder, times_ms[i], histograms[i], i == 0);
    mem_free(encoder.integers);
    mem_free(encoder.floats);
}
