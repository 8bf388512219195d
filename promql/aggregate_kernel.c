/*
 * Inner loops of aggregation. Steps are gone through in words of 64: where a word is full, which is
 * the rule, a plain loop runs over arrays; else the set bits are gone through one by one. The first
 * value of a step is taken as it is, so columns need not be cleared.
 */
#include "promql/aggregate_kernel.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "promql/kahan.h"

static bool needs_extra(enum aggregate_kind kind)
{
    return kind == AGGREGATE_SUM || kind == AGGREGATE_AVG || kind == AGGREGATE_STDDEV ||
           kind == AGGREGATE_STDVAR;
}

static bool needs_count(enum aggregate_kind kind)
{
    return kind == AGGREGATE_AVG || kind == AGGREGATE_STDDEV || kind == AGGREGATE_STDVAR;
}

bool accumulator_init(struct accumulator *accumulator, struct evaluation *ev,
                      enum aggregate_kind kind, size_t steps)
{
    *accumulator = (struct accumulator){.value = evaluation_column(ev, steps),
                                        .seen = evaluation_bitmap(ev, steps)};
    if (needs_extra(kind))
        accumulator->extra = evaluation_column(ev, steps);
    if (needs_count(kind))
        accumulator->count = evaluation_column(ev, steps);
    if (kind == AGGREGATE_AVG)
        accumulator->incremental = evaluation_bitmap(ev, steps);
    return ev->error == ERR_NONE;
}

/* The first value of steps [from, until). */
static inline void begin_steps(struct accumulator *a, enum aggregate_kind kind,
                               const double *values, size_t from, size_t until)
{
    for (size_t i = from; i < until; i++) {
        switch (kind) {
        case AGGREGATE_COUNT:
        case AGGREGATE_GROUP:
            a->value[i] = 1;
            break;
        case AGGREGATE_STDDEV:
        case AGGREGATE_STDVAR:
            a->value[i] = isfinite(values[i]) ? 0 : NAN;
            a->extra[i] = values[i];
            a->count[i] = 1;
            break;
        case AGGREGATE_AVG:
            a->value[i] = values[i];
            a->extra[i] = 0;
            a->count[i] = 1;
            break;
        case AGGREGATE_SUM:
            a->value[i] = values[i];
            a->extra[i] = 0;
            break;
        default:
            a->value[i] = values[i];
        }
    }
}

static inline void add_sum(double *restrict sum, double *restrict compensation,
                           const double *restrict values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct kahan kahan = {sum[i], compensation[i]};
        kahan_add(&kahan, values[i]);
        sum[i] = kahan.sum;
        compensation[i] = kahan.compensation;
    }
}

static inline void add_min(double *restrict best, const double *restrict values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        best[i] = ((best[i] > values[i]) | (best[i] != best[i])) ? values[i] : best[i];
}

static inline void add_max(double *restrict best, const double *restrict values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        best[i] = ((best[i] < values[i]) | (best[i] != best[i])) ? values[i] : best[i];
}

static inline void add_deviation(double *restrict squares, double *restrict mean,
                                 double *restrict n, const double *restrict values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        n[i]++;
        double delta = values[i] - mean[i];
        mean[i] += delta / n[i];
        squares[i] += delta * (values[i] - mean[i]);
    }
}

/* One value of an average: the plain sum until it would overflow, from then on the running mean. */
static void add_avg_step(struct accumulator *a, double value, size_t i)
{
    a->count[i]++;
    double n = a->count[i];
    if (!promql_bitmap_get(a->incremental, i)) {
        struct kahan sum = {a->value[i], a->extra[i]};
        kahan_add(&sum, value);
        if (!isinf(sum.sum)) {
            a->value[i] = sum.sum;
            a->extra[i] = sum.compensation;
            return;
        }
        promql_bitmap_set(a->incremental, i);
        a->is_incremental = true;
        a->value[i] /= n - 1;
        a->extra[i] /= n - 1;
    }
    double weight = (n - 1) / n;
    struct kahan mean = {weight * a->value[i], weight * a->extra[i]};
    kahan_add(&mean, value / n);
    a->value[i] = mean.sum;
    a->extra[i] = mean.compensation;
}

/* At most 64 steps at once: nothing is written before it is known that no sum overflows. */
static void add_avg(struct accumulator *a, const double *values, size_t from, size_t count)
{
    double sums[64], compensations[64];
    ASSERT(count <= 64);
    memcpy(sums, a->value + from, count * sizeof(*sums));
    memcpy(compensations, a->extra + from, count * sizeof(*sums));
    add_sum(sums, compensations, values + from, count);
    int overflow = a->is_incremental;
    for (size_t i = 0; i < count; i++)
        overflow |= fabs(sums[i]) == INFINITY;
    if (overflow) {
        for (size_t i = from; i < from + count; i++)
            add_avg_step(a, values[i], i);
        return;
    }
    memcpy(a->value + from, sums, count * sizeof(*sums));
    memcpy(a->extra + from, compensations, count * sizeof(*sums));
    for (size_t i = from; i < from + count; i++)
        a->count[i]++;
}

/* A further value of steps [from, from + count), at most 64. */
static inline void add_steps(struct accumulator *a, enum aggregate_kind kind, const double *values,
                             size_t from, size_t count)
{
    switch (kind) {
    case AGGREGATE_SUM:
        add_sum(a->value + from, a->extra + from, values + from, count);
        break;
    case AGGREGATE_AVG:
        add_avg(a, values, from, count);
        break;
    case AGGREGATE_MIN:
        add_min(a->value + from, values + from, count);
        break;
    case AGGREGATE_MAX:
        add_max(a->value + from, values + from, count);
        break;
    case AGGREGATE_COUNT:
        for (size_t i = from; i < from + count; i++)
            a->value[i]++;
        break;
    case AGGREGATE_STDDEV:
    case AGGREGATE_STDVAR:
        add_deviation(a->value + from, a->extra + from, a->count + from, values + from, count);
        break;
    default:
        ASSERT(kind == AGGREGATE_GROUP);
    }
}

void accumulator_add(struct accumulator *a, enum aggregate_kind kind, const struct row *row,
                     size_t steps)
{
    a->drop_name |= row->drop_name;
    for (size_t word = 0; word < promql_bitmap_words(steps); word++) {
        uint64_t all = bitmap_mask(steps, word);
        uint64_t fresh = row->present[word] & ~a->seen[word];
        uint64_t known = row->present[word] & a->seen[word];
        size_t from = word * 64;
        size_t until = MIN(from + 64, steps);
        a->seen[word] |= fresh;
        if (known == all) {
            add_steps(a, kind, row->values, from, until - from);
            continue;
        }
        if (fresh == all) {
            begin_steps(a, kind, row->values, from, until);
            continue;
        }
        for (; fresh != 0; fresh &= fresh - 1) {
            size_t i = from + (size_t)__builtin_ctzll(fresh);
            begin_steps(a, kind, row->values, i, i + 1);
        }
        for (; known != 0; known &= known - 1)
            add_steps(a, kind, row->values, from + (size_t)__builtin_ctzll(known), 1);
    }
}

static void finish_avg(struct accumulator *a, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        if (a->is_incremental && promql_bitmap_get(a->incremental, i))
            a->value[i] += a->extra[i];
        else
            a->value[i] = a->value[i] / a->count[i] + a->extra[i] / a->count[i];
    }
}

void accumulator_finish(struct accumulator *a, enum aggregate_kind kind, size_t steps)
{
    switch (kind) {
    case AGGREGATE_SUM:
        for (size_t i = 0; i < steps; i++)
            a->value[i] += a->extra[i];
        break;
    case AGGREGATE_AVG:
        finish_avg(a, steps);
        break;
    case AGGREGATE_STDVAR:
        for (size_t i = 0; i < steps; i++)
            a->value[i] /= a->count[i];
        break;
    case AGGREGATE_STDDEV:
        for (size_t i = 0; i < steps; i++)
            a->value[i] = sqrt(a->value[i] / a->count[i]);
        break;
    default:
        break;
    }
}
