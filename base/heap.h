/*
 * A binary min-heap of pointers, ordered by a 64-bit key (a due time, for example). Each element keeps
 * its own index through the holder's `struct heap_item`, so that it can be moved or removed.
 *
 * Thread-safety: none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in what is kept in a heap. */
struct heap_item {
    int64_t key;
    size_t index; /* place in the heap plus 1; 0 = in no heap */
};

struct heap {
    struct heap_item **items;
    size_t len;
    /* private */
    size_t cap;
};

void heap_init(struct heap *heap);
void heap_release(struct heap *heap); /* the items are the caller's */
void heap_push(struct heap *heap, struct heap_item *item, int64_t key);
/* The item with the smallest key, NULL when empty. */
struct heap_item *heap_peek(const struct heap *heap);
struct heap_item *heap_pop(struct heap *heap);
/* Gives an item that is in the heap another key. */
void heap_update(struct heap *heap, struct heap_item *item, int64_t key);
/* Takes it out; nothing happens when it is in no heap. */
void heap_remove(struct heap *heap, struct heap_item *item);
