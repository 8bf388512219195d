/* What makes the index large: the tables of status/tsdb. */
#include "model/symbols.h"
#include "tsdb/tsdb_internal.h"

/* The largest rows, kept as a sorted array, since there are few. */
struct top_rows {
    struct tsdb_cardinality_row *rows;
    size_t count;
    size_t limit;
};

static void top_init(struct top_rows *top, size_t limit, struct arena *arena)
{
    *top = (struct top_rows){.limit = limit};
    top->rows = arena_alloc_array(arena, limit + 1, sizeof(*top->rows));
}

/* Would a row of this value be among them? */
static bool top_wants(const struct top_rows *top, uint64_t value)
{
    return top->count < top->limit || (top->limit > 0 && value > top->rows[top->count - 1].value);
}

static void top_add(struct top_rows *top, struct slice name, uint64_t value)
{
    size_t at = top->count;
    while (at > 0 && top->rows[at - 1].value < value) {
        top->rows[at] = top->rows[at - 1];
        at--;
    }
    top->rows[at] = (struct tsdb_cardinality_row){name, value};
    if (top->count < top->limit)
        top->count++;
}

struct cardinality_tables {
    struct top_rows by_metric;
    struct top_rows values_by_label;
    struct top_rows bytes_by_label;
    struct top_rows by_pair;
};

static void count_name(struct tsdb *db, uint32_t name, struct cardinality_tables *tables,
                       struct arena *arena)
{
    posting_values values = {0};
    postings_values(&db->head.postings, name, &values);
    bool metric = name == labels_name_symbol();
    uint64_t bytes = 0;
    for (size_t i = 0; i < values.len; i++) {
        struct slice text = symbols_text(values.items[i].symbol);
        uint64_t count = values.items[i].series_count;
        bytes += text.len;
        if (metric && top_wants(&tables->by_metric, count))
            top_add(&tables->by_metric, arena_slice(arena, text), count);
        if (top_wants(&tables->by_pair, count)) {
            char *pair =
                arena_printf(arena, "%.*s=%.*s", SLICE_ARG(symbols_text(name)), SLICE_ARG(text));
            top_add(&tables->by_pair, slice_str(pair), count);
        }
    }
    struct slice name_text = arena_slice(arena, symbols_text(name));
    if (top_wants(&tables->values_by_label, values.len))
        top_add(&tables->values_by_label, name_text, values.len);
    if (top_wants(&tables->bytes_by_label, bytes))
        top_add(&tables->bytes_by_label, name_text, bytes);
    vec_release(&values);
}

void tsdb_cardinality(struct tsdb *db, size_t limit, struct arena *arena,
                      struct tsdb_cardinality *out)
{
    struct cardinality_tables tables;
    top_init(&tables.by_metric, limit, arena);
    top_init(&tables.values_by_label, limit, arena);
    top_init(&tables.bytes_by_label, limit, arena);
    top_init(&tables.by_pair, limit, arena);
    struct reader reader;
    isolation_open_view(&db->head.isolation, &reader);
    posting_values names = {0};
    postings_names(&db->head.postings, &names);
    for (size_t i = 0; i < names.len; i++)
        count_name(db, names.items[i].symbol, &tables, arena);
    vec_release(&names);
    isolation_close_view(&db->head.isolation, &reader);
    *out = (struct tsdb_cardinality){
        .series_by_metric = tables.by_metric.rows,
        .series_by_metric_count = tables.by_metric.count,
        .values_by_label = tables.values_by_label.rows,
        .values_by_label_count = tables.values_by_label.count,
        .bytes_by_label = tables.bytes_by_label.rows,
        .bytes_by_label_count = tables.bytes_by_label.count,
        .series_by_pair = tables.by_pair.rows,
        .series_by_pair_count = tables.by_pair.count,
    };
}
