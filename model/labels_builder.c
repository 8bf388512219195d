#include "model/labels_builder.h"

#include <string.h>

void labels_builder_init(struct labels_builder *builder)
{
    memset(builder, 0, sizeof(*builder));
}

void labels_builder_reset(struct labels_builder *builder)
{
    for (size_t i = 0; i < builder->pairs.len; i++) {
        symbols_unref(builder->pairs.items[i].name);
        symbols_unref(builder->pairs.items[i].value);
    }
    vec_reset(&builder->pairs);
}

void labels_builder_release(struct labels_builder *builder)
{
    labels_builder_reset(builder);
    vec_release(&builder->pairs);
}

void labels_builder_start(struct labels_builder *builder, const struct labels *labels)
{
    /* references first: the set may be held by nothing but this builder's symbols */
    for (size_t i = 0; i < labels->count; i++) {
        symbols_ref(labels->pairs[i].name);
        symbols_ref(labels->pairs[i].value);
    }
    labels_builder_reset(builder);
    vec_reserve(&builder->pairs, labels->count);
    if (labels->count > 0)
        memcpy(builder->pairs.items, labels->pairs, labels->count * sizeof(labels->pairs[0]));
    builder->pairs.len = labels->count;
}

/* Where the name is or would be put. Labels mostly arrive in order, so the end is tried first. */
static bool builder_find(const struct labels_builder *builder, struct slice name, size_t *out_index)
{
    size_t low = 0;
    size_t high = builder->pairs.len;
    if (high > 0 && slice_cmp(symbols_text(builder->pairs.items[high - 1].name), name) < 0)
        low = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_cmp(symbols_text(builder->pairs.items[middle].name), name);
        if (order == 0) {
            *out_index = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_index = low;
    return false;
}

static void builder_remove(struct labels_builder *builder, size_t index)
{
    struct label_pair *pair = &builder->pairs.items[index];
    symbols_unref(pair->name);
    symbols_unref(pair->value);
    memmove(pair, pair + 1, (builder->pairs.len - index - 1) * sizeof(*pair));
    builder->pairs.len--;
}

/* Takes over the caller's references. */
static void builder_insert(struct labels_builder *builder, size_t index, uint32_t name,
                           uint32_t value)
{
    vec_reserve(&builder->pairs, 1);
    struct label_pair *pair = &builder->pairs.items[index];
    memmove(pair + 1, pair, (builder->pairs.len - index) * sizeof(*pair));
    *pair = (struct label_pair){name, value};
    builder->pairs.len++;
}

void labels_builder_set(struct labels_builder *builder, struct slice name, struct slice value)
{
    ASSERT(name.len > 0);
    size_t index;
    bool found = builder_find(builder, name, &index);
    if (value.len == 0) {
        if (found)
            builder_remove(builder, index);
        return;
    }
    uint32_t symbol = symbols_intern(value);
    if (!found) {
        builder_insert(builder, index, symbols_intern(name), symbol);
        return;
    }
    /* the new value may lie in the old one: it is interned already */
    symbols_unref(builder->pairs.items[index].value);
    builder->pairs.items[index].value = symbol;
}

void labels_builder_set_symbols(struct labels_builder *builder, uint32_t name, uint32_t value)
{
    ASSERT(name != SYMBOL_EMPTY);
    size_t index;
    bool found = builder_find(builder, symbols_text(name), &index);
    if (value == SYMBOL_EMPTY) {
        if (found)
            builder_remove(builder, index);
        return;
    }
    symbols_ref(value);
    if (!found) {
        symbols_ref(name);
        builder_insert(builder, index, name, value);
        return;
    }
    symbols_unref(builder->pairs.items[index].value);
    builder->pairs.items[index].value = value;
}

void labels_builder_delete(struct labels_builder *builder, struct slice name)
{
    size_t index;
    if (builder_find(builder, name, &index))
        builder_remove(builder, index);
}

struct slice labels_builder_get(const struct labels_builder *builder, struct slice name)
{
    size_t index;
    if (!builder_find(builder, name, &index))
        return SLICE_EMPTY;
    return symbols_text(builder->pairs.items[index].value);
}

bool labels_builder_has(const struct labels_builder *builder, struct slice name)
{
    size_t index;
    return builder_find(builder, name, &index);
}

uint64_t labels_builder_hash(const struct labels_builder *builder)
{
    return labels_hash_pairs(builder->pairs.items, builder->pairs.len);
}

struct labels *labels_builder_build(const struct labels_builder *builder)
{
    return labels_new(builder->pairs.items, builder->pairs.len);
}

struct labels *labels_builder_take(struct labels_builder *builder)
{
    struct labels *labels = labels_adopt(builder->pairs.items, builder->pairs.len);
    vec_reset(&builder->pairs);
    return labels;
}
