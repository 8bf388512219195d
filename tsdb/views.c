/*
 * What a query sees: the blocks that its time touches, and the head from where the blocks end.
 *
 * The view of the head registers first and the list of blocks is taken then. So whoever publishes a
 * list and waits until the views are gone that were open at that time knows that nobody reads the
 * head where the older list let it begin.
 */
#include <stdlib.h>

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
    struct damage_book met;  /* by this view alone: its warnings */
    struct block *by_part[]; /* NULL = the head */
};

static void view_closed(void *context)
{
    struct view_blocks *blocks = context;
    block_list_unref(blocks->list);
    damage_book_release(&blocks->met);
    mem_free(blocks);
}

static void note_warning(struct view_blocks *blocks, const struct block *block,
                         const struct errbuf *err)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    buf_printf(&text,
               "incomplete: a damaged part of block %s is left out (%s); docs/backup.md says how to "
               "restore it",
               block_meta(block)->ulid.text, err->text);
    (void)damage_book_note(&blocks->met, buf_cstr(&text));
}

static void add_warning(void *context, const char *text, int64_t since_ms)
{
    struct text_list *list = context;
    list->items[list->count++] = slice_str(text);
}

static int text_compare(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorted, as several threads may have met them. */
static void view_warnings(void *context, struct arena *arena, struct text_list *out)
{
    struct view_blocks *blocks = context;
    struct slice texts[DAMAGE_BOOK_PLACES_MAX];
    struct text_list list = {.items = texts};
    uint64_t more;
    /* the texts stay until the view is closed */
    damage_book_visit(&blocks->met, add_warning, &list, &more);
    qsort(texts, list.count, sizeof(texts[0]), text_compare);
    out->items = arena_alloc_array(arena, list.count + 1, sizeof(*out->items));
    for (out->count = 0; out->count < list.count; out->count++)
        out->items[out->count] = arena_slice(arena, texts[out->count]);
    if (more > 0)
        out->items[out->count++] = SLICE("incomplete: more damaged parts of blocks are left out");
}

/* What is not damaged is worth more than an error. */
static bool view_damaged(void *context, size_t part, const struct errbuf *err)
{
    struct view_blocks *blocks = context;
    struct block *block = blocks->by_part[part];
    if (block == NULL)
        return false;
    note_warning(blocks, block, err);
    enum damage_news news = damage_book_note(&blocks->db->damages, err->text);
    if (news == DAMAGE_NEW)
        counter_inc(blocks->db->metrics.block_corruptions);
    if (news == DAMAGE_SAID)
        return true;
    log_error("A block is damaged; queries go on without what cannot be read of it",
              log_str("block", block_meta(block)->ulid.text), log_err(err));
    return true;
}

/* The parts of a view that is being opened. */
struct part_list {
    struct view_blocks *blocks;
    struct merged_part *parts;
    size_t count;
    int64_t min_ms;
    int64_t max_ms;
};

static enum err add_blocks(struct part_list *parts, bool out_of_order, struct errbuf *err)
{
    const struct block_list *list = parts->blocks->list;
    for (size_t i = 0; i < list->count; i++) {
        struct block *block = list->blocks[i];
        const struct block_meta *meta = block_meta(block);
        if (meta->out_of_order != out_of_order ||
            !block_overlaps(block, parts->min_ms, parts->max_ms))
            continue;
        struct merged_part *part = &parts->parts[parts->count];
        *part = (struct merged_part){.min_ms = meta->min_ms, .max_ms = meta->max_ms - 1};
        enum err code =
            series_source_open(block_source(block), parts->min_ms, parts->max_ms, &part->view, err);
        if (code != ERR_NONE)
            return code;
        parts->blocks->by_part[parts->count++] = block;
    }
    return ERR_NONE;
}

/* Takes over the view. */
static void add_head(struct part_list *parts, struct series_view **head, int64_t min_ms)
{
    parts->parts[parts->count++] = (struct merged_part){TAKE(*head), min_ms, INT64_MAX};
}

/* Where two have a sample of one time the later part wins: first those with samples that came out
 * of order, as in the head by itself. So the head may become two parts where it has such samples of
 * a time that blocks have. It is taken as far as it is needed. */
static enum err add_parts(struct part_list *parts, struct tsdb *db, struct series_view **head,
                          struct errbuf *err)
{
    int64_t from_ms = parts->blocks->list->head_from_ms;
    int64_t late_min_ms = db->head.late_min_ms;
    bool late = late_min_ms < from_ms && late_min_ms <= parts->max_ms;
    bool recent = from_ms <= parts->max_ms;
    enum err code = add_blocks(parts, true, err);
    if (code == ERR_NONE && late) {
        struct series_view *beside =
            recent ? head_view_open_beside(*head, HEAD_SAMPLES_LATE) : TAKE(*head);
        head_view_restrict(recent ? *head : beside,
                           recent ? HEAD_SAMPLES_IN_ORDER : HEAD_SAMPLES_LATE);
        add_head(parts, &beside, late_min_ms);
    }
    if (code == ERR_NONE)
        code = add_blocks(parts, false, err);
    if (code == ERR_NONE && recent)
        add_head(parts, head, from_ms);
    return code;
}

static enum err open_merged(struct tsdb *db, struct block_list *list, struct series_view *head,
                            int64_t min_ms, int64_t max_ms, struct series_view **out,
                            struct errbuf *err)
{
    struct view_blocks *blocks =
        mem_zalloc(sizeof(*blocks) + (list->count + 2) * sizeof(blocks->by_part[0]));
    blocks->db = db;
    blocks->list = list;
    damage_book_init(&blocks->met, db->clock);
    struct merged_part *memory CLEANUP(mem_cleanup) =
        mem_alloc_array(list->count + 2, sizeof(*memory));
    struct part_list parts = {blocks, memory, 0, min_ms, max_ms};
    enum err code = add_parts(&parts, db, &head, err);
    series_view_close(head); /* what no part took */
    if (code != ERR_NONE) {
        for (size_t i = 0; i < parts.count; i++)
            series_view_close(memory[i].view);
        view_closed(blocks);
        return code;
    }
    *out = merged_view_new(&(struct merged_options){.parts = memory,
                                                    .count = parts.count,
                                                    .damage = view_damaged,
                                                    .warnings = view_warnings,
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
