/* query() and what is done with its rows; args(). */
#include "rules/template_functions_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* Arguments within arguments are printed by recursion. */
#define ARGUMENTS_DEPTH_MAX 100
#define ARGUMENT_NAME_SIZE 24
/* A query counts as much as work on so many bytes: at most about a thousand in one template. */
#define QUERY_COST_BYTES (64 << 10)

static bool fail_memory(struct template_run *run)
{
    return template_run_fail(run, "the template takes too much memory");
}

bool template_query(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    (void)count;
    const struct template_data *data = run->data;
    if (data->query == NULL)
        return template_run_fail(run, "there is nothing to query here");
    if (run->query_arena->used > TEMPLATE_MEMORY_SIZE_MAX)
        return fail_memory(run);
    if (!template_run_charge(run, QUERY_COST_BYTES))
        return false;
    struct template_sample *samples = NULL;
    size_t sample_count = 0;
    if (!data->query(values[0].text, data->now_ms, run->query_arena, &samples, &sample_count,
                     run->call_error, data->context))
        return false;
    struct template_sample **rows = arena_try_alloc(run->arena, sample_count * sizeof(*rows) + 1);
    if (rows == NULL)
        return fail_memory(run);
    for (size_t i = 0; i < sample_count; i++)
        rows[i] = &samples[i];
    *out = (struct template_value){.type = TEMPLATE_TYPE_VECTOR};
    out->vector.rows = rows;
    out->vector.count = sample_count;
    return template_run_charge(run, sample_count * sizeof(struct template_sample));
}

bool template_first(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    (void)count;
    if (values[0].type == TEMPLATE_TYPE_NONE || values[0].vector.count == 0)
        return template_run_fail(run, "first() called on vector with no elements");
    *out =
        (struct template_value){.type = TEMPLATE_TYPE_SAMPLE, .sample = values[0].vector.rows[0]};
    return true;
}

static bool has_sample(struct template_run *run, const struct template_value *value)
{
    if (value->type == TEMPLATE_TYPE_SAMPLE)
        return true;
    return template_run_fail(run,
                             "runtime error: invalid memory address or nil pointer dereference");
}

bool template_label(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    (void)count;
    if (!has_sample(run, &values[1]))
        return false;
    *out = template_value_text(labels_get(values[1].sample->labels, values[0].text));
    return true;
}

bool template_strvalue(struct template_run *run, const struct template_value *values, size_t count,
                       struct template_value *out)
{
    (void)count;
    if (!has_sample(run, &values[0]))
        return false;
    *out = template_value_text(labels_get(values[0].sample->labels, SLICE("__value__")));
    return true;
}

bool template_value_of(struct template_run *run, const struct template_value *values, size_t count,
                       struct template_value *out)
{
    (void)count;
    if (!has_sample(run, &values[0]))
        return false;
    *out = template_value_number(values[0].sample->value);
    return true;
}

/* Stable: a merge sort, since equal rows keep their order. */
static void sort_rows(struct template_sample **rows, struct template_sample **spare, size_t count,
                      struct slice label)
{
    if (count < 2)
        return;
    size_t half = count / 2;
    sort_rows(rows, spare, half, label);
    sort_rows(rows + half, spare, count - half, label);
    memcpy(spare, rows, half * sizeof(*rows));
    for (size_t left = 0, right = half, at = 0; left < half; at++) {
        bool take_right = right < count && slice_cmp(labels_get(rows[right]->labels, label),
                                                     labels_get(spare[left]->labels, label)) < 0;
        rows[at] = take_right ? rows[right++] : spare[left++];
    }
}

/* In place, as in the reference: other names of the vector see the new order too. */
bool template_sort_by_label(struct template_run *run, const struct template_value *values,
                            size_t count, struct template_value *out)
{
    (void)count;
    size_t row_count = values[1].type == TEMPLATE_TYPE_NONE ? 0 : values[1].vector.count;
    *out = (struct template_value){.type = TEMPLATE_TYPE_VECTOR};
    if (row_count == 0)
        return true;
    struct template_sample **spare = arena_try_alloc(run->arena, row_count * sizeof(*spare));
    if (spare == NULL)
        return fail_memory(run);
    if (!template_run_charge(run, row_count * 64))
        return false;
    sort_rows(values[1].vector.rows, spare, row_count, values[0].text);
    *out = values[1];
    return true;
}

static int argument_compare(const void *a, const void *b)
{
    return slice_cmp(((const struct template_argument *)a)->name,
                     ((const struct template_argument *)b)->name);
}

/* Maps are printed and gone through by name, so arg10 comes before arg2. */
static struct template_argument *sort_arguments(struct template_run *run, size_t count)
{
    struct template_argument *sorted =
        arena_try_alloc(run->arena, count * (sizeof(*sorted) + ARGUMENT_NAME_SIZE) + 1);
    if (sorted == NULL)
        return NULL;
    char *names = (char *)(sorted + count);
    for (size_t i = 0; i < count; i++, names += ARGUMENT_NAME_SIZE) {
        int len = snprintf(names, ARGUMENT_NAME_SIZE, "arg%zu", i);
        sorted[i] = (struct template_argument){slice_from(names, (size_t)len), i};
    }
    qsort(sorted, count, sizeof(*sorted), argument_compare);
    return sorted;
}

bool template_args(struct template_run *run, const struct template_value *values, size_t count,
                   struct template_value *out)
{
    struct template_value *items = arena_try_alloc(run->arena, count * sizeof(*items) + 1);
    struct template_argument *sorted = sort_arguments(run, count);
    if (items == NULL || sorted == NULL)
        return fail_memory(run);
    size_t depth = 0;
    for (size_t i = 0; i < count; i++) {
        items[i] = values[i];
        if (values[i].type == TEMPLATE_TYPE_ARGUMENTS && values[i].arguments.depth >= depth)
            depth = values[i].arguments.depth + 1;
    }
    if (depth > ARGUMENTS_DEPTH_MAX)
        return template_run_fail(run, "arguments are nested too deep");
    *out = (struct template_value){.type = TEMPLATE_TYPE_ARGUMENTS};
    out->arguments.items = items;
    out->arguments.sorted = sorted;
    out->arguments.count = count;
    out->arguments.depth = depth;
    return template_run_charge(run, count * sizeof(*items));
}
