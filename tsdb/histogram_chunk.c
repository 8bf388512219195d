/*
 * A run is a matrix: a row a sample, a column a bucket; columns hardly change from sample to
 * sample, so they are what is coded. In integer histograms the count is the sum of the buckets,
 * which is then all that its column says.
 */
#include "tsdb/histogram_chunk.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/integer_column.h"
#include "tsdb/value_chunk.h"

#include <assert.h>
#include <string.h>

static_assert(HISTOGRAM_CHUNK_COUNT_MAX <= VALUE_CHUNK_COUNT_MAX, "a bucket is one column");

#define FLAG_FLOAT 1u
#define FLAG_COUNT_OF_BUCKETS 2u
#define FLAGS_ALL 3u

/* A sample without buckets takes this many doubles of memory. */
#define SAMPLE_CELLS 20

/* Whole numbers below this add up without rounding. */
#define WHOLE_MAX 9007199254740992.0

/* What the samples of a run share. */
struct layout {
    unsigned flags;
    int32_t schema;
    double zero_threshold;
    uint32_t positive_span_count;
    uint32_t negative_span_count;
    uint32_t positive_bucket_count;
    uint32_t negative_bucket_count;
    uint32_t custom_bound_count;
    struct histogram_span *positive_spans;
    struct histogram_span *negative_spans;
    double *custom_bounds;
};

static bool same_spans(const struct histogram_span *a, uint32_t a_count,
                       const struct histogram_span *b, uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (a[i].offset != b[i].offset || a[i].length != b[i].length)
            return false;
    }
    return true;
}

static bool same_bits(const double *a, const double *b, size_t count)
{
    return count == 0 || memcmp(a, b, count * sizeof(*a)) == 0;
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    return a->is_float == b->is_float && a->schema == b->schema &&
           same_bits(&a->zero_threshold, &b->zero_threshold, 1) &&
           a->custom_bound_count == b->custom_bound_count &&
           same_bits(a->custom_bounds, b->custom_bounds, a->custom_bound_count) &&
           same_spans(a->positive_spans, a->positive_span_count, b->positive_spans,
                      b->positive_span_count) &&
           same_spans(a->negative_spans, a->negative_span_count, b->negative_spans,
                      b->negative_span_count);
}

static size_t sample_cells(size_t positive_buckets, size_t negative_buckets)
{
    return SAMPLE_CELLS + positive_buckets + negative_buckets;
}

static size_t layout_cells(size_t positive_spans, size_t negative_spans, size_t bounds)
{
    return positive_spans + negative_spans + bounds;
}

size_t histogram_chunk_fit(const struct histogram *const *histograms, size_t count)
{
    size_t cells = 0;
    size_t fits = 0;
    for (; fits < count && fits < HISTOGRAM_CHUNK_COUNT_MAX; fits++) {
        const struct histogram *histogram = histograms[fits];
        cells += sample_cells(histogram->positive_bucket_count, histogram->negative_bucket_count) +
                 layout_cells(histogram->positive_span_count, histogram->negative_span_count,
                              histogram->custom_bound_count);
        if (fits > 0 && cells > HISTOGRAM_CHUNK_CELLS_MAX)
            break;
    }
    return fits;
}

static size_t run_length(const struct histogram *const *histograms, size_t count)
{
    size_t length = 1;
    while (length < count && same_layout(histograms[0], histograms[length]))
        length++;
    return length;
}

static double bucket_total(const struct histogram *histogram)
{
    double total = histogram->zero_count;
    for (uint32_t i = 0; i < histogram->positive_bucket_count; i++)
        total += histogram->positive_buckets[i];
    for (uint32_t i = 0; i < histogram->negative_bucket_count; i++)
        total += histogram->negative_buckets[i];
    return total;
}

static bool is_whole(double value)
{
    return value >= 0 && value < WHOLE_MAX && value == (double)(int64_t)value;
}

static bool all_whole(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_whole(values[i]))
            return false;
    }
    return true;
}

/* Then count - total + total is the count to the bit, unless it is -0. */
static bool counts_are_exact(const struct histogram *const *histograms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct histogram *histogram = histograms[i];
        if (!is_whole(histogram->count) || codec_double_bits(histogram->count) >> 63 ||
            !is_whole(histogram->zero_count) ||
            !all_whole(histogram->positive_buckets, histogram->positive_bucket_count) ||
            !all_whole(histogram->negative_buckets, histogram->negative_bucket_count) ||
            bucket_total(histogram) >= WHOLE_MAX)
            return false;
    }
    return true;
}

static void write_spans(struct buf *out, const struct histogram_span *spans, uint32_t count)
{
    codec_write_uvarint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        codec_write_varint(out, spans[i].offset);
        codec_write_uvarint(out, spans[i].length);
    }
}

static void write_bounds(struct buf *out, const double *bounds, size_t count)
{
    codec_write_uvarint(out, count);
    for (size_t done = 0; done < count; done += VALUE_CHUNK_COUNT_MAX)
        value_chunk_encode(bounds + done, MIN(count - done, (size_t)VALUE_CHUNK_COUNT_MAX), out);
}

static void write_layout(struct buf *out, const struct histogram *histogram, unsigned flags)
{
    codec_write_u8(out, (uint8_t)flags);
    codec_write_varint(out, histogram->schema);
    codec_write_double(out, histogram->zero_threshold);
    write_spans(out, histogram->positive_spans, histogram->positive_span_count);
    write_spans(out, histogram->negative_spans, histogram->negative_span_count);
    write_bounds(out, histogram->custom_bounds, histogram->custom_bound_count);
}

static void write_hints(struct buf *out, const struct histogram *const *histograms, size_t count)
{
    CLEANUP(mem_cleanup) uint64_t *hints = mem_alloc_array(count, sizeof(*hints));
    for (size_t i = 0; i < count; i++)
        hints[i] = histograms[i]->reset_hint;
    integer_column_encode(hints, count, out);
}

static void write_run(struct buf *out, const struct histogram *const *histograms, size_t count)
{
    const struct histogram *first = histograms[0];
    bool exact = counts_are_exact(histograms, count);
    CLEANUP(mem_cleanup) double *column = mem_alloc_array(count, sizeof(*column));
    codec_write_uvarint(out, count);
    write_layout(out, first,
                 (first->is_float ? FLAG_FLOAT : 0) | (exact ? FLAG_COUNT_OF_BUCKETS : 0));
    write_hints(out, histograms, count);
    for (size_t i = 0; i < count; i++)
        column[i] =
            exact ? histograms[i]->count - bucket_total(histograms[i]) : histograms[i]->count;
    value_chunk_encode(column, count, out);
    for (size_t i = 0; i < count; i++)
        column[i] = histograms[i]->zero_count;
    value_chunk_encode(column, count, out);
    for (size_t i = 0; i < count; i++)
        column[i] = histograms[i]->sum;
    value_chunk_encode(column, count, out);
    for (uint32_t bucket = 0; bucket < first->positive_bucket_count; bucket++) {
        for (size_t i = 0; i < count; i++)
            column[i] = histograms[i]->positive_buckets[bucket];
        value_chunk_encode(column, count, out);
    }
    for (uint32_t bucket = 0; bucket < first->negative_bucket_count; bucket++) {
        for (size_t i = 0; i < count; i++)
            column[i] = histograms[i]->negative_buckets[bucket];
        value_chunk_encode(column, count, out);
    }
}

void histogram_chunk_encode(const struct histogram *const *histograms, size_t count,
                            struct buf *out)
{
    ASSERT(count >= 1 && histogram_chunk_fit(histograms, count) == count);
    for (size_t done = 0; done < count;) {
        size_t length = run_length(histograms + done, count - done);
        ASSERT(histogram_encodable(histograms[done]));
        write_run(out, histograms + done, length);
        done += length;
    }
}

/* What reading a chunk keeps. */
struct chunk_reader {
    struct codec_reader bytes;
    struct arena *arena;
    size_t cells; /* that may still be asked for */
    bool limit;   /* the arena is full */
};

static bool fail(struct chunk_reader *reader)
{
    reader->bytes.failed = true;
    return false;
}

static bool take_cells(struct chunk_reader *reader, size_t cells)
{
    if (cells > reader->cells)
        return fail(reader);
    reader->cells -= cells;
    return true;
}

static void *take_memory(struct chunk_reader *reader, size_t size)
{
    void *memory = arena_try_alloc(reader->arena, size);
    if (memory == NULL)
        reader->limit = reader->bytes.failed = true;
    return memory;
}

static bool read_spans(struct chunk_reader *reader, struct histogram_span **out_spans,
                       uint32_t *out_count, uint32_t *out_buckets)
{
    uint64_t count = codec_read_uvarint(&reader->bytes);
    if (count > HISTOGRAM_CODEC_BUCKETS_MAX || count * 2 > codec_left(&reader->bytes) ||
        !take_cells(reader, count))
        return fail(reader);
    struct histogram_span *spans = take_memory(reader, count * sizeof(*spans));
    if (spans == NULL)
        return false;
    uint64_t total = 0;
    for (uint64_t i = 0; i < count; i++) {
        int64_t offset = codec_read_varint(&reader->bytes);
        uint64_t length = codec_read_uvarint(&reader->bytes);
        if (offset < INT32_MIN || offset > INT32_MAX || length > HISTOGRAM_CODEC_BUCKETS_MAX)
            return fail(reader);
        spans[i] = (struct histogram_span){(int32_t)offset, (uint32_t)length};
        total += length;
    }
    /* a column is at least three bytes */
    if (total > HISTOGRAM_CODEC_BUCKETS_MAX || total * 3 > codec_left(&reader->bytes))
        return fail(reader);
    *out_spans = spans;
    *out_count = (uint32_t)count;
    *out_buckets = (uint32_t)total;
    return !reader->bytes.failed;
}

static bool read_bounds(struct chunk_reader *reader, struct layout *layout)
{
    uint64_t count = codec_read_uvarint(&reader->bytes);
    if (count > HISTOGRAM_CODEC_BUCKETS_MAX || !take_cells(reader, count))
        return fail(reader);
    layout->custom_bounds = take_memory(reader, count * sizeof(double));
    if (layout->custom_bounds == NULL)
        return false;
    layout->custom_bound_count = (uint32_t)count;
    for (size_t done = 0; done < count; done += VALUE_CHUNK_COUNT_MAX) {
        if (!value_chunk_read(&reader->bytes, MIN(count - done, (size_t)VALUE_CHUNK_COUNT_MAX),
                              layout->custom_bounds + done))
            return false;
    }
    return !reader->bytes.failed;
}

static bool read_layout(struct chunk_reader *reader, struct layout *layout)
{
    layout->flags = codec_read_u8(&reader->bytes);
    int64_t schema = codec_read_varint(&reader->bytes);
    layout->zero_threshold = codec_read_double(&reader->bytes);
    if (reader->bytes.failed || layout->flags > FLAGS_ALL || schema < INT32_MIN ||
        schema > INT32_MAX)
        return fail(reader);
    layout->schema = (int32_t)schema;
    return read_spans(reader, &layout->positive_spans, &layout->positive_span_count,
                      &layout->positive_bucket_count) &&
           read_spans(reader, &layout->negative_spans, &layout->negative_span_count,
                      &layout->negative_bucket_count) &&
           read_bounds(reader, layout);
}

/* The samples of a run with room for their buckets. */
static struct histogram *make_samples(struct chunk_reader *reader, const struct layout *layout,
                                      size_t count)
{
    size_t buckets = (size_t)layout->positive_bucket_count + layout->negative_bucket_count;
    if (!take_cells(reader, count * sample_cells(layout->positive_bucket_count,
                                                 layout->negative_bucket_count)))
        return NULL;
    struct histogram *samples = take_memory(reader, count * sizeof(*samples));
    double *cells = samples == NULL ? NULL : take_memory(reader, count * buckets * sizeof(*cells));
    if (cells == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        samples[i] = (struct histogram){
            .is_float = layout->flags & FLAG_FLOAT,
            .schema = layout->schema,
            .zero_threshold = layout->zero_threshold,
            .positive_span_count = layout->positive_span_count,
            .negative_span_count = layout->negative_span_count,
            .positive_bucket_count = layout->positive_bucket_count,
            .negative_bucket_count = layout->negative_bucket_count,
            .custom_bound_count = layout->custom_bound_count,
            .positive_spans = layout->positive_spans,
            .negative_spans = layout->negative_spans,
            .custom_bounds = layout->custom_bounds,
            .positive_buckets = cells + i * buckets,
            .negative_buckets = cells + i * buckets + layout->positive_bucket_count,
        };
    }
    return samples;
}

static bool read_hints(struct chunk_reader *reader, struct histogram *samples, size_t count)
{
    uint64_t hints[HISTOGRAM_CHUNK_COUNT_MAX + COLUMN_SLACK];
    if (!integer_column_read(&reader->bytes, count, hints))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (hints[i] > HISTOGRAM_RESET_GAUGE)
            return fail(reader);
        samples[i].reset_hint = (enum histogram_reset_hint)hints[i];
    }
    return true;
}

static bool read_columns(struct chunk_reader *reader, const struct layout *layout,
                         struct histogram *samples, size_t count)
{
    double column[HISTOGRAM_CHUNK_COUNT_MAX];
    if (!value_chunk_read(&reader->bytes, count, column))
        return false;
    for (size_t i = 0; i < count; i++)
        samples[i].count = column[i];
    if (!value_chunk_read(&reader->bytes, count, column))
        return false;
    for (size_t i = 0; i < count; i++)
        samples[i].zero_count = column[i];
    if (!value_chunk_read(&reader->bytes, count, column))
        return false;
    for (size_t i = 0; i < count; i++)
        samples[i].sum = column[i];
    /* the negative buckets lie behind the positive ones */
    size_t buckets = (size_t)layout->positive_bucket_count + layout->negative_bucket_count;
    double *cells = samples[0].positive_buckets;
    for (size_t bucket = 0; bucket < buckets; bucket++) {
        if (!value_chunk_read(&reader->bytes, count, column))
            return false;
        for (size_t i = 0; i < count; i++)
            cells[i * buckets + bucket] = column[i];
    }
    for (size_t i = 0; layout->flags & FLAG_COUNT_OF_BUCKETS && i < count; i++)
        samples[i].count += bucket_total(&samples[i]);
    return true;
}

/* How many samples the run has; 0 on damage. */
static size_t read_run(struct chunk_reader *reader, size_t left, const struct histogram **out)
{
    struct layout layout = {0};
    uint64_t count = codec_read_uvarint(&reader->bytes);
    if (reader->bytes.failed || count == 0 || count > left || !read_layout(reader, &layout))
        return 0;
    struct histogram *samples = make_samples(reader, &layout, count);
    if (samples == NULL || !read_hints(reader, samples, count) ||
        !read_columns(reader, &layout, samples, count))
        return 0;
    for (size_t i = 0; i < count; i++)
        out[i] = &samples[i];
    return count;
}

enum err histogram_chunk_decode(struct slice bytes, size_t count, struct arena *arena,
                                const struct histogram **out)
{
    if (count < 1 || count > HISTOGRAM_CHUNK_COUNT_MAX)
        return ERR_CORRUPT;
    struct chunk_reader reader = {
        .bytes = codec_reader(bytes.ptr, bytes.len),
        .arena = arena,
        .cells = HISTOGRAM_CHUNK_CELLS_MAX,
    };
    for (size_t done = 0; done < count;) {
        size_t length = read_run(&reader, count - done, out + done);
        if (length == 0)
            return reader.limit ? ERR_LIMIT : ERR_CORRUPT;
        done += length;
    }
    return codec_left(&reader.bytes) == 0 ? ERR_NONE : ERR_CORRUPT;
}
