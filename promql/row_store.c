#include "promql/row_store.h"

#include <string.h>

#include "promql/label_groups.h"

void row_store_init(struct row_store *store, struct evaluation *ev, struct arena *arena)
{
    *store = (struct row_store){.ev = ev, .arena = arena};
    table_init(&store->by_labels);
}

void row_store_release(struct row_store *store)
{
    table_release(&store->by_labels);
    vec_release(&store->rows);
}

void row_store_clear(struct row_store *store, size_t step_count)
{
    store->step_count = step_count;
    table_clear(&store->by_labels);
    vec_reset(&store->rows);
}

/* Copies of the histograms of present steps. One that stands at several steps in a row is copied
 * once. */
static bool row_store_copy_histograms(struct row_store *store, const struct row *row,
                                      const struct histogram **out)
{
    const struct histogram *last = NULL, *copy = NULL;
    BITMAP_FOR_EACH(row->present, store->step_count, i)
    {
        const struct histogram *histogram = row->histograms[i];
        if (histogram != NULL && histogram != last) {
            copy = evaluation_keep_histogram(store->ev, store->arena, histogram);
            if (copy == NULL)
                return false;
            last = histogram;
        }
        out[i] = histogram == NULL ? NULL : copy;
    }
    return true;
}

/* Gives a kept row its array of histograms. */
static bool row_store_add_histograms(struct row_store *store, struct row *kept)
{
    size_t bytes = store->step_count * sizeof(*kept->histograms);
    if (!evaluation_room(store->ev, bytes))
        return false;
    kept->histograms = arena_zalloc(store->arena, bytes);
    return true;
}

struct row *row_store_add(struct row_store *store, const struct row *row)
{
    size_t value_bytes = store->step_count * sizeof(double);
    size_t present_bytes = promql_bitmap_words(store->step_count) * sizeof(uint64_t);
    if (!evaluation_room(store->ev, sizeof(*row) + value_bytes + present_bytes))
        return NULL;
    char *memory = arena_alloc(store->arena, sizeof(*row) + value_bytes + present_bytes);
    struct row *copy = (struct row *)memory;
    *copy = *row;
    copy->values = (double *)(memory + sizeof(*row));
    copy->present = (uint64_t *)(memory + sizeof(*row) + value_bytes);
    memcpy(copy->values, row->values, value_bytes);
    memcpy(copy->present, row->present, present_bytes);
    copy->histograms = NULL;
    if (UNLIKELY(row_has_histograms(row, store->step_count)) &&
        (!row_store_add_histograms(store, copy) ||
         !row_store_copy_histograms(store, row, copy->histograms)))
        return NULL;
    vec_push(&store->rows, copy);
    return copy;
}

static bool row_has_labels(const void *value, const void *key)
{
    return labels_equal(((const struct row *)value)->labels, key);
}

static size_t first_step(const struct row *row, size_t steps)
{
    BITMAP_FOR_EACH(row->present, steps, i)
    {
        return i;
    }
    return steps;
}

bool row_store_merge(struct row_store *store, const struct row *row)
{
    struct row *kept = table_get(&store->by_labels, row->labels->hash, row_has_labels, row->labels);
    if (kept == NULL) {
        kept = row_store_add(store, row);
        if (kept == NULL)
            return false;
        table_add(&store->by_labels, row->labels->hash, kept);
        return true;
    }
    if (bitmap_overlap(kept->present, row->present, store->step_count))
        return evaluation_fail(store->ev, ERR_EXECUTION, LABEL_GUARD_TEXT);
    if (first_step(row, store->step_count) < first_step(kept, store->step_count))
        kept->drop_name = row->drop_name;
    BITMAP_FOR_EACH(row->present, store->step_count, i)
    {
        kept->values[i] = row->values[i];
    }
    if (UNLIKELY(row->histograms != NULL) && kept->histograms == NULL &&
        !row_store_add_histograms(store, kept))
        return false;
    if (UNLIKELY(row->histograms != NULL) &&
        !row_store_copy_histograms(store, row, kept->histograms))
        return false;
    bitmap_or(kept->present, row->present, store->step_count);
    return true;
}
