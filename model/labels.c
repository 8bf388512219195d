#include "model/labels.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "model/quote.h"

static const struct labels the_empty_set;

uint64_t labels_hash_pairs(const struct label_pair *pairs, size_t count)
{
    /* the empty set is static, hence its hash is a constant */
    return count == 0 ? 0 : hash_bytes(pairs, count * sizeof(*pairs), 0);
}

static void labels_fill(struct labels *labels, const struct label_pair *pairs, size_t count)
{
    labels->count = (uint32_t)count;
    labels->hash = labels_hash_pairs(pairs, count);
    if (count > 0)
        memcpy(labels->pairs, pairs, count * sizeof(*pairs));
}

static void labels_check(const struct label_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        DCHECK(pairs[i].value != SYMBOL_EMPTY);
        DCHECK(i == 0 ||
               slice_cmp(symbols_text(pairs[i - 1].name), symbols_text(pairs[i].name)) < 0);
    }
}

struct labels *labels_adopt(const struct label_pair *pairs, size_t count)
{
    labels_check(pairs, count);
    struct labels *labels = mem_alloc(sizeof(*labels) + count * sizeof(*pairs));
    atomic_init(&labels->reference_count, 1);
    labels_fill(labels, pairs, count);
    return labels;
}

struct labels *labels_new(const struct label_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        symbols_ref(pairs[i].name);
        symbols_ref(pairs[i].value);
    }
    return labels_adopt(pairs, count);
}

const struct labels *labels_borrow(struct arena *arena, const struct label_pair *pairs,
                                   size_t count)
{
    labels_check(pairs, count);
    struct labels *labels = arena_alloc(arena, sizeof(*labels) + count * sizeof(*pairs));
    atomic_init(&labels->reference_count, 0);
    labels_fill(labels, pairs, count);
    return labels;
}

struct labels *labels_copy(const struct labels *labels)
{
    return labels_new(labels->pairs, labels->count);
}

/* The count is the one part of a set that changes. */
static _Atomic uint32_t *labels_count_of(const struct labels *labels)
{
    return &((struct labels *)labels)->reference_count;
}

const struct labels *labels_ref(const struct labels *labels)
{
    uint32_t before = atomic_fetch_add_explicit(labels_count_of(labels), 1, memory_order_relaxed);
    ASSERT(before > 0);
    return labels;
}

void labels_unref(const struct labels *labels)
{
    if (labels == NULL)
        return;
    uint32_t before = atomic_fetch_sub_explicit(labels_count_of(labels), 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < labels->count; i++) {
        symbols_unref(labels->pairs[i].name);
        symbols_unref(labels->pairs[i].value);
    }
    mem_free((struct labels *)labels);
}

const struct labels *labels_empty(void)
{
    return &the_empty_set;
}

bool labels_equal_pairs(const struct labels *a, const struct label_pair *pairs, size_t count)
{
    return a->count == count &&
           (count == 0 || memcmp(a->pairs, pairs, count * sizeof(*pairs)) == 0);
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
    return a == b || (a->hash == b->hash && labels_equal_pairs(a, b->pairs, b->count));
}

int labels_compare(const struct labels *a, const struct labels *b)
{
    size_t count = MIN(a->count, b->count);
    for (size_t i = 0; i < count; i++) {
        const struct label_pair *x = &a->pairs[i];
        const struct label_pair *y = &b->pairs[i];
        if (x->name != y->name)
            return slice_cmp(symbols_text(x->name), symbols_text(y->name));
        if (x->value != y->value)
            return slice_cmp(symbols_text(x->value), symbols_text(y->value));
    }
    return a->count < b->count ? -1 : a->count > b->count;
}

uint32_t labels_value(const struct labels *labels, uint32_t name)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (labels->pairs[i].name == name)
            return labels->pairs[i].value;
    }
    return SYMBOL_EMPTY;
}

struct slice labels_get(const struct labels *labels, struct slice name)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (slice_eq(symbols_text(labels->pairs[i].name), name))
            return symbols_text(labels->pairs[i].value);
    }
    return SLICE_EMPTY;
}

struct slice labels_metric_name(const struct labels *labels)
{
    return symbols_text(labels_value(labels, labels_name_symbol()));
}

uint32_t labels_name_symbol(void)
{
    static _Atomic uint32_t name = SYMBOL_EMPTY;
    uint32_t symbol = atomic_load_explicit(&name, memory_order_acquire);
    if (symbol != SYMBOL_EMPTY)
        return symbol;
    uint32_t fresh = symbols_intern(SLICE(LABEL_METRIC_NAME));
    /* equal text gives every racer the same id; the losers give their reference back */
    if (!atomic_compare_exchange_strong(&name, &symbol, fresh))
        symbols_unref(fresh);
    return fresh;
}

static void print_pair(const struct label_pair *pair, struct buf *out)
{
    struct slice name = symbols_text(pair->name);
    if (labels_name_valid_legacy(name))
        buf_append_slice(out, name);
    else
        quote_go(name, out);
    buf_append_byte(out, '=');
    quote_go(symbols_text(pair->value), out);
}

void labels_print(const struct labels *labels, struct buf *out)
{
    buf_append_byte(out, '{');
    for (size_t i = 0; i < labels->count; i++) {
        if (i > 0)
            buf_append_str(out, ", ");
        print_pair(&labels->pairs[i], out);
    }
    buf_append_byte(out, '}');
}

void labels_print_metric(const struct labels *labels, struct buf *out)
{
    uint32_t name_symbol = labels_name_symbol();
    struct slice metric = labels_metric_name(labels);
    bool plain = metric.len > 0 && labels_metric_name_valid_legacy(metric);
    if (plain)
        buf_append_slice(out, metric);
    if (plain && labels->count == 1)
        return;
    buf_append_byte(out, '{');
    bool first = true;
    if (metric.len > 0 && !plain) {
        quote_go(metric, out);
        first = false;
    }
    for (size_t i = 0; i < labels->count; i++) {
        if (labels->pairs[i].name == name_symbol)
            continue;
        if (!first)
            buf_append_str(out, ", ");
        print_pair(&labels->pairs[i], out);
        first = false;
    }
    buf_append_byte(out, '}');
}

static bool name_valid(struct slice name, bool colons)
{
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
                      (colons && byte == ':');
        if (!letter && !(i > 0 && byte >= '0' && byte <= '9'))
            return false;
    }
    return name.len > 0;
}

bool labels_name_valid_legacy(struct slice name)
{
    return name_valid(name, false);
}

bool labels_metric_name_valid_legacy(struct slice name)
{
    return name_valid(name, true);
}

bool labels_name_valid_utf8(struct slice name)
{
    return name.len > 0 && utf8_valid(name);
}
