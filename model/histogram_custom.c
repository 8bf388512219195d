/*
 * Histograms with custom buckets whose bounds differ: they meet at the bounds that both have.
 */
#include "model/histogram_side.h"

#include <string.h>

bool histogram_same_bounds(const struct histogram *a, const struct histogram *b)
{
    if (a->custom_bound_count != b->custom_bound_count)
        return false;
    if (a->custom_bounds == b->custom_bounds)
        return true;
    for (uint32_t i = 0; i < a->custom_bound_count; i++) {
        if (a->custom_bounds[i] != b->custom_bounds[i])
            return false;
    }
    return true;
}

double *histogram_common_bounds(struct arena *arena, const struct histogram *a,
                                const struct histogram *b, uint32_t *out_count)
{
    uint32_t smaller = a->custom_bound_count < b->custom_bound_count ? a->custom_bound_count
                                                                     : b->custom_bound_count;
    double *common = arena_alloc_array(arena, smaller, sizeof(*common));
    uint32_t count = 0;
    for (uint32_t i = 0, j = 0; i < a->custom_bound_count && j < b->custom_bound_count;) {
        if (a->custom_bounds[i] == b->custom_bounds[j]) {
            common[count++] = a->custom_bounds[i++];
            j++;
        } else if (a->custom_bounds[i] < b->custom_bounds[j]) {
            i++;
        } else {
            j++;
        }
    }
    *out_count = count;
    return common;
}

/* A column of buckets over the common bounds. */
struct column {
    const double *bounds;
    uint32_t bound_count;
    double *buckets; /* bound_count + 1 of them */
    double *compensation;
};

static void spread(struct column *column, const struct histogram_side *side,
                   const struct histogram *bounds, bool subtract)
{
    struct histogram_runs runs;
    uint32_t at = 0;
    double sign = subtract ? -1 : 1;
    for (histogram_runs_init(&runs, side); runs.length > 0; histogram_runs_take(&runs, 1)) {
        uint32_t target = column->bound_count;
        if (runs.start < bounds->custom_bound_count) {
            double bound = runs.start < 0 ? -INFINITY : bounds->custom_bounds[runs.start];
            while (at < column->bound_count && column->bounds[at] < bound)
                at++;
            target = at;
        }
        double *sum = &column->buckets[target];
        double *lost = &column->compensation[target];
        compensated_add(side->buckets[runs.bucket] * sign, sum, lost);
        if (side->compensation != NULL)
            compensated_add(side->compensation[runs.bucket] * sign, sum, lost);
    }
}

struct histogram_side histogram_side_add_custom(struct arena *arena, const struct histogram_side *a,
                                                const struct histogram *a_bounds,
                                                const struct histogram_side *b,
                                                const struct histogram *b_bounds, bool subtract,
                                                const double *common, uint32_t common_count)
{
    uint32_t count = common_count + 1;
    struct column column = {.bounds = common, .bound_count = common_count};
    column.buckets = arena_zalloc_array(arena, count, sizeof(*column.buckets));
    column.compensation = arena_zalloc_array(arena, count, sizeof(*column.compensation));
    spread(&column, a, a_bounds, false);
    spread(&column, b, b_bounds, subtract);
    struct histogram_span span = {0, count};
    struct histogram_side all = {&span, column.buckets, column.compensation, 1, count};
    struct histogram_side sum = histogram_side_compact(arena, &all, 0);
    if (a->compensation == NULL)
        sum.compensation = NULL;
    return sum;
}
