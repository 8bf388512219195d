/* What makes the index large: the tables of status/tsdb. Texts are made of what is left at the end,
 * since a row may be one of the largest for a while only. */
#include "base/alloc.h"
#include "model/symbols.h"
#include "tsdb/tsdb_internal.h"

/* A label, or a pair; the postings hold the symbols while the reader is open. */
struct top_row {
    uint32_t name;
    uint32_t value; /* SYMBOL_NONE: a name alone */
    uint64_t amount;
};

/* The largest rows, kept as a sorted array, since there are few. */
struct top_rows {
    struct top_row *rows;
    size_t count;
    size_t limit;
};

static void top_init(struct top_rows *top, size_t limit)
{
    *top = (struct top_rows){.limit = limit};
    top->rows = mem_alloc_array(limit + 1, sizeof(*top->rows));
}

static void top_add(struct top_rows *top, uint32_t name, uint32_t value, uint64_t amount)
{
    size_t at = top->count;
    if (at == top->limit && (at == 0 || amount <= top->rows[at - 1].amount))
        return;
    while (at > 0 && top->rows[at - 1].amount < amount) {
        top->rows[at] = top->rows[at - 1];
        at--;
    }
    top->rows[at] = (struct top_row){name, value, amount};
    if (top->count < top->limit)
        top->count++;
}

enum top_text { TOP_NAME, TOP_VALUE, TOP_PAIR };

/* The rows with their texts; frees what they were. */
static struct tsdb_cardinality_row *top_take(struct top_rows *top, enum top_text text,
                                             struct arena *arena)
{
    struct tsdb_cardinality_row *rows = arena_alloc_array(arena, top->count, sizeof(*rows));
    for (size_t i = 0; i < top->count; i++) {
        const struct top_row *row = &top->rows[i];
        struct slice name = symbols_text(row->name);
        struct slice value = row->value == SYMBOL_NONE ? SLICE_EMPTY : symbols_text(row->value);
        rows[i].value = row->amount;
        if (text == TOP_PAIR)
            rows[i].name =
                slice_str(arena_printf(arena, "%.*s=%.*s", SLICE_ARG(name), SLICE_ARG(value)));
        else
            rows[i].name = arena_slice(arena, text == TOP_NAME ? name : value);
    }
    mem_free(top->rows);
    return rows;
}

struct cardinality_tables {
    struct top_rows by_metric;
    struct top_rows values_by_label;
    struct top_rows bytes_by_label;
    struct top_rows by_pair;
};

static void count_name(struct tsdb *db, uint32_t name, struct cardinality_tables *tables)
{
    posting_values values = {0};
    postings_values(&db->head.postings, name, &values);
    bool metric = name == labels_name_symbol();
    uint64_t bytes = 0;
    for (size_t i = 0; i < values.len; i++) {
        uint32_t value = values.items[i].symbol;
        uint64_t count = values.items[i].series_count;
        bytes += symbols_text(value).len;
        if (metric)
            top_add(&tables->by_metric, name, value, count);
        top_add(&tables->by_pair, name, value, count);
    }
    top_add(&tables->values_by_label, name, SYMBOL_NONE, values.len);
    top_add(&tables->bytes_by_label, name, SYMBOL_NONE, bytes);
    vec_release(&values);
}

void tsdb_cardinality(struct tsdb *db, size_t limit, struct arena *arena,
                      struct tsdb_cardinality *out)
{
    struct cardinality_tables tables;
    top_init(&tables.by_metric, limit);
    top_init(&tables.values_by_label, limit);
    top_init(&tables.bytes_by_label, limit);
    top_init(&tables.by_pair, limit);
    struct reader reader;
    isolation_open_view(&db->head.isolation, &reader);
    posting_values names = {0};
    postings_names(&db->head.postings, &names);
    for (size_t i = 0; i < names.len; i++)
        count_name(db, names.items[i].symbol, &tables);
    vec_release(&names);
    *out = (struct tsdb_cardinality){
        .series_by_metric = top_take(&tables.by_metric, TOP_VALUE, arena),
        .series_by_metric_count = tables.by_metric.count,
        .values_by_label = top_take(&tables.values_by_label, TOP_NAME, arena),
        .values_by_label_count = tables.values_by_label.count,
        .bytes_by_label = top_take(&tables.bytes_by_label, TOP_NAME, arena),
        .bytes_by_label_count = tables.bytes_by_label.count,
        .series_by_pair = top_take(&tables.by_pair, TOP_PAIR, arena),
        .series_by_pair_count = tables.by_pair.count,
    };
    isolation_close_view(&db->head.isolation, &reader);
}
