#include "tsdb/tombstones.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/packed.h"
#include "tsdb/paged_file.h"

#define TOMBSTONES_MAGIC "FERULATO"

static int tombstone_compare(const void *a, const void *b)
{
    const struct tombstone *x = a, *y = b;
    if (x->series != y->series)
        return x->series < y->series ? -1 : 1;
    return (x->min_ms > y->min_ms) - (x->min_ms < y->min_ms);
}

/* Joins spans that overlap or touch. */
static void join_spans(struct tombstones *tombstones)
{
    struct tombstone *items = tombstones->items.items;
    size_t kept = 0;
    for (size_t i = 0; i < tombstones->items.len; i++) {
        struct tombstone *last = kept == 0 ? NULL : &items[kept - 1];
        bool joins = last != NULL && last->series == items[i].series &&
                     (last->max_ms == INT64_MAX || items[i].min_ms <= last->max_ms + 1);
        if (joins)
            last->max_ms = MAX(last->max_ms, items[i].max_ms);
        else
            items[kept++] = items[i];
    }
    tombstones->items.len = kept;
}

struct tombstones *tombstones_new(const struct tombstones *old, const struct tombstone *added,
                                  size_t count)
{
    struct tombstones *tombstones = mem_zalloc(sizeof(*tombstones));
    tombstones->reference_count = 1;
    for (size_t i = 0; old != NULL && i < old->items.len; i++)
        vec_push(&tombstones->items, old->items.items[i]);
    for (size_t i = 0; i < count; i++) {
        ASSERT(added[i].min_ms <= added[i].max_ms);
        vec_push(&tombstones->items, added[i]);
    }
    if (tombstones->items.len > 1)
        qsort(tombstones->items.items, tombstones->items.len, sizeof(struct tombstone),
              tombstone_compare);
    join_spans(tombstones);
    return tombstones;
}

struct tombstones *tombstones_ref(struct tombstones *tombstones)
{
    if (tombstones != NULL)
        tombstones->reference_count++;
    return tombstones;
}

void tombstones_unref(struct tombstones *tombstones)
{
    if (tombstones == NULL || --tombstones->reference_count > 0)
        return;
    vec_release(&tombstones->items);
    mem_free(tombstones);
}

static size_t first_of(const struct tombstones *tombstones, uint64_t series)
{
    size_t low = 0, high = tombstones->items.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tombstones->items.items[middle].series < series)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct tombstone_spans tombstones_of(const struct tombstones *tombstones, uint64_t series)
{
    if (tombstones == NULL || tombstones->items.len == 0)
        return (struct tombstone_spans){0};
    size_t first = first_of(tombstones, series), end = first;
    while (end < tombstones->items.len && tombstones->items.items[end].series == series)
        end++;
    return (struct tombstone_spans){tombstones->items.items + first, end - first};
}

bool tombstone_spans_cover(struct tombstone_spans spans, int64_t min_ms, int64_t max_ms)
{
    for (size_t i = 0; i < spans.count; i++) {
        if (spans.items[i].min_ms <= min_ms && max_ms <= spans.items[i].max_ms)
            return true;
    }
    return false;
}

const struct tombstone *tombstone_spans_find(struct tombstone_spans spans, size_t *at,
                                             int64_t time_ms)
{
    while (*at < spans.count && spans.items[*at].max_ms < time_ms)
        (*at)++;
    bool inside = *at < spans.count && spans.items[*at].min_ms <= time_ms;
    return inside ? &spans.items[*at] : NULL;
}

enum err tombstones_write(const struct tombstones *tombstones, const struct fs *fs,
                          const char *path, struct errbuf *err)
{
    struct buf CLEANUP(buf_release) raw;
    struct buf CLEANUP(buf_release) file;
    buf_init(&raw, PACKED_RAW_SIZE_MAX);
    buf_init(&file, BUF_SIZE_ANY);
    uint64_t series = 0;
    codec_write_uvarint(&raw, tombstones->items.len);
    for (size_t i = 0; i < tombstones->items.len; i++) {
        const struct tombstone *tombstone = &tombstones->items.items[i];
        codec_write_uvarint(&raw, tombstone->series - series);
        codec_write_varint(&raw, tombstone->min_ms);
        codec_write_uvarint(&raw, (uint64_t)tombstone->max_ms - (uint64_t)tombstone->min_ms);
        series = tombstone->series;
    }
    if (raw.overflow)
        return errbuf_set(err, ERR_LIMIT, "%s: too many deletions", path);
    paged_header_write(&file, TOMBSTONES_MAGIC);
    size_t len = packed_write(buf_slice(&raw), &file);
    paged_trailer_write(&file, PAGED_HEADER_SIZE, (uint32_t)len, TOMBSTONES_MAGIC);
    return fs_replace_file(fs, path, buf_slice(&file), err);
}

static bool parse(struct slice raw, struct tombstones *out)
{
    struct codec_reader reader = codec_reader(raw.ptr, raw.len);
    uint64_t count = codec_read_uvarint(&reader), series = 0;
    if (count > codec_left(&reader))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct tombstone tombstone;
        series += codec_read_uvarint(&reader);
        tombstone.series = series;
        tombstone.min_ms = codec_read_varint(&reader);
        uint64_t len = codec_read_uvarint(&reader);
        tombstone.max_ms = (int64_t)((uint64_t)tombstone.min_ms + len);
        if (reader.failed || tombstone.max_ms < tombstone.min_ms)
            return false;
        vec_push(&out->items, tombstone);
    }
    if (out->items.len > 1)
        qsort(out->items.items, out->items.len, sizeof(struct tombstone), tombstone_compare);
    join_spans(out);
    return codec_left(&reader) == 0;
}

enum err tombstones_read(const struct fs *fs, const char *path, bool may_be_missing,
                         struct tombstones **out, struct errbuf *err)
{
    struct fs_stat stat;
    int failed = fs->stat(fs, path, &stat);
    *out = NULL;
    if (failed == -ENOENT && !may_be_missing)
        return errbuf_set(err, ERR_NOT_FOUND, "%s is gone, and what it says to be deleted is unknown",
                          path);
    if (failed < 0 && failed != -ENOENT)
        return errbuf_set_errno(err, -failed, "looking for %s", path);
    struct tombstones *tombstones = tombstones_new(NULL, NULL, 0);
    *out = tombstones;
    if (failed == -ENOENT)
        return ERR_NONE;
    struct buf CLEANUP(buf_release) raw;
    buf_init(&raw, PACKED_RAW_SIZE_MAX);
    struct paged_file file;
    enum err code = paged_file_open(&file, fs, path, TOMBSTONES_MAGIC, &raw, err);
    if (code == ERR_NONE && !parse(buf_slice(&raw), tombstones))
        code = paged_file_damaged(&file, file.directory_offset, "the deletions make no sense", err);
    if (code != ERR_NONE) {
        tombstones_unref(tombstones);
        *out = NULL;
    }
    paged_file_close(&file);
    return code;
}
