#include "tsdb/block_copy.h"

#include "tsdb/bucket_order.h"

/* Series between two breaths. */
#define BREATH_SERIES 16384

struct copy_run {
    const struct block_copy *copy;
    struct sample_columns columns;
    size_t copied;
};

static bool is_stopped(const struct block_copy *copy)
{
    return copy->stop != NULL && *copy->stop;
}

static enum err copy_range(struct copy_run *run, const struct series_entry *entry, int64_t min_ms,
                           int64_t max_ms, struct errbuf *err)
{
    struct sample_columns *columns = &run->columns;
    enum err code = series_view_read(run->copy->view, entry, min_ms, max_ms, columns, err);
    if (code == ERR_NONE && columns->count > 0)
        block_writer_samples(run->copy->writer, columns);
    return code;
}

/* Piece by piece, each up to the next split. */
static enum err copy_pieces(struct copy_run *run, const struct series_entry *entry,
                            struct errbuf *err)
{
    const struct block_copy *copy = run->copy;
    int64_t from_ms = copy->query.min_ms;
    enum err code = ERR_NONE;
    for (size_t i = 0; i < copy->split_count && code == ERR_NONE; i++) {
        int64_t split_ms = copy->splits_ms[i];
        if (split_ms <= from_ms || split_ms > copy->query.max_ms)
            continue;
        code = copy_range(run, entry, from_ms, split_ms - 1, err);
        from_ms = split_ms;
    }
    return code == ERR_NONE ? copy_range(run, entry, from_ms, copy->query.max_ms, err) : code;
}

static enum err copy_one(struct copy_run *run, const struct series_entry *entry, bool related,
                         struct errbuf *err)
{
    const struct block_copy *copy = run->copy;
    if (++run->copied % BREATH_SERIES == 0 && copy->breathe != NULL)
        copy->breathe(copy->breathe_context);
    if (is_stopped(copy))
        return errbuf_set(err, ERR_CANCELED, "the storage is being closed");
    if (related)
        block_writer_relative(copy->writer, entry->labels);
    else
        block_writer_series(copy->writer, entry->labels);
    return copy_pieces(run, entry, err);
}

/* What failed in the writer is said by block_writer_finish. */
static enum err copy_in_order(struct copy_run *run, const struct series_entry *entries,
                              size_t count, struct errbuf *err)
{
    enum err code = ERR_NONE;
    for (size_t i = 0; i < count && code == ERR_NONE && !block_writer_failed(run->copy->writer);
         i++)
        code = copy_one(run, &entries[i], false, err);
    return code;
}

/* The buckets of one histogram after those of another. */
static enum err copy_buckets(struct copy_run *run, const bucket_places *places, struct errbuf *err)
{
    struct block_writer *writer = run->copy->writer;
    enum err code = ERR_NONE;
    block_writer_begin_unsorted(writer);
    for (size_t i = 0; i < places->len && code == ERR_NONE && !block_writer_failed(writer); i++)
        code = copy_one(run, places->items[i].entry, places->items[i].related, err);
    block_writer_end_unsorted(writer);
    return code;
}

static enum err copy_list(struct copy_run *run, const struct series_list *list, struct errbuf *err)
{
    bucket_places places = {0};
    enum err code = ERR_NONE;
    for (size_t from = 0; from < list->entries.len && code == ERR_NONE;) {
        const struct series_entry *entries = list->entries.items + from;
        bool buckets;
        size_t count = bucket_order_metric(entries, list->entries.len - from, &buckets);
        if (buckets)
            bucket_order_make(entries, count, &places);
        code = buckets ? copy_buckets(run, &places, err) : copy_in_order(run, entries, count, err);
        from += count;
    }
    vec_release(&places);
    return code;
}

enum err block_copy_series(const struct block_copy *copy, size_t *out_series, struct errbuf *err)
{
    struct series_query query = copy->query;
    struct series_list CLEANUP(series_list_release) list = {0};
    query.sorted = true;
    enum err code = series_view_select(copy->view, &query, &list, err);
    struct copy_run run = {.copy = copy};
    sample_columns_init(&run.columns);
    if (out_series != NULL)
        *out_series = list.entries.len;
    if (code == ERR_NONE)
        code = copy_list(&run, &list, err);
    sample_columns_release(&run.columns);
    /* the view may be closed now, and with it the labels go */
    block_writer_series(copy->writer, NULL);
    return code;
}
