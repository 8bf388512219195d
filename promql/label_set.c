#include "promql/label_set.h"

#include "base/vec.h"
#include "model/symbols.h"

struct label_names label_names_make(struct evaluation *ev, const struct slice *names, size_t count)
{
    struct label_names list = {arena_alloc_array(&ev->scratch, count, sizeof(uint32_t)), 0};
    for (size_t i = 0; i < count; i++) {
        uint32_t symbol = evaluation_symbol(ev, names[i]);
        if (symbol != SYMBOL_EMPTY && !label_names_has(&list, symbol))
            list.symbols[list.count++] = symbol;
    }
    return list;
}

bool label_names_has(const struct label_names *names, uint32_t symbol)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->symbols[i] == symbol)
            return true;
    }
    return false;
}

bool label_set_is_reserved(const struct evaluation *ev, uint32_t name)
{
    const struct reserved_labels *reserved = &ev->reserved;
    return name == reserved->name || name == reserved->type || name == reserved->unit;
}

/* The set of what was collected in ev->pairs; `labels` itself when nothing was left out. */
static const struct labels *label_set_built(struct evaluation *ev, const struct labels *labels)
{
    if (ev->pairs.len == 0)
        return labels_empty();
    if (labels != NULL && ev->pairs.len == labels->count)
        return labels;
    return labels_borrow(ev->result, ev->pairs.items, ev->pairs.len);
}

const struct labels *label_set_without_reserved(struct evaluation *ev, const struct labels *labels)
{
    vec_reset(&ev->pairs);
    for (size_t i = 0; i < labels->count; i++) {
        if (!label_set_is_reserved(ev, labels->pairs[i].name))
            vec_push(&ev->pairs, labels->pairs[i]);
    }
    return label_set_built(ev, labels);
}

static const struct labels *label_set_filter(struct evaluation *ev, const struct labels *labels,
                                             const struct label_names *names, bool keep)
{
    vec_reset(&ev->pairs);
    for (size_t i = 0; i < labels->count; i++) {
        if (label_names_has(names, labels->pairs[i].name) == keep)
            vec_push(&ev->pairs, labels->pairs[i]);
    }
    return label_set_built(ev, labels);
}

const struct labels *label_set_keep(struct evaluation *ev, const struct labels *labels,
                                    const struct label_names *names)
{
    return label_set_filter(ev, labels, names, true);
}

const struct labels *label_set_remove(struct evaluation *ev, const struct labels *labels,
                                      const struct label_names *names)
{
    return label_set_filter(ev, labels, names, false);
}

const struct labels *label_set_with(struct evaluation *ev, const struct labels *labels,
                                    uint32_t name, uint32_t value)
{
    struct slice text = symbols_text(name);
    bool placed = value == SYMBOL_EMPTY;
    vec_reset(&ev->pairs);
    for (size_t i = 0; i < labels->count; i++) {
        const struct label_pair *pair = &labels->pairs[i];
        if (pair->name == name)
            continue;
        if (!placed && slice_cmp(text, symbols_text(pair->name)) < 0) {
            vec_push(&ev->pairs, (struct label_pair){name, value});
            placed = true;
        }
        vec_push(&ev->pairs, *pair);
    }
    if (!placed)
        vec_push(&ev->pairs, (struct label_pair){name, value});
    return label_set_built(ev, NULL);
}
