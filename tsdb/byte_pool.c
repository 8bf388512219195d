/* One size of block, so what one run gives back fits all others. */
#include "tsdb/byte_pool.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <assert.h>

#define SLAB_BLOCKS 2048

void byte_pool_init(struct byte_pool *pool)
{
    static_assert(sizeof(struct byte_block) == 32, "two blocks are a cache line");
    memset(pool, 0, sizeof(*pool));
}

void byte_pool_release(struct byte_pool *pool)
{
    for (size_t i = 0; i < pool->slabs.len; i++)
        mem_free(pool->slabs.items[i]);
    vec_release(&pool->slabs);
}

size_t byte_pool_memory(const struct byte_pool *pool)
{
    return pool->slabs.len * SLAB_BLOCKS * sizeof(struct byte_block);
}

static struct byte_block *block_take(struct byte_pool *pool)
{
    struct byte_block *block = pool->free;
    if (block != NULL) {
        pool->free = block->next;
        return block;
    }
    if (pool->slab_left == 0) {
        /* one more, to begin at a multiple of the block's size */
        uint8_t *slab = mem_alloc((SLAB_BLOCKS + 1) * sizeof(struct byte_block));
        vec_push(&pool->slabs, slab);
        size_t odd = (uintptr_t)slab % sizeof(struct byte_block);
        slab += odd == 0 ? 0 : sizeof(struct byte_block) - odd;
        pool->slab = (struct byte_block *)(void *)slab;
        pool->slab_left = SLAB_BLOCKS;
    }
    pool->slab_left--;
    return pool->slab++;
}

void byte_run_append_slow(struct byte_pool *pool, struct byte_block **last, uint32_t *len,
                          const uint8_t *data, size_t data_len)
{
    while (data_len > 0) {
        uint32_t used = *len % BYTE_BLOCK_DATA;
        if (used == 0) {
            struct byte_block *block = block_take(pool);
            if (*len == 0) {
                block->next = block;
            } else {
                block->next = (*last)->next;
                (*last)->next = block;
            }
            *last = block;
        }
        size_t taken = MIN(data_len, (size_t)(BYTE_BLOCK_DATA - used));
        memcpy((*last)->data + used, data, taken);
        *len += (uint32_t)taken;
        data += taken;
        data_len -= taken;
    }
}

void byte_run_copy(const struct byte_block *last, size_t count, uint8_t *out)
{
    const struct byte_block *block = last;
    while (count > 0) {
        block = block->next;
        size_t taken = MIN(count, (size_t)BYTE_BLOCK_DATA);
        memcpy(out, block->data, taken);
        out += taken;
        count -= taken;
    }
}

void byte_run_free(struct byte_pool *pool, struct byte_block **last, uint32_t *len)
{
    if (*len == 0)
        return;
    struct byte_block *first = (*last)->next;
    (*last)->next = pool->free;
    pool->free = first;
    *last = NULL;
    *len = 0;
}
