/* Binary min-heap with movable items. */
#include "base/heap.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/vec.h"

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

void heap_release(struct heap *heap)
{
    if (heap == NULL)
        return;
    mem_free(heap->items);
    heap_init(heap);
}

static void heap_set(struct heap *heap, size_t at, struct heap_item *item)
{
    heap->items[at] = item;
    item->index = at + 1;
}

static void heap_sift_up(struct heap *heap, size_t at)
{
    struct heap_item *item = heap->items[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (heap->items[parent]->key <= item->key)
            break;
        heap_set(heap, at, heap->items[parent]);
        at = parent;
    }
    heap_set(heap, at, item);
}

static void heap_sift_down(struct heap *heap, size_t at)
{
    struct heap_item *item = heap->items[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->len)
            break;
        if (child + 1 < heap->len && heap->items[child + 1]->key < heap->items[child]->key)
            child++;
        if (item->key <= heap->items[child]->key)
            break;
        heap_set(heap, at, heap->items[child]);
        at = child;
    }
    heap_set(heap, at, item);
}

void heap_push(struct heap *heap, struct heap_item *item, int64_t key)
{
    ASSERT(item->index == 0);
    vec_reserve(heap, 1);
    item->key = key;
    heap_set(heap, heap->len++, item);
    heap_sift_up(heap, heap->len - 1);
}

struct heap_item *heap_peek(const struct heap *heap)
{
    return heap->len == 0 ? NULL : heap->items[0];
}

struct heap_item *heap_pop(struct heap *heap)
{
    struct heap_item *item = heap_peek(heap);
    if (item != NULL)
        heap_remove(heap, item);
    return item;
}

void heap_update(struct heap *heap, struct heap_item *item, int64_t key)
{
    ASSERT(item->index > 0 && item->index <= heap->len);
    size_t at = item->index - 1;
    item->key = key;
    heap_sift_up(heap, at);
    heap_sift_down(heap, item->index - 1);
}

void heap_remove(struct heap *heap, struct heap_item *item)
{
    if (item->index == 0)
        return;
    size_t at = item->index - 1;
    ASSERT(at < heap->len && heap->items[at] == item);
    item->index = 0;
    struct heap_item *last = heap->items[--heap->len];
    if (last == item)
        return;
    heap_set(heap, at, last);
    heap_sift_up(heap, at);
    heap_sift_down(heap, last->index - 1);
}
