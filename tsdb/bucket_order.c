#include "tsdb/bucket_order.h"

#include <math.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/float_text.h"
#include "model/labels.h"
#include "model/symbols.h"

#define NO_LABEL UINT32_MAX

static uint32_t bound_label(const struct labels *labels)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        if (slice_eq_str(symbols_text(labels->pairs[i].name), "le"))
            return i;
    }
    return NO_LABEL;
}

static bool is_named(const struct labels *labels)
{
    return labels->count > 0 && slice_eq_str(symbols_text(labels->pairs[0].name), "__name__");
}

size_t bucket_order_metric(const struct series_entry *entries, size_t count, bool *has_buckets)
{
    const struct labels *first = entries[0].labels;
    *has_buckets = false;
    if (!is_named(first))
        return 1;
    size_t len = 0;
    while (len < count && entries[len].labels->count > 0 &&
           entries[len].labels->pairs[0].name == first->pairs[0].name &&
           entries[len].labels->pairs[0].value == first->pairs[0].value) {
        *has_buckets = *has_buckets || bound_label(entries[len].labels) != NO_LABEL;
        len++;
    }
    return len;
}

/* As labels_compare, without `le`. */
static int compare_others(const struct bucket_place *a, const struct bucket_place *b)
{
    const struct labels *x = a->entry->labels, *y = b->entry->labels;
    uint32_t i = 0, k = 0;
    for (;; i++, k++) {
        i += i == a->label;
        k += k == b->label;
        if (i >= x->count || k >= y->count)
            break;
        if (x->pairs[i].name != y->pairs[k].name)
            return slice_cmp(symbols_text(x->pairs[i].name), symbols_text(y->pairs[k].name));
        if (x->pairs[i].value != y->pairs[k].value)
            return slice_cmp(symbols_text(x->pairs[i].value), symbols_text(y->pairs[k].value));
    }
    return (i < x->count) - (k < y->count);
}

static int compare_places(const void *a, const void *b)
{
    const struct bucket_place *x = a, *y = b;
    int order = compare_others(x, y);
    if (order == 0)
        order = (x->bound > y->bound) - (x->bound < y->bound);
    /* "1" and "1.0" are two series */
    return order != 0 ? order : labels_compare(x->entry->labels, y->entry->labels);
}

void bucket_order_make(const struct series_entry *entries, size_t count, bucket_places *out)
{
    vec_reset(out);
    vec_reserve(out, count);
    for (size_t i = 0; i < count; i++) {
        struct bucket_place place = {.entry = &entries[i], .label = bound_label(entries[i].labels)};
        if (place.label != NO_LABEL) {
            uint32_t value = entries[i].labels->pairs[place.label].value;
            if (!float_text_parse(symbols_text(value), &place.bound, NULL) || isnan(place.bound))
                place.bound = 0;
        }
        vec_push(out, place);
    }
    qsort(out->items, count, sizeof(*out->items), compare_places);
    for (size_t i = 1; i < count; i++) {
        struct bucket_place *place = &out->items[i];
        place->related = place->label != NO_LABEL && place[-1].label != NO_LABEL &&
                         compare_others(&place[-1], place) == 0;
    }
}
