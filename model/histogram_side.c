#include "model/histogram_side.h"

#include <string.h>

#include "base/assert.h"
#include "model/histogram_buckets.h"

void histogram_runs_init(struct histogram_runs *runs, const struct histogram_side *side)
{
    *runs = (struct histogram_runs){.side = side};
    (void)histogram_runs_next(runs);
}

bool histogram_runs_next(struct histogram_runs *runs)
{
    const struct histogram_side *side = runs->side;
    runs->bucket += runs->length;
    runs->start += runs->length;
    runs->length = 0;
    runs->whole = true;
    while (runs->length == 0 && runs->span < side->span_count) {
        const struct histogram_span *span = &side->spans[runs->span++];
        uint32_t left = side->bucket_count - runs->bucket;
        runs->start += span->offset;
        runs->length = span->length < left ? span->length : left;
    }
    return runs->length > 0;
}

void histogram_runs_take(struct histogram_runs *runs, uint32_t count)
{
    ASSERT(count <= runs->length);
    runs->bucket += count;
    runs->start += count;
    runs->length -= count;
    runs->whole = false;
    if (runs->length == 0)
        (void)histogram_runs_next(runs);
}

static void write_span(struct histogram_span_writer *writer, int64_t offset, uint32_t length)
{
    if (writer->spans != NULL)
        writer->spans[writer->count] = (struct histogram_span){(int32_t)offset, length};
    writer->count++;
}

void histogram_span_begin(struct histogram_span_writer *writer, int64_t start, uint32_t length)
{
    int64_t offset = start - writer->end;
    /* an offset has 32 bits: a wider gap, which only hostile data has, takes empty spans */
    for (; offset > INT32_MAX; offset -= INT32_MAX)
        write_span(writer, INT32_MAX, 0);
    for (; offset < INT32_MIN; offset -= INT32_MIN)
        write_span(writer, INT32_MIN, 0);
    write_span(writer, offset, length);
    writer->end = start + length;
}

void histogram_span_extend(struct histogram_span_writer *writer, uint32_t length)
{
    if (writer->spans != NULL)
        writer->spans[writer->count - 1].length += length;
    writer->end += length;
}

bool histogram_same_layout(const struct histogram_side *a, const struct histogram_side *b)
{
    return a->span_count == b->span_count && a->bucket_count == b->bucket_count &&
           (a->span_count == 0 ||
            memcmp(a->spans, b->spans, a->span_count * sizeof(*a->spans)) == 0);
}

static struct histogram_side allocate(struct arena *arena, uint32_t span_count,
                                      uint32_t bucket_count, bool compensated)
{
    struct histogram_side side = {.span_count = span_count, .bucket_count = bucket_count};
    if (span_count > 0)
        side.spans = arena_alloc_array(arena, span_count, sizeof(*side.spans));
    if (bucket_count > 0)
        side.buckets = arena_alloc_array(arena, bucket_count, sizeof(*side.buckets));
    if (compensated)
        side.compensation = arena_alloc_array(arena, bucket_count, sizeof(*side.compensation));
    return side;
}

static void copy_doubles(double *to, const double *from, size_t count)
{
    if (count > 0)
        memcpy(to, from, count * sizeof(*to));
}

struct histogram_side histogram_side_copy(struct arena *arena, const struct histogram_side *side)
{
    struct histogram_side copy =
        allocate(arena, side->span_count, side->bucket_count, side->compensation != NULL);
    if (side->span_count > 0)
        memcpy(copy.spans, side->spans, side->span_count * sizeof(*copy.spans));
    copy_doubles(copy.buckets, side->buckets, side->bucket_count);
    if (side->compensation != NULL)
        copy_doubles(copy.compensation, side->compensation, side->bucket_count);
    return copy;
}

void histogram_side_assign(struct arena *arena, struct histogram_side *to,
                           struct histogram_side_capacity *capacity,
                           const struct histogram_side *from)
{
    if (capacity->span_count < from->span_count || capacity->bucket_count < from->bucket_count ||
        to->compensation == NULL) {
        *to = allocate(arena, from->span_count, from->bucket_count, true);
        *capacity = (struct histogram_side_capacity){from->span_count, from->bucket_count};
    }
    to->span_count = from->span_count;
    to->bucket_count = from->bucket_count;
    if (from->span_count > 0)
        memcpy(to->spans, from->spans, from->span_count * sizeof(*to->spans));
    copy_doubles(to->buckets, from->buckets, from->bucket_count);
    if (from->compensation != NULL)
        copy_doubles(to->compensation, from->compensation, from->bucket_count);
    else if (from->bucket_count > 0)
        memset(to->compensation, 0, from->bucket_count * sizeof(*to->compensation));
}

struct histogram_side histogram_side_compensated(struct arena *arena,
                                                 const struct histogram_side *side)
{
    struct histogram_side copy = *side;
    if (copy.compensation == NULL)
        copy.compensation =
            arena_zalloc_array(arena, side->bucket_count, sizeof(*copy.compensation));
    return copy;
}

/* a + b for `count` buckets from given places. */
static void add_run(struct histogram_side *out, uint32_t at, const struct histogram_side *b,
                    uint32_t from, uint32_t count, bool subtract)
{
    if (count == 0)
        return; /* there may be no arrays at all */
    if (out->compensation == NULL) {
        if (subtract)
            column_subtract(out->buckets + at, b->buckets + from, count);
        else
            column_add(out->buckets + at, b->buckets + from, count);
        return;
    }
    double sign = subtract ? -1 : 1;
    column_add_compensated(out->buckets + at, out->compensation + at, b->buckets + from, sign,
                           count);
    for (uint32_t i = 0; b->compensation != NULL && i < count; i++) {
        if (b->compensation[from + i] != 0)
            compensated_add(b->compensation[from + i] * sign, &out->buckets[at + i],
                            &out->compensation[at + i]);
    }
}

/* Buckets that only b has. */
static void place_run(struct histogram_side *out, uint32_t at, const struct histogram_side *b,
                      uint32_t from, uint32_t count, bool subtract)
{
    double sign = subtract ? -1 : 1;
    for (uint32_t i = 0; i < count; i++)
        out->buckets[at + i] = b->buckets[from + i] * sign;
    if (out->compensation == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        out->compensation[at + i] = b->compensation == NULL ? 0 : b->compensation[from + i] * sign;
}

static void keep_run(struct histogram_side *out, uint32_t at, const struct histogram_side *a,
                     uint32_t from, uint32_t count)
{
    copy_doubles(out->buckets + at, a->buckets + from, count);
    if (out->compensation != NULL)
        copy_doubles(out->compensation + at, a->compensation + from, count);
}

static uint32_t smaller(uint32_t count, int64_t distance)
{
    return distance < (int64_t)count ? (uint32_t)distance : count;
}

/* Spans of the union. A new bucket joins the span before it, else the one that begins right behind
 * it, else begins a span of its own; spans that come to touch stay apart. */
struct merge {
    struct histogram_runs a;
    struct histogram_runs b;
    struct histogram_span_writer spans;
    bool joined; /* the present run of `a` has been begun by a bucket of `b` */
    uint32_t bucket_count;
};

static void take_from_a(struct merge *merge, uint32_t count)
{
    if (merge->a.whole && !merge->joined)
        histogram_span_begin(&merge->spans, merge->a.start, count);
    else
        histogram_span_extend(&merge->spans, count);
    merge->joined = false;
    histogram_runs_take(&merge->a, count);
    merge->bucket_count += count;
}

static void take_from_b(struct merge *merge, uint32_t count)
{
    int64_t start = merge->b.start;
    if (merge->spans.count > 0 && merge->spans.end == start) {
        histogram_span_extend(&merge->spans, count);
    } else {
        histogram_span_begin(&merge->spans, start, count);
        merge->joined = count == 1 && merge->a.length > 0 && merge->a.start == start + 1;
    }
    histogram_runs_take(&merge->b, count);
    merge->bucket_count += count;
}

/* One step of the merge: buckets of one kind. With `out`, they are written too. */
static void merge_step(struct merge *merge, struct histogram_side *out, bool subtract)
{
    const struct histogram_runs *a = &merge->a;
    const struct histogram_runs *b = &merge->b;
    uint32_t at = merge->bucket_count;
    if (b->length == 0 || (a->length > 0 && a->start < b->start)) {
        uint32_t count = b->length == 0 ? a->length : smaller(a->length, b->start - a->start);
        if (out != NULL)
            keep_run(out, at, a->side, a->bucket, count);
        take_from_a(merge, count);
    } else if (a->length == 0 || b->start < a->start) {
        uint32_t count = a->length == 0 ? b->length : smaller(b->length, a->start - b->start);
        if (out != NULL)
            place_run(out, at, b->side, b->bucket, count, subtract);
        take_from_b(merge, count);
    } else {
        uint32_t count = a->length < b->length ? a->length : b->length;
        if (out != NULL) {
            keep_run(out, at, a->side, a->bucket, count);
            add_run(out, at, b->side, b->bucket, count, subtract);
        }
        histogram_runs_take(&merge->b, count);
        take_from_a(merge, count);
    }
}

static void merge_sides(struct merge *merge, const struct histogram_side *a,
                        struct histogram_runs b, struct histogram_side *out, bool subtract)
{
    *merge = (struct merge){.b = b};
    merge->spans.spans = out == NULL ? NULL : out->spans;
    histogram_runs_init(&merge->a, a);
    while (merge->a.length > 0 || merge->b.length > 0)
        merge_step(merge, out, subtract);
}

/* Steps over the buckets that lie in the zero bucket. */
static bool skip_zero_bucket(struct histogram_runs *runs, int32_t schema, double zero_threshold)
{
    bool skipped = false;
    while (schema != HISTOGRAM_SCHEMA_CUSTOM && runs->length > 0 &&
           histogram_exponential_bound(schema, runs->start) <= zero_threshold) {
        histogram_runs_take(runs, 1);
        skipped = true;
    }
    return skipped;
}

static bool runs_lie_within(struct histogram_runs inner, const struct histogram_side *side)
{
    struct histogram_runs outer;
    for (histogram_runs_init(&outer, side); inner.length > 0;) {
        if (outer.length == 0 || inner.start < outer.start)
            return false;
        if (inner.start >= outer.start + outer.length)
            (void)histogram_runs_next(&outer);
        else
            histogram_runs_take(&inner,
                                smaller(inner.length, outer.start + outer.length - inner.start));
    }
    return true;
}

bool histogram_side_add_within(struct histogram_side *a, const struct histogram_side *b,
                               bool subtract, int32_t schema, double zero_threshold)
{
    struct histogram_runs runs;
    histogram_runs_init(&runs, b);
    bool skipped = skip_zero_bucket(&runs, schema, zero_threshold);
    if (!skipped && histogram_same_layout(a, b)) {
        add_run(a, 0, b, 0, b->bucket_count, subtract);
        return true;
    }
    if (!runs_lie_within(runs, a))
        return false;
    struct histogram_runs outer;
    for (histogram_runs_init(&outer, a); runs.length > 0;) {
        if (runs.start >= outer.start + outer.length) {
            (void)histogram_runs_next(&outer);
            continue;
        }
        uint32_t from = (uint32_t)(runs.start - outer.start);
        uint32_t count = smaller(runs.length, outer.length - (int64_t)from);
        add_run(a, outer.bucket + from, b, runs.bucket, count, subtract);
        histogram_runs_take(&runs, count);
    }
    return true;
}

struct histogram_side histogram_side_add(struct arena *arena, const struct histogram_side *a,
                                         const struct histogram_side *b, bool subtract,
                                         int32_t schema, double zero_threshold)
{
    struct histogram_runs runs;
    histogram_runs_init(&runs, b);
    bool skipped = skip_zero_bucket(&runs, schema, zero_threshold);
    if (!skipped && histogram_same_layout(a, b)) {
        struct histogram_side sum = histogram_side_copy(arena, a);
        add_run(&sum, 0, b, 0, b->bucket_count, subtract);
        return sum;
    }
    struct merge merge;
    merge_sides(&merge, a, runs, NULL, subtract);
    struct histogram_side sum =
        allocate(arena, merge.spans.count, merge.bucket_count, a->compensation != NULL);
    merge_sides(&merge, a, runs, &sum, subtract);
    ASSERT(merge.bucket_count == sum.bucket_count);
    return sum;
}

static void reduce_bucket(struct histogram_side *out, uint32_t last,
                          const struct histogram_side *in, uint32_t from, bool merges)
{
    if (in->compensation == NULL) {
        out->buckets[last] = merges ? out->buckets[last] + in->buckets[from] : in->buckets[from];
    } else if (merges) {
        compensated_add(in->buckets[from], &out->buckets[last], &out->compensation[last]);
        compensated_add(in->compensation[from], &out->buckets[last], &out->compensation[last]);
    } else {
        out->buckets[last] = in->buckets[from];
        out->compensation[last] = in->compensation[from];
    }
}

struct histogram_side histogram_side_reduce(struct arena *arena, const struct histogram_side *side,
                                            int32_t schema, int32_t schema_wanted)
{
    ASSERT(schema_wanted <= schema);
    unsigned shift = (unsigned)(schema - schema_wanted);
    struct histogram_side out =
        allocate(arena, side->span_count, side->bucket_count, side->compensation != NULL);
    struct histogram_span_writer spans = {.spans = out.spans};
    struct histogram_runs runs;
    uint32_t count = 0;
    for (histogram_runs_init(&runs, side); runs.length > 0;) {
        int64_t index = histogram_reduced_index(runs.start, shift);
        bool merges = count > 0 && index == spans.end - 1;
        if (!merges) {
            if (count > 0 && index == spans.end)
                histogram_span_extend(&spans, 1);
            else
                histogram_span_begin(&spans, index, 1);
            count++;
        }
        reduce_bucket(&out, count - 1, side, runs.bucket, merges);
        histogram_runs_take(&runs, 1);
    }
    out.span_count = spans.count;
    out.bucket_count = count;
    return out;
}

static bool is_empty(const struct histogram_side *side, uint32_t bucket)
{
    return side->buckets[bucket] == 0 &&
           (side->compensation == NULL || side->compensation[bucket] == 0);
}

bool histogram_side_is_compact(const struct histogram_side *side, uint32_t empty_buckets_max)
{
    uint64_t length = 0;
    for (uint32_t i = 0; i < side->span_count; i++) {
        if (side->spans[i].length == 0 ||
            (i > 0 && side->spans[i].offset <= (int64_t)empty_buckets_max))
            return false;
        length += side->spans[i].length;
    }
    if (length != side->bucket_count)
        return false;
    if (side->compensation == NULL)
        return !column_any_zero(side->buckets, side->bucket_count);
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        if (is_empty(side, i))
            return false;
    }
    return true;
}

/* Empty buckets between two populated ones: as they are where all are there, else new ones. */
static void fill_gap(struct histogram_side *out, uint32_t at, const struct histogram_side *side,
                     uint32_t from, uint32_t gap, bool all_there)
{
    if (all_there) {
        keep_run(out, at, side, from, gap);
        return;
    }
    for (uint32_t i = at; i < at + gap; i++) {
        out->buckets[i] = 0;
        if (out->compensation != NULL)
            out->compensation[i] = 0;
    }
}

/* Compacts into `out`, which may be NULL to count. A populated bucket joins the span before it
 * where at most empty_buckets_max empty ones lie between, which are then written as such. */
static struct histogram_side compact_into(struct histogram_side *out,
                                          const struct histogram_side *side,
                                          uint32_t empty_buckets_max)
{
    struct histogram_span_writer spans = {.spans = out == NULL ? NULL : out->spans};
    struct histogram_runs runs;
    uint32_t count = 0;
    uint32_t next = 0; /* position behind the last populated bucket */
    for (histogram_runs_init(&runs, side); runs.length > 0; histogram_runs_take(&runs, 1)) {
        if (is_empty(side, runs.bucket))
            continue;
        int64_t gap = runs.start - spans.end;
        if (spans.count == 0 || gap > (int64_t)empty_buckets_max || gap < 0) {
            histogram_span_begin(&spans, runs.start, 1);
        } else {
            if (out != NULL)
                fill_gap(out, count, side, next, (uint32_t)gap, runs.bucket - next == gap);
            histogram_span_extend(&spans, (uint32_t)gap + 1);
            count += (uint32_t)gap;
        }
        if (out != NULL)
            keep_run(out, count, side, runs.bucket, 1);
        count++;
        next = runs.bucket + 1;
    }
    return (struct histogram_side){.span_count = spans.count, .bucket_count = count};
}

struct histogram_side histogram_side_compact(struct arena *arena, const struct histogram_side *side,
                                             uint32_t empty_buckets_max)
{
    if (histogram_side_is_compact(side, empty_buckets_max))
        return histogram_side_copy(arena, side);
    struct histogram_side size = compact_into(NULL, side, empty_buckets_max);
    struct histogram_side out =
        allocate(arena, size.span_count, size.bucket_count, side->compensation != NULL);
    (void)compact_into(&out, side, empty_buckets_max);
    return out;
}
