/*
 * count_values: the value becomes a label, then rows are counted by group. A value of a group is
 * turned into a label set once; after that a table of (group, bits of the value) leads to its
 * column. The value of a histogram is its text.
 */
#include "base/assert.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/float_text.h"
#include "base/hash.h"
#include "base/table.h"
#include "model/histogram_arithmetic.h"
#include "model/quote.h"
#include "model/symbols.h"
#include "promql/aggregation.h"
#include "promql/operators.h"

/* A histogram of very many buckets is counted by the beginning of its text. */
#define HISTOGRAM_TEXT_MAX ((size_t)1 << 20)

struct values_key {
    size_t base; /* group of the labels without the value */
    uint64_t bits;
    struct slice text; /* of a histogram, whose bits are 0; else empty */
};

struct values_entry {
    struct values_key key;
    size_t index; /* of the answer */
};

struct values_column {
    double *counts;
    uint64_t *present;
};

struct aggregate_values {
    struct operator op;
    uint32_t label;
    struct label_groups bases;
    struct label_groups answers;
    struct table entries;
    VEC(struct values_column) columns; /* by answer */
    bool is_gathered;
    size_t at;
    struct buf text; /* of the histogram at hand */
};

static bool values_start(struct operator* op)
{
    struct aggregate_values *values = (struct aggregate_values *)op;
    label_groups_clear(&values->bases);
    label_groups_clear(&values->answers);
    table_clear(&values->entries);
    vec_reset(&values->columns);
    values->is_gathered = false;
    values->at = 0;
    return operator_start_children(op);
}

static bool entry_has_key(const void *value, const void *key)
{
    const struct values_key *a = &((const struct values_entry *)value)->key;
    const struct values_key *b = key;
    return a->base == b->base && a->bits == b->bits && slice_eq(a->text, b->text);
}

/* The column of a value that was not met before in this group. */
static struct values_column *values_make(struct aggregate_values *values,
                                         const struct labels *labels, const struct values_key *key,
                                         uint64_t hash)
{
    struct evaluation *ev = values->op.ev;
    char number[FLOAT_TEXT_SIZE];
    struct slice text = key->text;
    if (text.len == 0)
        text = slice_from(number, float_text_f(codec_bits_double(key->bits), number));
    uint32_t symbol = evaluation_symbol(ev, text);
    const struct labels *full = label_set_with(ev, labels, values->label, symbol);
    struct values_entry *entry = evaluation_alloc(ev, 1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    *entry = (struct values_entry){*key, label_groups_add(&values->answers, full)};
    if (key->text.len > 0)
        entry->key.text = symbols_text(symbol);
    table_add(&values->entries, hash, entry);
    if (entry->index < values->columns.len)
        return &values->columns.items[entry->index];
    size_t steps = values->op.steps.count;
    struct values_column column = {evaluation_column(ev, steps), evaluation_bitmap(ev, steps)};
    if (column.counts == NULL || column.present == NULL)
        return NULL;
    for (size_t i = 0; i < steps; i++)
        column.counts[i] = 0;
    vec_push(&values->columns, column);
    return vec_last(&values->columns);
}

/* The bits of a float; the text of a histogram, which is valid until the next call. */
static uint64_t values_text(struct aggregate_values *values, const struct row *row, size_t step,
                            struct slice *out_text)
{
    *out_text = SLICE_EMPTY;
    const struct histogram *histogram = row_histogram(row, step);
    if (LIKELY(histogram == NULL))
        return codec_double_bits(row->values[step]);
    buf_reset(&values->text);
    histogram_print(histogram, &values->text);
    *out_text = buf_slice(&values->text);
    return 0;
}

static bool values_add(struct aggregate_values *values, const struct row *row)
{
    struct values_key key = {.base = label_groups_add(&values->bases, row->labels)};
    struct values_column *column = NULL;
    BITMAP_FOR_EACH(row->present, values->op.steps.count, i)
    {
        bool was_histogram = key.text.len > 0;
        uint64_t bits = values_text(values, row, i, &key.text);
        if (column == NULL || bits != key.bits || was_histogram || key.text.len > 0) {
            key.bits = bits;
            uint64_t hash = hash_slice(key.text, hash_mix(hash_mix(0, key.base), bits));
            const struct values_entry *entry =
                table_get(&values->entries, hash, entry_has_key, &key);
            column = entry != NULL ? &values->columns.items[entry->index]
                                   : values_make(values, row->labels, &key, hash);
            if (column == NULL || !evaluation_check(values->op.ev, 8))
                return false;
        }
        column->counts[i]++;
        promql_bitmap_set(column->present, i);
    }
    return true;
}

static bool values_next(struct operator* op, struct row *out)
{
    struct aggregate_values *values = (struct aggregate_values *)op;
    struct row row;
    while (!values->is_gathered && operator_next(op->children[0], &row)) {
        if (!values_add(values, &row))
            return false;
    }
    values->is_gathered = true;
    if (op->ev->error != ERR_NONE || values->at == values->columns.len)
        return false;
    size_t index = values->at++;
    *out = (struct row){.labels = values->answers.items.items[index]->labels,
                        .values = values->columns.items[index].counts,
                        .present = values->columns.items[index].present};
    return true;
}

static void values_release(struct operator* op)
{
    struct aggregate_values *values = (struct aggregate_values *)op;
    label_groups_release(&values->bases);
    label_groups_release(&values->answers);
    table_release(&values->entries);
    vec_release(&values->columns);
    buf_release(&values->text);
}

static const struct operator_methods values_methods = {
    .name = "count_values",
    .start = values_start,
    .next = values_next,
    .release = values_release,
};

/* The groups of the answer have the value's label too; those of the base never. */
static void values_init_groups(struct aggregate_values *values, const struct node *node)
{
    struct evaluation *ev = values->op.ev;
    struct label_grouping grouping = aggregation_grouping(ev, node);
    size_t count = grouping.names.count;
    uint32_t *symbols = arena_alloc_array(&ev->scratch, count + 1, sizeof(*symbols));
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (grouping.names.symbols[i] != values->label)
            symbols[kept++] = grouping.names.symbols[i];
    }
    struct label_grouping base = grouping, answer = grouping;
    base.names = (struct label_names){symbols, kept};
    if (grouping.without) {
        symbols[base.names.count++] = values->label;
    } else {
        symbols[kept] = values->label;
        answer.names = (struct label_names){symbols, kept + 1};
    }
    label_groups_init(&values->bases, ev, &base);
    label_groups_init(&values->answers, ev, &answer);
    aggregation_describe(&values->op, &answer);
}

struct operator* aggregate_values_new(struct evaluation *ev, const struct node *node,
                                      struct operator* child, struct slice label)
{
    if (!labels_name_valid_utf8(label)) {
        struct buf CLEANUP(buf_release) text;
        buf_init(&text, 4096);
        quote_go(label, &text);
        evaluation_fail(ev, ERR_EXECUTION, "invalid label name %s", buf_cstr(&text));
        return NULL;
    }
    ASSERT(child != NULL);
    struct aggregate_values *values = operator_new(ev, sizeof(*values), &values_methods, node, 1);
    values->op.children[0] = child;
    values->label = evaluation_symbol(ev, label);
    table_init(&values->entries);
    buf_init(&values->text, HISTOGRAM_TEXT_MAX);
    values_init_groups(values, node);
    return &values->op;
}
