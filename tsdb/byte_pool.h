/*
 * Memory for the bytes of open chunks: very many runs that grow by a byte or two at a time. A run
 * is a ring of small blocks of which the owner keeps the last, so growing copies nothing, touches
 * one cache line, and leaves no holes of odd sizes behind.
 *
 *     owner ──▶ last block ──next──▶ first block ──▶ ... ──▶ last block
 *
 * Blocks come from slabs, which are kept until the end: closed chunks leave, new ones take their
 * place.
 *
 * Threads: changes under the commit lock and the lock of the run's owner; readers take the latter.
 */
#pragma once

#include "base/compiler.h"
#include "base/vec.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTE_BLOCK_DATA 24

struct byte_block {
    struct byte_block *next;
    uint8_t data[BYTE_BLOCK_DATA];
};

struct byte_pool {
    struct byte_block *free; /* list */
    struct byte_block *slab; /* the first block that was never used */
    size_t slab_left;
    VEC(void *) slabs;
};

void byte_pool_init(struct byte_pool *pool);
void byte_pool_release(struct byte_pool *pool);
size_t byte_pool_memory(const struct byte_pool *pool);

/* Appends where the last block has no room. */
void byte_run_append_slow(struct byte_pool *pool, struct byte_block **last, uint32_t *len,
                          const uint8_t *data, size_t data_len);

/* A run is (last block, length); NULL and 0 is the empty one. */
static inline void byte_run_append(struct byte_pool *pool, struct byte_block **last, uint32_t *len,
                                   const uint8_t *data, size_t data_len)
{
    uint32_t used = *len % BYTE_BLOCK_DATA;
    if (UNLIKELY(used == 0 || used + data_len > BYTE_BLOCK_DATA)) {
        byte_run_append_slow(pool, last, len, data, data_len);
        return;
    }
    uint8_t *to = (*last)->data + used;
    for (size_t i = 0; i < data_len; i++)
        to[i] = data[i];
    *len += (uint32_t)data_len;
}

/* Copies the first `count` bytes of a run. */
void byte_run_copy(const struct byte_block *last, size_t count, uint8_t *out);
/* Gives the blocks back. */
void byte_run_free(struct byte_pool *pool, struct byte_block **last, uint32_t *len);
