/* Encoding needs no lock, since closed chunks do not change and only the holder of the maintenance
 * lock takes them out; putting the new one into the list takes the series' lock for a moment. */
#include "tsdb/head_seal.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/chunk_run.h"
#include "tsdb/group.h"
#include "tsdb/time_column.h"
#include "tsdb/value_chunk.h"

#include <stdlib.h>

/* A file is begun for so many chunks, or a sixteenth of those that are sealed: few files, and little
 * that waits, which takes ten times the memory that it takes sealed. */
#define SEAL_CHUNKS_MIN 4096
#define SEAL_CHUNKS_MAX 8192
#define SEAL_CHUNKS_SHARE 16
/* A file is closed at about this many bytes: a fraction of a second of work, for which a
 * head cut waits. */
#define SEAL_FILE_BYTES ((size_t)8 << 20)

/* A chunk that takes the place of one or more. */
struct seal_item {
    struct series *series;
    struct chunk *newest;
    struct time_column *column; /* rows; borrowed */
    size_t offset;
    int64_t min_ms;
    uint32_t replaced;
    uint32_t len;
    uint16_t count;
    uint8_t kind;
    uint8_t row_first;
};

struct seal {
    struct head *head;
    struct buf bytes; /* of the file */
    VEC(struct seal_item) items;
    VEC(struct chunk *) replaced;
    struct chunk_run_columns merged;
    struct sample_columns columns; /* scratch */
};

/* What was replaced; to be freed when the readers of now are gone. */
struct replaced_chunks {
    struct chunk **chunks;
    size_t count;
};

static void replaced_free(void *freed)
{
    struct replaced_chunks *replaced = freed;
    for (size_t i = 0; i < replaced->count; i++)
        chunk_free(replaced->chunks[i]);
    mem_free(replaced->chunks);
    mem_free(replaced);
}

bool head_seal_is_due(struct head *head, struct mutex *commit_lock)
{
    uint64_t due = head->sealed_count / SEAL_CHUNKS_SHARE;
    due = MIN(MAX(due, (uint64_t)SEAL_CHUNKS_MIN), (uint64_t)SEAL_CHUNKS_MAX);
    MUTEX_GUARD(commit_lock);
    return head->unsealed.len >= due;
}

/* Decodes the run, oldest first; false when it is not what a value chunk can hold. */
static bool decode_run(struct seal *seal, const struct chunk_run *run, bool rows)
{
    struct sample_columns *columns = &seal->columns;
    vec_reset(&columns->timestamp_memory);
    vec_reset(&columns->value_memory);
    for (size_t i = run->count; i > 0; i--) {
        const struct chunk *chunk = run->chunks[i - 1];
        size_t before = columns->value_memory.len;
        struct chunk_span span = chunk_span(chunk, WATERMARK_NONE);
        if (chunk_read(&span, INT64_MIN, INT64_MAX, 0, columns) != ERR_NONE)
            return false; /* it is kept as it is, and whoever reads it is told */
        size_t count = columns->value_memory.len - before;
        if (count == 0 || (rows && count != (size_t)(chunk->count - chunk->row_first)))
            return false; /* there are gaps */
    }
    return true;
}

/* The run as one value chunk. */
static bool seal_run(struct seal *seal, struct series *series, const struct chunk_run *run)
{
    const struct chunk *newest = run->chunks[0];
    const struct chunk *oldest = run->chunks[run->count - 1];
    bool rows = chunk_kind_has_rows((enum chunk_kind)newest->kind);
    if (newest->kind == CHUNK_HISTOGRAM || !decode_run(seal, run, rows))
        return false;
    size_t count = seal->columns.value_memory.len;
    struct seal_item item = {.series = series,
                             .newest = run->chunks[0],
                             .replaced = (uint32_t)run->count,
                             .offset = seal->bytes.len,
                             .row_first = oldest->row_first,
                             .min_ms = chunk_min_ms(oldest)};
    if (rows)
        item.column = run->count == 1 ? newest->column : chunk_run_column(&seal->merged, run);
    else
        time_column_encode(seal->columns.timestamp_memory.items, count, &seal->bytes);
    value_chunk_encode(seal->columns.value_memory.items, count, &seal->bytes);
    item.kind = rows ? CHUNK_SEALED_ROWS : CHUNK_SEALED_LOOSE;
    item.count = (uint16_t)(count + oldest->row_first);
    item.len = (uint32_t)(seal->bytes.len - item.offset);
    vec_push(&seal->items, item);
    return true;
}

/* As it is. */
static void seal_copy(struct seal *seal, struct series *series, struct chunk *chunk)
{
    vec_push(&seal->items, (struct seal_item){.series = series,
                                              .newest = chunk,
                                              .replaced = 1,
                                              .column = chunk_column(chunk),
                                              .offset = seal->bytes.len,
                                              .len = chunk->len,
                                              .count = chunk->count,
                                              .kind = chunk->kind,
                                              .row_first = chunk->row_first,
                                              .min_ms = chunk_min_ms(chunk)});
    buf_append(&seal->bytes, chunk_bytes(chunk), chunk->len);
}

static void seal_series(struct seal *seal, struct series *series, uint64_t low_watermark)
{
    /* newest first: behind a sealed one all are */
    struct chunk *chunk = series->closed;
    while (chunk != NULL && !chunk->in_file) {
        struct chunk_run run;
        if (chunk_run_find(chunk, low_watermark, &run) && seal_run(seal, series, &run)) {
            chunk = run.chunks[run.count - 1]->next;
            continue;
        }
        run.chunks[0] = chunk;
        run.count = 1;
        if (!seal_run(seal, series, &run))
            seal_copy(seal, series, chunk);
        chunk = chunk->next;
    }
}

static void seal_replace(struct seal *seal, const struct seal_item *item,
                         struct chunk_filler *filler)
{
    struct head *head = seal->head;
    struct chunk_shape shape = {.kind = (enum chunk_kind)item->kind,
                                .column = item->column,
                                .row_first = item->row_first,
                                .count = item->count,
                                .min_ms = item->min_ms,
                                .max_ms = chunk_max_ms(item->newest)};
    struct chunk *sealed = chunk_new_in_file(&shape, filler, item->offset, item->len);
    struct chunk *oldest = item->newest;
    for (uint32_t i = 0; i < item->replaced; i++) {
        oldest = i == 0 ? item->newest : (struct chunk *)oldest->next;
        head->chunk_bytes -= chunk_size(oldest);
        head->sealed_count -= oldest->in_file;
        vec_push(&seal->replaced, oldest);
    }
    struct sample_group *group;
    struct mutex *lock = group_lock_series(head, item->series, &group);
    _Atomic(struct chunk *) *link = &item->series->closed;
    while (*link != item->newest)
        link = &((struct chunk *)*link)->next;
    sealed->next = (struct chunk *)oldest->next;
    *link = sealed;
    mutex_unlock(lock);
    head->chunk_bytes += chunk_size(sealed);
    head->chunk_count -= item->replaced - 1;
    head->chunks_removed += item->replaced - 1;
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
    struct chunk_filler filler = {.pool = &seal->head->chunk_pool, .file = file};
    for (size_t i = 0; i < seal->items.len; i++)
        seal_replace(seal, &seal->items.items[i], &filler);
    chunk_filler_end(&filler);
    struct replaced_chunks *replaced = mem_alloc(sizeof(*replaced));
    *replaced = (struct replaced_chunks){seal->replaced.items, seal->replaced.len};
    seal->replaced.items = NULL;
    seal->replaced.len = seal->replaced.cap = 0;
    isolation_retire(&seal->head->isolation, replaced, replaced_free);
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
    uint64_t low_watermark = isolation_low_watermark(&seal->head->isolation);
    seal_begin(seal);
    size_t at = 0;
    for (; at < queue->len && seal->bytes.len < SEAL_FILE_BYTES; at++) {
        struct series *series = head_series(seal->head, queue->items[at]);
        if (series != NULL)
            seal_series(seal, series, low_watermark);
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
    vec_release(&seal.replaced);
    chunk_run_columns_release(&seal.merged);
    sample_columns_release(&seal.columns);
    buf_release(&seal.bytes);
    return result;
}
