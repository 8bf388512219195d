/* Pages come from slabs of many, which are kept until the end. */
#include "tsdb/chunk_pool.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/chunk_run.h"
#include "tsdb/head_file.h"

#include <assert.h>

#define SLAB_PAGES 64

void chunk_pool_init(struct chunk_pool *pool)
{
    static_assert(sizeof(struct chunk_page) == CHUNK_PAGE_BYTES, "an address tells the page");
    *pool = (struct chunk_pool){.empty = NULL};
    mutex_init(&pool->lock, LOCK_RANK_TSDB_CHUNK_POOL);
}

void chunk_pool_release(struct chunk_pool *pool)
{
    for (size_t i = 0; i < pool->slabs.len; i++)
        mem_free(pool->slabs.items[i]);
    vec_release(&pool->slabs);
    mutex_release(&pool->lock);
}

size_t chunk_pool_memory(struct chunk_pool *pool)
{
    MUTEX_GUARD(&pool->lock);
    return pool->slabs.len * SLAB_PAGES * CHUNK_PAGE_BYTES;
}

static void slab_add_locked(struct chunk_pool *pool)
{
    /* one more, to begin at a multiple of a page's size */
    uint8_t *slab = mem_alloc((SLAB_PAGES + 1) * CHUNK_PAGE_BYTES);
    vec_push(&pool->slabs, slab);
    slab += CHUNK_PAGE_BYTES - (uintptr_t)slab % CHUNK_PAGE_BYTES;
    for (size_t i = SLAB_PAGES; i > 0; i--) {
        struct chunk_page *page = (struct chunk_page *)(void *)slab + i - 1;
        page->next = pool->empty;
        pool->empty = page;
    }
}

static struct chunk_page *page_take(struct chunk_pool *pool, struct head_file *file)
{
    mutex_lock(&pool->lock);
    if (pool->empty == NULL)
        slab_add_locked(pool);
    struct chunk_page *page = pool->empty;
    pool->empty = page->next;
    mutex_unlock(&pool->lock);
    page->file = head_file_ref(file);
    page->pool = pool;
    page->live = 1;
    page->used = 0;
    return page;
}

/* One of its chunks, or its filler, is gone. */
static void page_unref(struct chunk_page *page)
{
    ASSERT(page->live > 0);
    if (--page->live > 0)
        return;
    struct chunk_pool *pool = page->pool;
    head_file_unref(page->file);
    MUTEX_GUARD(&pool->lock);
    page->next = pool->empty;
    pool->empty = page;
}

struct chunk *chunk_filler_take(struct chunk_filler *filler, size_t count)
{
    size_t length = count >= CHUNK_RUN_SAMPLES_MIN ? 2 : count > CHUNK_SAMPLES_MAX ? 1 : 0;
    struct chunk_page *page = filler->pages[length];
    if (page == NULL || page->used == CHUNK_PAGE_CHUNKS) {
        if (page != NULL)
            page_unref(page);
        page = page_take(filler->pool, filler->file);
        filler->pages[length] = page;
    }
    page->live++;
    return &page->chunks[page->used++];
}

void chunk_filler_end(struct chunk_filler *filler)
{
    for (size_t i = 0; i < CHUNK_FILLER_LENGTHS; i++) {
        if (filler->pages[i] != NULL)
            page_unref(filler->pages[i]);
        filler->pages[i] = NULL;
    }
}

void chunk_pool_give_back(struct chunk *chunk)
{
    page_unref(chunk_page(chunk));
}
