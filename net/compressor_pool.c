/* A small stack for each format. */
#include "net/compressor_pool.h"

void compressor_pool_init(struct compressor_pool *pool)
{
    *pool = (struct compressor_pool){0};
    mutex_init(&pool->lock, LOCK_RANK_HTTP_CONNECTION);
}

void compressor_pool_release(struct compressor_pool *pool)
{
    for (size_t format = 0; format < COMPRESSOR_FORMAT_COUNT; format++)
        while (pool->counts[format] > 0)
            compress_stream_free(pool->kept[format][--pool->counts[format]]);
    mutex_release(&pool->lock);
}

struct compress_stream *compressor_pool_take(struct compressor_pool *pool,
                                             enum compress_format format)
{
    struct compress_stream *stream = NULL;
    mutex_lock(&pool->lock);
    if (pool->counts[format] > 0)
        stream = pool->kept[format][--pool->counts[format]];
    mutex_unlock(&pool->lock);
    return stream == NULL ? compress_stream_new(format) : stream;
}

void compressor_pool_give(struct compressor_pool *pool, enum compress_format format,
                          struct compress_stream *stream)
{
    if (stream == NULL)
        return;
    compress_stream_reset(stream);
    mutex_lock(&pool->lock);
    if (pool->counts[format] < COMPRESSORS_KEPT_MAX) {
        pool->kept[format][pool->counts[format]++] = stream;
        stream = NULL;
    }
    mutex_unlock(&pool->lock);
    compress_stream_free(stream);
}
