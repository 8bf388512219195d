#include "tsdb/block_copy.h"

/* Series between two breaths. */
#define BREATH_SERIES 16384

static bool is_stopped(const struct block_copy *copy)
{
    return copy->stop != NULL && *copy->stop;
}

static enum err copy_range(const struct block_copy *copy, const struct series_entry *entry,
                           int64_t min_ms, int64_t max_ms, struct sample_columns *columns,
                           struct errbuf *err)
{
    enum err code = series_view_read(copy->view, entry, min_ms, max_ms, columns, err);
    if (code == ERR_NONE && columns->count > 0)
        block_writer_samples(copy->writer, columns);
    return code;
}

/* Piece by piece, each up to the next split. */
static enum err copy_one(const struct block_copy *copy, const struct series_entry *entry,
                         struct sample_columns *columns, struct errbuf *err)
{
    int64_t from_ms = copy->query.min_ms;
    enum err code = ERR_NONE;
    block_writer_series(copy->writer, entry->labels);
    for (size_t i = 0; i < copy->split_count && code == ERR_NONE; i++) {
        int64_t split_ms = copy->splits_ms[i];
        if (split_ms <= from_ms || split_ms > copy->query.max_ms)
            continue;
        code = copy_range(copy, entry, from_ms, split_ms - 1, columns, err);
        from_ms = split_ms;
    }
    return code == ERR_NONE ? copy_range(copy, entry, from_ms, copy->query.max_ms, columns, err)
                            : code;
}

enum err block_copy_series(const struct block_copy *copy, size_t *out_series, struct errbuf *err)
{
    struct series_query query = copy->query;
    struct series_list CLEANUP(series_list_release) list = {0};
    query.sorted = true;
    enum err code = series_view_select(copy->view, &query, &list, err);
    struct sample_columns CLEANUP(sample_columns_release) columns;
    sample_columns_init(&columns);
    if (out_series != NULL)
        *out_series = list.entries.len;
    for (size_t i = 0; i < list.entries.len && code == ERR_NONE; i++) {
        /* what failed is said by block_writer_finish */
        if (block_writer_failed(copy->writer))
            break;
        if (i % BREATH_SERIES == BREATH_SERIES - 1 && copy->breathe != NULL)
            copy->breathe(copy->breathe_context);
        if (is_stopped(copy))
            code = errbuf_set(err, ERR_CANCELED, "the storage is being closed");
        else
            code = copy_one(copy, &list.entries.items[i], &columns, err);
    }
    /* the view may be closed now, and with it the labels go */
    block_writer_series(copy->writer, NULL);
    return code;
}
