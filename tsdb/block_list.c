/* Lists are short, so everything is a plain loop. */
#include "tsdb/block_list.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

static int block_compare(const void *a, const void *b)
{
    const struct block_meta *x = block_meta(*(struct block *const *)a);
    const struct block_meta *y = block_meta(*(struct block *const *)b);
    if (x->min_ms != y->min_ms)
        return x->min_ms < y->min_ms ? -1 : 1;
    if (x->max_ms != y->max_ms)
        return x->max_ms < y->max_ms ? -1 : 1;
    return strcmp(x->ulid.text, y->ulid.text);
}

static struct block_list *list_new(size_t capacity, int64_t head_from_ms)
{
    struct block_list *list = mem_zalloc(sizeof(*list) + capacity * sizeof(list->blocks[0]));
    list->reference_count = 1;
    list->head_from_ms = head_from_ms;
    return list;
}

static void list_add(struct block_list *list, struct block *block)
{
    list->blocks[list->count++] = block_ref(block);
}

static void list_sort(struct block_list *list)
{
    if (list->count > 1)
        qsort(list->blocks, list->count, sizeof(list->blocks[0]), block_compare);
}

struct block_list *block_list_new(struct block *const *blocks, size_t count, int64_t head_from_ms)
{
    struct block_list *list = list_new(count, head_from_ms);
    for (size_t i = 0; i < count; i++)
        list_add(list, blocks[i]);
    list_sort(list);
    return list;
}

struct block_list *block_list_change(const struct block_list *list, struct block *const *gone,
                                     size_t gone_count, struct block *const *added,
                                     size_t added_count, int64_t head_from_ms)
{
    ASSERT(head_from_ms >= list->head_from_ms);
    struct block_list *changed = list_new(list->count + added_count, head_from_ms);
    for (size_t i = 0; i < list->count; i++) {
        bool stays = true;
        for (size_t k = 0; k < gone_count; k++)
            stays = stays && gone[k] != list->blocks[i];
        if (stays)
            list_add(changed, list->blocks[i]);
    }
    for (size_t i = 0; i < added_count; i++)
        list_add(changed, added[i]);
    list_sort(changed);
    return changed;
}

struct block_list *block_list_ref(struct block_list *list)
{
    list->reference_count++;
    return list;
}

void block_list_unref(struct block_list *list)
{
    if (list == NULL || --list->reference_count > 0)
        return;
    for (size_t i = 0; i < list->count; i++)
        block_unref(list->blocks[i]);
    mem_free(list);
}

uint64_t block_list_bytes(const struct block_list *list)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < list->count; i++)
        bytes += block_size_bytes(list->blocks[i]);
    return bytes;
}

int64_t block_list_min_ms(const struct block_list *list)
{
    return list->count == 0 ? INT64_MAX : block_meta(list->blocks[0])->min_ms;
}

int64_t block_list_cut_ms(const struct block_list *list)
{
    int64_t cut_ms = INT64_MIN;
    for (size_t i = 0; i < list->count; i++) {
        const struct block_meta *meta = block_meta(list->blocks[i]);
        if (!meta->out_of_order)
            cut_ms = MAX(cut_ms, meta->max_ms);
        else if (meta->partly_in_order)
            cut_ms = MAX(cut_ms, meta->in_order_max_ms);
    }
    return cut_ms;
}

bool block_overlaps(const struct block *block, int64_t min_ms, int64_t max_ms)
{
    const struct block_meta *meta = block_meta(block);
    return meta->min_ms <= max_ms && meta->max_ms > min_ms;
}

void block_shelf_init(struct block_shelf *shelf)
{
    mutex_init(&shelf->lock, LOCK_RANK_BLOCK_LIST);
    shelf->present = list_new(0, INT64_MIN);
    index_leaves_init(&shelf->leaves);
}

void block_shelf_release(struct block_shelf *shelf)
{
    for (size_t i = 0; i < shelf->present->count; i++)
        block_keep_pages(shelf->present->blocks[i], NULL);
    block_list_unref(shelf->present);
    shelf->present = NULL;
    index_leaves_release(&shelf->leaves);
    mutex_release(&shelf->lock);
}

struct block_list *block_shelf_take(struct block_shelf *shelf)
{
    MUTEX_GUARD(&shelf->lock);
    return block_list_ref(shelf->present);
}

void block_shelf_publish(struct block_shelf *shelf, struct block_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        block_keep_pages(list->blocks[i], &shelf->leaves);
    mutex_lock(&shelf->lock);
    struct block_list *before = shelf->present;
    shelf->present = list;
    mutex_unlock(&shelf->lock);
    /* closing files takes its time */
    block_list_unref(before);
}
