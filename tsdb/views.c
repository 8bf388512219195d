/*
 * What a query sees: the blocks that its time touches, and the head from where the blocks end.
 *
 * The view of the head registers first and the list of blocks is taken then. So whoever publishes a
 * list and waits until the views are gone that were open at that time knows that nobody reads the
 * head where the older list let it begin.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "tsdb/head_view.h"
#include "tsdb/merged_view.h"
#include "tsdb/querier.h"
#include "tsdb/tsdb_internal.h"

/* What a view over blocks needs until it is closed. */
struct view_blocks {
    struct tsdb *db;
    struct block_list *list; /* counted */
    struct block *by_part[]; /* NULL = the head */
};

static void view_closed(void *context)
{
    struct view_blocks *blocks = context;
    block_list_unref(blocks->list);
    mem_free(blocks);
}

/* What is not damaged is worth more than an error. */
static bool view_damaged(void *context, size_t part, const struct errbuf *err)
{
    struct view_blocks *blocks = context;
    struct block *block = blocks->by_part[part];
    if (block == NULL)
        return false;
    counter_inc(blocks->db->metrics.block_corruptions);
    log_error("A block is damaged; queries go on without what cannot be read of it",
              log_str("block", block_meta(block)->ulid.text), log_err(err));
    return true;
}

/* The blocks of samples that came out of order are the earlier parts: what is in order wins. */
static enum err open_parts(struct view_blocks *blocks, int64_t min_ms, int64_t max_ms,
                           struct merged_part *parts, size_t *count, struct errbuf *err)
{
    const struct block_list *list = blocks->list;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < list->count; i++) {
            struct block *block = list->blocks[i];
            const struct block_meta *meta = block_meta(block);
            if (meta->out_of_order != (pass == 0) || !block_overlaps(block, min_ms, max_ms))
                continue;
            struct merged_part *part = &parts[*count];
            *part = (struct merged_part){.min_ms = meta->min_ms, .max_ms = meta->max_ms - 1};
            enum err code =
                series_source_open(block_source(block), min_ms, max_ms, &part->view, err);
            if (code != ERR_NONE)
                return code;
            blocks->by_part[(*count)++] = block;
        }
    }
    return ERR_NONE;
}

/* From when on the head has something that the blocks have not. */
static int64_t head_part_min_ms(struct tsdb *db, const struct block_list *list)
{
    int64_t late_min_ms = db->head.late_min_ms;
    return MIN(late_min_ms, list->head_from_ms);
}

static enum err open_merged(struct tsdb *db, struct block_list *list, struct series_view *head,
                            int64_t min_ms, int64_t max_ms, struct series_view **out,
                            struct errbuf *err)
{
    struct view_blocks *blocks =
        mem_zalloc(sizeof(*blocks) + (list->count + 1) * sizeof(blocks->by_part[0]));
    blocks->db = db;
    blocks->list = list;
    struct merged_part *parts CLEANUP(mem_cleanup) =
        mem_alloc_array(list->count + 1, sizeof(*parts));
    size_t count = 0;
    enum err code = open_parts(blocks, min_ms, max_ms, parts, &count, err);
    int64_t head_min_ms = head_part_min_ms(db, list);
    if (code != ERR_NONE) {
        for (size_t i = 0; i < count; i++)
            series_view_close(parts[i].view);
        series_view_close(head);
        view_closed(blocks);
        return code;
    }
    if (head_min_ms <= max_ms)
        parts[count++] = (struct merged_part){head, head_min_ms, INT64_MAX};
    else
        series_view_close(head);
    *out = merged_view_new(&(struct merged_options){.parts = parts,
                                                    .count = count,
                                                    .damage = view_damaged,
                                                    .context = blocks,
                                                    .closed = view_closed});
    return ERR_NONE;
}

static bool any_overlaps(const struct block_list *list, int64_t min_ms, int64_t max_ms)
{
    for (size_t i = list->count; i > 0; i--) {
        if (block_overlaps(list->blocks[i - 1], min_ms, max_ms))
            return true;
    }
    return false;
}

enum err querier_open(struct tsdb *db, int64_t min_ms, int64_t max_ms, struct series_view **out,
                      struct errbuf *err)
{
    struct series_view *head = head_view_open(db, HEAD_SAMPLES_ALL);
    struct block_list *list = block_shelf_take(&db->shelf);
    head_view_begin_at(head, list->head_from_ms);
    if (any_overlaps(list, min_ms, max_ms))
        return open_merged(db, list, head, min_ms, max_ms, out, err);
    block_list_unref(list);
    *out = head;
    return ERR_NONE;
}

enum err tsdb_source_open(struct series_source *source, int64_t min_ms, int64_t max_ms,
                          struct series_view **out, struct errbuf *err)
{
    return querier_open((struct tsdb *)source, min_ms, max_ms, out, err);
}
