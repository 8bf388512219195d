/*
 * The running sum: a total, and in a second column what rounding lost of it. Where a histogram has
 * no bucket that the total lacks, it is added in place; else total and histogram are merged anew.
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "model/histogram_side.h"

struct histogram_sum_state {
    struct histogram total; /* its sides are those below */
    struct histogram_side positive;
    struct histogram_side negative;
    struct histogram_side_capacity positive_capacity;
    struct histogram_side_capacity negative_capacity;
    double *bounds; /* memory of the bounds, bound_capacity of them */
    uint32_t bound_capacity;
    double count_lost;
    double sum_lost;
    double zero_count_lost;
};

void histogram_sum_init(struct histogram_sum *sum, struct arena *arena, bool average)
{
    *sum = (struct histogram_sum){.arena = arena, .average = average};
    sum->state = arena_zalloc(arena, sizeof(*sum->state));
}

void histogram_sum_reset(struct histogram_sum *sum)
{
    *sum =
        (struct histogram_sum){.arena = sum->arena, .average = sum->average, .state = sum->state};
}

static void take_first(struct histogram_sum *sum, const struct histogram *histogram)
{
    struct histogram_sum_state *state = sum->state;
    struct histogram_side positive = histogram_positive_side(histogram);
    struct histogram_side negative = histogram_negative_side(histogram);
    state->total = *histogram;
    state->total.is_float = true;
    histogram_side_assign(sum->arena, &state->positive, &state->positive_capacity, &positive);
    histogram_side_assign(sum->arena, &state->negative, &state->negative_capacity, &negative);
    if (histogram->custom_bound_count > state->bound_capacity) {
        state->bound_capacity = histogram->custom_bound_count;
        state->bounds = arena_alloc_array(sum->arena, state->bound_capacity, sizeof(double));
    }
    if (histogram->custom_bound_count > 0)
        memcpy(state->bounds, histogram->custom_bounds,
               histogram->custom_bound_count * sizeof(double));
    state->total.custom_bounds = state->bounds;
    state->count_lost = 0;
    state->sum_lost = 0;
    state->zero_count_lost = 0;
}

/* New sides that an operation made; the arrays are the sum's own from now on. */
static void adopt(struct histogram_sum_state *state, struct histogram_side positive,
                  struct histogram_side negative)
{
    state->positive = positive;
    state->negative = negative;
    state->positive_capacity =
        (struct histogram_side_capacity){positive.span_count, positive.bucket_count};
    state->negative_capacity =
        (struct histogram_side_capacity){negative.span_count, negative.bucket_count};
}

/* Brings the zero buckets of the total and of `histogram` together: the total is changed, and what
 * comes out is the zero bucket that the histogram would have. */
static struct histogram_zero reconcile_zero_buckets(struct histogram_sum *sum,
                                                    const struct histogram *histogram)
{
    struct histogram_sum_state *state = sum->state;
    struct histogram *total = &state->total;
    const struct histogram_zero own = {histogram->zero_threshold, histogram->zero_count, 0};
    struct histogram_zero other = own;
    struct histogram_side other_positive = histogram_positive_side(histogram);
    struct histogram_side other_negative = histogram_negative_side(histogram);
    /* < and > and not !=: a NaN (hostile data) must end this */
    while (other.threshold < total->zero_threshold || other.threshold > total->zero_threshold) {
        if (total->zero_threshold > other.threshold)
            other = histogram_zero_widened(histogram->schema, &other_positive, &other_negative, own,
                                           total->zero_threshold);
        if (other.threshold > total->zero_threshold) {
            struct histogram_zero zero = {total->zero_threshold, total->zero_count,
                                          state->zero_count_lost};
            zero = histogram_zero_widened(total->schema, &state->positive, &state->negative, zero,
                                          other.threshold);
            total->zero_threshold = zero.threshold;
            total->zero_count = zero.count;
            state->zero_count_lost = zero.compensation;
            adopt(state,
                  histogram_side_above_zero(sum->arena, &state->positive, total->schema,
                                            zero.threshold),
                  histogram_side_above_zero(sum->arena, &state->negative, total->schema,
                                            zero.threshold));
        }
    }
    return other;
}

static void add_side(struct histogram_sum *sum, struct histogram_side *total,
                     struct histogram_side_capacity *capacity, const struct histogram_side *side,
                     int32_t schema, double zero_threshold)
{
    if (histogram_side_add_within(total, side, false, schema, zero_threshold))
        return;
    *total = histogram_side_add(sum->arena, total, side, false, schema, zero_threshold);
    *capacity = (struct histogram_side_capacity){total->span_count, total->bucket_count};
}

static struct histogram_side at_lower_schema(struct arena *arena, struct histogram_side side,
                                             int32_t schema, int32_t schema_wanted)
{
    struct histogram_side compensated = histogram_side_compensated(arena, &side);
    return histogram_side_reduce(arena, &compensated, schema, schema_wanted);
}

static void add_exponential(struct histogram_sum *sum, const struct histogram *histogram)
{
    struct histogram_sum_state *state = sum->state;
    struct histogram *total = &state->total;
    struct histogram_side positive = histogram_positive_side(histogram);
    struct histogram_side negative = histogram_negative_side(histogram);
    struct histogram_zero zero = reconcile_zero_buckets(sum, histogram);
    compensated_add(zero.count, &total->zero_count, &state->zero_count_lost);
    compensated_add(zero.compensation, &total->zero_count, &state->zero_count_lost);
    if (histogram->schema < total->schema) {
        adopt(state, at_lower_schema(sum->arena, state->positive, total->schema, histogram->schema),
              at_lower_schema(sum->arena, state->negative, total->schema, histogram->schema));
        total->schema = histogram->schema;
    } else if (histogram->schema > total->schema) {
        positive = at_lower_schema(sum->arena, positive, histogram->schema, total->schema);
        negative = at_lower_schema(sum->arena, negative, histogram->schema, total->schema);
    }
    add_side(sum, &state->positive, &state->positive_capacity, &positive, total->schema,
             total->zero_threshold);
    add_side(sum, &state->negative, &state->negative_capacity, &negative, total->schema,
             total->zero_threshold);
}

static void add_custom(struct histogram_sum *sum, const struct histogram *histogram)
{
    struct histogram_sum_state *state = sum->state;
    struct histogram *total = &state->total;
    struct histogram_side positive = histogram_positive_side(histogram);
    if (histogram_same_bounds(total, histogram)) {
        add_side(sum, &state->positive, &state->positive_capacity, &positive, total->schema, -1);
        return;
    }
    sum->bounds_reconciled = true;
    uint32_t count;
    double *common = histogram_common_bounds(sum->arena, total, histogram, &count);
    adopt(state,
          histogram_side_add_custom(sum->arena, &state->positive, total, &positive, histogram,
                                    false, common, count),
          state->negative);
    total->custom_bounds = common;
    total->custom_bound_count = count;
    state->bounds = common;
    state->bound_capacity = count;
}

static enum histogram_reset_hint hint_of_sum(enum histogram_reset_hint a,
                                             enum histogram_reset_hint b)
{
    if (a == b)
        return a;
    return a == HISTOGRAM_RESET_GAUGE || b == HISTOGRAM_RESET_GAUGE ? HISTOGRAM_RESET_GAUGE
                                                                    : HISTOGRAM_RESET_UNKNOWN;
}

static void add(struct histogram_sum *sum, const struct histogram *histogram)
{
    struct histogram_sum_state *state = sum->state;
    struct histogram *total = &state->total;
    total->reset_hint = hint_of_sum(total->reset_hint, histogram->reset_hint);
    compensated_add(histogram->count, &total->count, &state->count_lost);
    compensated_add(histogram->sum, &total->sum, &state->sum_lost);
    if (total->schema == HISTOGRAM_SCHEMA_CUSTOM)
        add_custom(sum, histogram);
    else
        add_exponential(sum, histogram);
}

/* The total as a histogram whose arrays are still the sum's. */
static struct histogram present_total(const struct histogram_sum *sum)
{
    struct histogram total = sum->state->total;
    histogram_set_positive(&total, sum->state->positive);
    histogram_set_negative(&total, sum->state->negative);
    return total;
}

static void scale_column(double *values, uint32_t count, double factor, double divisor)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = values[i] * factor / divisor;
}

static void scale_side(struct histogram_side *side, double factor, double divisor)
{
    scale_column(side->buckets, side->bucket_count, factor, divisor);
    scale_column(side->compensation, side->bucket_count, factor, divisor);
}

static void scale_state(struct histogram_sum_state *state, double factor, double divisor)
{
    double *values[] = {&state->total.count, &state->total.sum, &state->total.zero_count,
                        &state->count_lost,  &state->sum_lost,  &state->zero_count_lost};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        *values[i] = *values[i] * factor / divisor;
    scale_side(&state->positive, factor, divisor);
    scale_side(&state->negative, factor, divisor);
}

/* As many values below this as anybody will ever add have a finite sum. */
#define FAR_FROM_OVERFLOW 1e280

static bool histogram_is_moderate(const struct histogram *histogram)
{
    const double fields[] = {histogram->count, histogram->sum, histogram->zero_count};
    return !column_any_beyond(fields, FAR_FROM_OVERFLOW, 3) &&
           !column_any_beyond(histogram->positive_buckets, FAR_FROM_OVERFLOW,
                              histogram->positive_bucket_count) &&
           !column_any_beyond(histogram->negative_buckets, FAR_FROM_OVERFLOW,
                              histogram->negative_bucket_count) &&
           !column_any_beyond(histogram->custom_bounds, FAR_FROM_OVERFLOW,
                              histogram->custom_bound_count);
}

static struct histogram_sum_state *state_copy(struct arena *arena,
                                              const struct histogram_sum_state *state)
{
    struct histogram_sum_state *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *state;
    adopt(copy, histogram_side_copy(arena, &state->positive),
          histogram_side_copy(arena, &state->negative));
    return copy;
}

/* Adds, but where some field would become infinite: then nothing is changed and it returns false.
 */
static bool add_without_overflow(struct histogram_sum *sum, const struct histogram *histogram)
{
    if (!sum->may_overflow) {
        add(sum, histogram);
        return true;
    }
    struct histogram_sum_state *before = state_copy(sum->arena, sum->state);
    add(sum, histogram);
    struct histogram total = present_total(sum);
    if (!histogram_has_overflow(&total))
        return true;
    sum->state = before;
    return false;
}

static void add_to_average(struct histogram_sum *sum, const struct histogram *histogram)
{
    double count = (double)(sum->count + 1);
    if (!sum->incremental) {
        if (add_without_overflow(sum, histogram))
            return;
        sum->incremental = true;
        scale_state(sum->state, 1, count - 1);
    }
    scale_state(sum->state, (count - 1) / count, 1);
    add(sum, histogram_divide(sum->arena, histogram, count));
}

static bool side_has_room(const struct histogram_side_capacity *capacity,
                          const struct histogram_side *side)
{
    return side->span_count <= capacity->span_count && side->bucket_count <= capacity->bucket_count;
}

static void move_doubles(double *to, const double *from, uint32_t count)
{
    if (count > 0 && to != from)
        memmove(to, from, count * sizeof(*to));
}

/* Moves a side into the arrays `own`, or into new ones of twice its size; they may overlap. */
static void settle_side(struct arena *arena, struct histogram_side *side,
                        struct histogram_side_capacity *capacity, struct histogram_side own,
                        struct histogram_side_capacity own_capacity)
{
    if (!side_has_room(&own_capacity, side)) {
        own_capacity =
            (struct histogram_side_capacity){side->span_count * 2, side->bucket_count * 2};
        own.spans = arena_alloc_array(arena, own_capacity.span_count, sizeof(*own.spans));
        own.buckets = arena_alloc_array(arena, own_capacity.bucket_count, sizeof(double));
        own.compensation = arena_alloc_array(arena, own_capacity.bucket_count, sizeof(double));
    }
    own.span_count = side->span_count;
    own.bucket_count = side->bucket_count;
    if (own.span_count > 0 && own.spans != side->spans)
        memmove(own.spans, side->spans, own.span_count * sizeof(*own.spans));
    move_doubles(own.buckets, side->buckets, own.bucket_count);
    if (side->compensation != NULL)
        move_doubles(own.compensation, side->compensation, own.bucket_count);
    else if (own.bucket_count > 0)
        memset(own.compensation, 0, own.bucket_count * sizeof(double));
    *side = own;
    *capacity = own_capacity;
}

/*
 * After an addition: what it made is moved into the arrays that the sum had before, and the arena
 * is as it was; only where they are too small they are replaced, by larger ones than needed. Else
 * each layout that comes by would leave arrays behind.
 */
static void settle(struct histogram_sum *sum, struct histogram_sum_state *home,
                   const struct histogram_sum_state *own, struct arena_mark mark)
{
    struct histogram_sum_state now = *sum->state;
    uint32_t bound_count = now.total.custom_bound_count;
    bool bounds_have_room = bound_count <= own->bound_capacity;
    bool has_room = side_has_room(&own->positive_capacity, &now.positive) &&
                    side_has_room(&own->negative_capacity, &now.negative) && bounds_have_room;
    settle_side(sum->arena, &now.positive, &now.positive_capacity, own->positive,
                own->positive_capacity);
    settle_side(sum->arena, &now.negative, &now.negative_capacity, own->negative,
                own->negative_capacity);
    if (bounds_have_room) {
        move_doubles(own->bounds, now.bounds, bound_count);
        now.bounds = own->bounds;
        now.bound_capacity = own->bound_capacity;
        now.total.custom_bounds = now.bounds;
    }
    *home = now;
    sum->state = home;
    if (has_room)
        arena_rewind(sum->arena, mark);
}

enum err histogram_sum_add(struct histogram_sum *sum, const struct histogram *histogram)
{
    sum->may_overflow |= sum->average && !histogram_is_moderate(histogram);
    if (sum->count == 0) {
        take_first(sum, histogram);
    } else {
        bool custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
        if (custom != (sum->state->total.schema == HISTOGRAM_SCHEMA_CUSTOM))
            return ERR_INVALID;
        struct histogram_sum_state *home = sum->state;
        struct histogram_sum_state own = *home;
        struct arena_mark mark = arena_mark(sum->arena);
        if (sum->average)
            add_to_average(sum, histogram);
        else
            add(sum, histogram);
        if (sum->arena->used != mark.used || sum->state->positive.buckets != own.positive.buckets ||
            sum->state->negative.buckets != own.negative.buckets)
            settle(sum, home, &own, mark);
    }
    sum->count++;
    sum->reset_seen |= histogram->reset_hint == HISTOGRAM_RESET_YES;
    sum->no_reset_seen |= histogram->reset_hint == HISTOGRAM_RESET_NO;
    sum->reset_collision = sum->reset_seen && sum->no_reset_seen;
    return ERR_NONE;
}

/* The compensation as a histogram of its own, to be added at the end. */
static struct histogram present_compensation(const struct histogram_sum *sum)
{
    const struct histogram_sum_state *state = sum->state;
    struct histogram lost = present_total(sum);
    lost.count = state->count_lost;
    lost.sum = state->sum_lost;
    lost.zero_count = state->zero_count_lost;
    lost.positive_buckets = state->positive.compensation;
    lost.negative_buckets = state->negative.compensation;
    return lost;
}

struct histogram *histogram_sum_finish(const struct histogram_sum *sum, struct arena *arena)
{
    ASSERT(sum->count > 0);
    struct histogram total = present_total(sum);
    struct histogram lost = present_compensation(sum);
    bool divides = sum->average && !sum->incremental;
    struct histogram *result = divides ? histogram_divide(arena, &total, (double)sum->count)
                                       : histogram_copy_into(arena, &total);
    if (sum->count == 1)
        return result;
    const struct histogram *rest =
        divides ? histogram_divide(arena, &lost, (double)sum->count) : &lost;
    enum err code = histogram_add(arena, result, rest, &result, NULL);
    ASSERT(code == ERR_NONE);
    return result;
}
