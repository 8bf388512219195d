/* Encoding needs no lock, since closed chunks do not change and only the holder of the maintenance
 * lock takes them out; putting the new one into the list takes the series' lock for a moment. */
#include "tsdb/head_seal.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/group.h"
#include "tsdb/time_column.h"
#include "tsdb/value_chunk.h"

#include <stdlib.h>

/* A file is begun for so many chunks, or a sixteenth of those that are sealed: few files, whatever
 * the size. */
#define SEAL_CHUNKS_MIN 4096
#define SEAL_CHUNKS_MAX 65536
#define SEAL_CHUNKS_SHARE 16
/* A file is closed at about this many bytes: a fraction of a second's work, since the log is synced
 * by the same thread. */
#define SEAL_FILE_BYTES ((size_t)8 << 20)

struct seal_item {
    struct series *series;
    struct chunk *old;
    size_t offset;
    uint32_t len;
    uint16_t count;
    uint8_t kind;
};

struct seal {
    struct head *head;
    struct buf bytes; /* of the file */
    VEC(struct seal_item) items;
    struct sample_columns columns; /* scratch */
};

/* What was replaced; to be freed when the readers of now are gone. */
struct replaced_chunks {
    size_t count;
    struct chunk *chunks[];
};

static void replaced_free(void *freed)
{
    struct replaced_chunks *replaced = freed;
    for (size_t i = 0; i < replaced->count; i++)
        chunk_free(replaced->chunks[i]);
    mem_free(replaced);
}

bool head_seal_is_due(struct head *head, struct mutex *commit_lock)
{
    uint64_t due = head->sealed_count / SEAL_CHUNKS_SHARE;
    due = MIN(MAX(due, (uint64_t)SEAL_CHUNKS_MIN), (uint64_t)SEAL_CHUNKS_MAX);
    MUTEX_GUARD(commit_lock);
    return head->unsealed.len >= due;
}

/* Decoded samples as a value chunk, where they are what such a chunk can hold. */
static bool encode_floats(struct seal *seal, const struct chunk *chunk, struct seal_item *item)
{
    if (chunk->kind != CHUNK_ROWS && chunk->kind != CHUNK_LOOSE)
        return false;
    struct sample_columns *columns = &seal->columns;
    vec_reset(&columns->timestamp_memory);
    vec_reset(&columns->value_memory);
    struct chunk_span span = chunk_span(chunk, WATERMARK_NONE);
    if (chunk_read(&span, INT64_MIN, INT64_MAX, 0, columns) != ERR_NONE)
        return false; /* it is kept as it is, and whoever reads it is told */
    size_t count = columns->value_memory.len;
    bool rows = chunk->kind == CHUNK_ROWS;
    if (count == 0 || (rows && count != (size_t)(chunk->count - chunk->row_first)))
        return false; /* there are gaps */
    if (!rows)
        time_column_encode(columns->timestamp_memory.items, count, &seal->bytes);
    value_chunk_encode(columns->value_memory.items, count, &seal->bytes);
    item->kind = rows ? CHUNK_SEALED_ROWS : CHUNK_SEALED_LOOSE;
    item->count = rows ? chunk->count : (uint16_t)count;
    return true;
}

static void seal_series(struct seal *seal, struct series *series)
{
    /* newest first: behind a sealed one all are */
    for (struct chunk *chunk = series->closed; chunk != NULL && chunk->file == NULL;
         chunk = chunk->next) {
        struct seal_item item = {.series = series,
                                 .old = chunk,
                                 .offset = seal->bytes.len,
                                 .kind = chunk->kind,
                                 .count = chunk->count};
        if (!encode_floats(seal, chunk, &item))
            buf_append(&seal->bytes, chunk->bytes, chunk->len);
        item.len = (uint32_t)(seal->bytes.len - item.offset);
        vec_push(&seal->items, item);
    }
}

static void seal_replace(struct head *head, const struct seal_item *item, struct head_file *file)
{
    struct chunk *old = item->old;
    struct chunk *sealed =
        chunk_new_in_file((enum chunk_kind)item->kind, old->column, file, item->offset, item->len);
    sealed->count = item->count;
    sealed->row_first = old->row_first;
    sealed->min_ms = old->min_ms;
    sealed->max_ms = old->max_ms;
    size_t size_old = chunk_size(old);
    struct sample_group *group;
    struct mutex *lock = group_lock_series(head, item->series, &group);
    _Atomic(struct chunk *) *link = &item->series->closed;
    while (*link != old)
        link = &((struct chunk *)*link)->next;
    sealed->next = (struct chunk *)old->next;
    *link = sealed;
    mutex_unlock(lock);
    head->chunk_bytes += chunk_size(sealed);
    head->chunk_bytes -= size_old;
    head->sealed_count++;
    head->sealed_total++;
}

/* Writes what was gathered and puts it in place. */
static enum err seal_flush(struct seal *seal, struct head_files *files, struct errbuf *err)
{
    if (seal->items.len == 0)
        return ERR_NONE;
    struct head_file *file = NULL;
    enum err result = head_files_add(files, buf_slice(&seal->bytes), &file, err);
    if (result != ERR_NONE)
        return result;
    size_t count = seal->items.len;
    struct replaced_chunks *replaced =
        mem_alloc(sizeof(*replaced) + count * sizeof(replaced->chunks[0]));
    replaced->count = count;
    for (size_t i = 0; i < count; i++) {
        seal_replace(seal->head, &seal->items.items[i], file);
        replaced->chunks[i] = seal->items.items[i].old;
    }
    isolation_retire(&seal->head->isolation, replaced, replaced_free);
    vec_reset(&seal->items);
    return ERR_NONE;
}

static void seal_begin(struct seal *seal)
{
    static const char room[HEAD_FILE_HEADER_SIZE];
    buf_reset(&seal->bytes);
    buf_append(&seal->bytes, room, sizeof(room));
}

typedef VEC(series_ref) seal_queue;

/* Those from `from` on wait for another time. */
static void queue_return(struct head *head, struct mutex *commit_lock, const seal_queue *queue,
                         size_t from)
{
    MUTEX_GUARD(commit_lock);
    for (size_t i = from; i < queue->len; i++)
        vec_push(&head->unsealed, queue->items[i]);
}

static int by_ref(const void *a, const void *b)
{
    series_ref x = *(const series_ref *)a;
    series_ref y = *(const series_ref *)b;
    return (x > y) - (x < y);
}

/* Each series once, in the order in which queries ask for them. */
static void queue_take(struct head *head, struct mutex *commit_lock, seal_queue *out)
{
    mutex_lock(commit_lock);
    out->items = head->unsealed.items;
    out->len = head->unsealed.len;
    out->cap = head->unsealed.cap;
    head->unsealed.items = NULL;
    head->unsealed.len = head->unsealed.cap = 0;
    mutex_unlock(commit_lock);
    if (out->len == 0)
        return;
    qsort(out->items, out->len, sizeof(*out->items), by_ref);
    size_t kept = 1;
    for (size_t i = 1; i < out->len; i++) {
        if (out->items[i] != out->items[kept - 1])
            out->items[kept++] = out->items[i];
    }
    out->len = kept;
}

/* Seals as many series as a file takes; *out_end is the first that is not. */
static enum err seal_file(struct seal *seal, struct head_files *files, const seal_queue *queue,
                          size_t *out_end, struct errbuf *err)
{
    struct reader reader;
    isolation_open_view(&seal->head->isolation, &reader);
    seal_begin(seal);
    size_t at = 0;
    for (; at < queue->len && seal->bytes.len < SEAL_FILE_BYTES; at++) {
        struct series *series = head_series(seal->head, queue->items[at]);
        if (series != NULL)
            seal_series(seal, series);
    }
    enum err result = seal_flush(seal, files, err);
    isolation_close_view(&seal->head->isolation, &reader);
    *out_end = result == ERR_NONE ? at : 0;
    return result;
}

enum err head_seal(struct head *head, struct mutex *commit_lock, struct head_files *files,
                   struct errbuf *err)
{
    struct seal seal = {.head = head};
    buf_init(&seal.bytes, HEAD_FILE_BYTES_MAX);
    sample_columns_init(&seal.columns);
    seal_queue queue = {0};
    queue_take(head, commit_lock, &queue);
    size_t done = 0;
    enum err result = queue.len == 0 ? ERR_NONE : seal_file(&seal, files, &queue, &done, err);
    if (done < queue.len)
        queue_return(head, commit_lock, &queue, done);
    vec_release(&queue);
    vec_release(&seal.items);
    sample_columns_release(&seal.columns);
    buf_release(&seal.bytes);
    return result;
}
