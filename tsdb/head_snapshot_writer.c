/* The inverse of head_snapshot_reader.c. One pass over the series: what a section names for the
 * first time (symbols, pairs, time columns) stands at its front. */
#include "tsdb/head_snapshot.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "model/symbols.h"
#include "tsdb/out_of_order.h"
#include "tsdb/series_starts.h"
#include "tsdb/time_column.h"

#include <string.h>

/* A section is closed at about this many bytes. */
#define SECTION_BYTES ((size_t)512 << 10)

/* Things that are numbered in the order of their first use: 64-bit keys, which are never 0. */
struct numbering {
    VEC(uint64_t) keys;
    struct table table; /* number + 1 as a pointer */
};

struct numbering_key {
    const uint64_t *keys;
    uint64_t wanted;
};

struct snapshot_writer {
    const struct fs *fs;
    int fd;
    const char *path;
    uint64_t offset;
    enum err result;
    struct errbuf *err;
    struct numbering symbols;
    struct numbering pairs;
    struct numbering columns;
    /* how many of them the sections before have named */
    size_t symbols_done;
    size_t pairs_done;
    size_t columns_done;
    struct buf body; /* of the section, behind the definitions */
    size_t count;    /* in the body */
    struct buf section;
    const struct labels *labels_last;
    int64_t last_ms;
};

static bool key_is(const void *value, const void *context)
{
    const struct numbering_key *key = context;
    return key->keys[(uintptr_t)value - 1] == key->wanted;
}

static uint32_t numbering_of(struct numbering *numbering, uint64_t wanted)
{
    ASSERT(wanted != 0);
    uint64_t hash = hash_mix(0, wanted);
    struct numbering_key key = {numbering->keys.items, wanted};
    void *found = table_get(&numbering->table, hash, key_is, &key);
    if (found != NULL)
        return (uint32_t)((uintptr_t)found - 1);
    vec_push(&numbering->keys, wanted);
    table_add(&numbering->table, hash, (void *)(uintptr_t)numbering->keys.len);
    return (uint32_t)(numbering->keys.len - 1);
}

static void numbering_release(struct numbering *numbering)
{
    vec_release(&numbering->keys);
    table_release(&numbering->table);
}

static void section_write(struct snapshot_writer *writer, enum head_snapshot_section type)
{
    char *header = writer->section.data;
    uint32_t len = (uint32_t)(writer->section.len - HEAD_SNAPSHOT_SECTION_SIZE);
    struct buf head;
    buf_init(&head, HEAD_SNAPSHOT_SECTION_SIZE);
    codec_write_u32(&head, type);
    codec_write_u32(&head, len);
    uint32_t crc = crc32c(0, head.data, head.len);
    codec_write_u32(&head, crc32c(crc, header + HEAD_SNAPSHOT_SECTION_SIZE, len));
    memcpy(header, head.data, HEAD_SNAPSHOT_SECTION_SIZE);
    buf_release(&head);
    if (writer->result == ERR_NONE)
        writer->result =
            fs_write_all(writer->fs, writer->fd, writer->section.data, writer->section.len,
                         writer->offset, writer->path, writer->err);
    writer->offset += writer->section.len;
}

static void section_begin(struct snapshot_writer *writer)
{
    static const char room[HEAD_SNAPSHOT_SECTION_SIZE];
    buf_reset(&writer->section);
    buf_append(&writer->section, room, sizeof(room));
}

/* What the body names for the first time. */
static void put_definitions(struct snapshot_writer *writer)
{
    struct buf *out = &writer->section;
    codec_write_uvarint(out, writer->symbols.keys.len - writer->symbols_done);
    for (; writer->symbols_done < writer->symbols.keys.len; writer->symbols_done++)
        codec_write_slice(out,
                          symbols_text((uint32_t)writer->symbols.keys.items[writer->symbols_done]));
    codec_write_uvarint(out, writer->pairs.keys.len - writer->pairs_done);
    for (; writer->pairs_done < writer->pairs.keys.len; writer->pairs_done++) {
        uint64_t pair = writer->pairs.keys.items[writer->pairs_done];
        codec_write_uvarint(out, numbering_of(&writer->symbols, pair >> 32));
        codec_write_uvarint(out, numbering_of(&writer->symbols, pair & UINT32_MAX));
    }
    codec_write_uvarint(out, writer->columns.keys.len - writer->columns_done);
    for (; writer->columns_done < writer->columns.keys.len; writer->columns_done++) {
        const struct time_column *column =
            (const struct time_column *)(uintptr_t)writer->columns.keys.items[writer->columns_done];
        codec_write_uvarint(out, column->count);
        time_column_encode(column->times_ms, column->count, out);
    }
}

static void section_flush(struct snapshot_writer *writer, enum head_snapshot_section type)
{
    if (writer->count == 0)
        return;
    section_begin(writer);
    put_definitions(writer);
    codec_write_uvarint(&writer->section, writer->count);
    buf_append_slice(&writer->section, buf_slice(&writer->body));
    section_write(writer, type);
    buf_reset(&writer->body);
    writer->count = 0;
}

static uint32_t pair_number(struct snapshot_writer *writer, struct label_pair pair)
{
    uint32_t number = numbering_of(&writer->pairs, (uint64_t)pair.name << 32 | pair.value);
    if (number >= writer->pairs_done) {
        numbering_of(&writer->symbols, pair.name);
        numbering_of(&writer->symbols, pair.value);
    }
    return number;
}

/* Pairs that are at the same place in the set before are said by a bit. */
static void put_labels(struct snapshot_writer *writer, const struct labels *labels)
{
    const struct labels *last = writer->labels_last;
    uint64_t mask = 0;
    for (uint32_t i = 0; last != NULL && i < labels->count && i < last->count && i < 64; i++) {
        if (labels->pairs[i].name == last->pairs[i].name &&
            labels->pairs[i].value == last->pairs[i].value)
            mask |= UINT64_C(1) << i;
    }
    codec_write_uvarint(&writer->body, labels->count);
    codec_write_uvarint(&writer->body, mask);
    for (uint32_t i = 0; i < labels->count; i++) {
        if (i >= 64 || !(mask >> i & 1))
            codec_write_uvarint(&writer->body, pair_number(writer, labels->pairs[i]));
    }
    writer->labels_last = labels;
}

static void put_open(struct snapshot_writer *writer, const struct series *series)
{
    struct buf *out = &writer->body;
    codec_write_u8(out, series->count);
    codec_write_uvarint(out, series->tail);
    codec_write_varint(out, series->step_ms);
    codec_write_uvarint(out, series->len);
    if (series->len == 0)
        return;
    char *bytes = buf_reserve(out, series->len);
    ASSERT(bytes != NULL);
    byte_run_copy(series->bytes, series->len, (uint8_t *)bytes);
    buf_commit(out, series->len);
}

static void put_closed(struct snapshot_writer *writer, const struct series *series)
{
    struct buf *out = &writer->body;
    size_t count = 0;
    for (const struct chunk *chunk = series->closed; chunk != NULL; chunk = chunk->next)
        count++;
    codec_write_uvarint(out, count);
    for (const struct chunk *chunk = series->closed; chunk != NULL; chunk = chunk->next) {
        bool in_file = chunk->in_file;
        codec_write_u8(out, (uint8_t)(chunk->kind | (in_file ? HEAD_SNAPSHOT_IN_FILE : 0)));
        codec_write_uvarint(out, chunk->count);
        if (chunk_kind_has_rows((enum chunk_kind)chunk->kind)) {
            codec_write_uvarint(out, numbering_of(&writer->columns, (uintptr_t)chunk->column));
            codec_write_u8(out, chunk->row_first);
        } else {
            codec_write_varint(out, chunk->first_ms);
            codec_write_varint(out, chunk->span_ms);
        }
        if (in_file) {
            codec_write_uvarint(out, chunk_file(chunk)->place);
            codec_write_uvarint(out, chunk->offset);
            codec_write_uvarint(out, chunk->len);
        } else {
            codec_write_slice(out, slice_from((const char *)chunk_bytes(chunk), chunk->len));
        }
    }
}

static void put_starts(struct snapshot_writer *writer, const struct series_starts *starts)
{
    codec_write_uvarint(&writer->body, starts->changes.len);
    for (size_t i = 0; i < starts->changes.len; i++) {
        codec_write_varint(&writer->body, starts->changes.items[i].at_ms);
        codec_write_varint(&writer->body, starts->changes.items[i].start_ms);
    }
}

static void put_out_of_order(struct snapshot_writer *writer, const struct out_of_order *late)
{
    codec_write_uvarint(&writer->body, out_of_order_count(late));
    for (size_t i = 0; i < late->samples.len; i++) {
        const struct out_of_order_sample *sample = &late->samples.items[i];
        if (sample->deletion != 0)
            continue;
        bool histogram = sample->histogram != NULL;
        codec_write_varint(&writer->body, sample->timestamp_ms);
        codec_write_u8(&writer->body, histogram);
        if (histogram)
            codec_write_slice(&writer->body, slice_from(sample->histogram, sample->histogram_len));
        else
            codec_write_u64(&writer->body, sample->bits);
    }
}

static void put_deletions(struct snapshot_writer *writer, struct tombstone_spans spans)
{
    codec_write_uvarint(&writer->body, spans.count);
    for (size_t i = 0; i < spans.count; i++) {
        const struct tombstone *span = &spans.items[i];
        codec_write_varint(&writer->body, span->min_ms);
        codec_write_uvarint(&writer->body, (uint64_t)span->max_ms - (uint64_t)span->min_ms);
    }
}

static void put_series(struct snapshot_writer *writer, const struct head *head,
                       const struct series *series)
{
    struct tombstone_spans deleted = tombstones_of(head->deleted, series->ref);
    const struct series_extra *extra = series->extra;
    const struct series_starts *starts = extra == NULL ? NULL : extra->series_starts;
    const struct out_of_order *late = extra == NULL ? NULL : extra->out_of_order;
    if (late != NULL && out_of_order_count(late) == 0)
        late = NULL;
    ASSERT(series->group == NULL);
    put_labels(writer, series->labels);
    unsigned flags = 0;
    flags |= series->flags & SERIES_HISTOGRAM ? HEAD_SNAPSHOT_HISTOGRAM : 0;
    flags |= series->flags & SERIES_EMPTY ? HEAD_SNAPSHOT_EMPTY : 0;
    flags |= series->count > 0 ? HEAD_SNAPSHOT_OPEN : 0;
    flags |= series->closed != NULL ? HEAD_SNAPSHOT_CLOSED : 0;
    flags |= starts != NULL ? HEAD_SNAPSHOT_STARTS : 0;
    flags |= late != NULL ? HEAD_SNAPSHOT_OUT_OF_ORDER : 0;
    flags |= deleted.count > 0 ? HEAD_SNAPSHOT_DELETIONS : 0;
    codec_write_u8(&writer->body, (uint8_t)flags);
    codec_write_u8(&writer->body, series->flips);
    codec_write_varint(&writer->body,
                       (int64_t)((uint64_t)series->last_ms - (uint64_t)writer->last_ms));
    writer->last_ms = series->last_ms;
    codec_write_u64(&writer->body, series->last_bits);
    if (flags & HEAD_SNAPSHOT_OPEN)
        put_open(writer, series);
    if (flags & HEAD_SNAPSHOT_CLOSED)
        put_closed(writer, series);
    if (starts != NULL)
        put_starts(writer, starts);
    if (late != NULL)
        put_out_of_order(writer, late);
    if (deleted.count > 0)
        put_deletions(writer, deleted);
    writer->count++;
}

/* Oldest first, so that they can be added again one after another. */
static void put_exemplars(struct snapshot_writer *writer, struct exemplars *exemplars)
{
    MUTEX_GUARD(&exemplars->lock);
    size_t count = exemplars->slots.len;
    writer->labels_last = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct exemplar_slot *slot =
            &exemplars->slots.items[(exemplars->next_slot + i) % count];
        if (slot->series == NULL)
            continue;
        put_labels(writer, slot->series->labels);
        codec_write_varint(&writer->body, slot->timestamp_ms);
        codec_write_double(&writer->body, slot->value);
        codec_write_u8(&writer->body, slot->has_timestamp);
        codec_write_slice(&writer->body, slice_from(slot->labels, slot->labels_len));
        writer->count++;
        if (writer->body.len >= SECTION_BYTES) {
            section_flush(writer, HEAD_SNAPSHOT_EXEMPLARS);
            writer->labels_last = NULL;
        }
    }
    section_flush(writer, HEAD_SNAPSHOT_EXEMPLARS);
}

static void put_segments(struct snapshot_writer *writer, const head_snapshot_segments *segments)
{
    section_begin(writer);
    codec_write_uvarint(&writer->section, segments->len);
    for (size_t i = 0; i < segments->len; i++) {
        codec_write_uvarint(&writer->section, segments->items[i].number);
        codec_write_varint(&writer->section, segments->items[i].max_ms);
    }
    section_write(writer, HEAD_SNAPSHOT_SEGMENTS);
}

static void put_files(struct snapshot_writer *writer, struct head_files *files)
{
    section_begin(writer);
    codec_write_uvarint(&writer->section, files->count);
    uint32_t place = 0;
    for (struct head_file *file = files->list; file != NULL; file = file->next) {
        file->place = place++;
        codec_write_uvarint(&writer->section, file->number);
        codec_write_uvarint(&writer->section, file->size);
        codec_write_u32(&writer->section, file->checksum);
    }
    section_write(writer, HEAD_SNAPSHOT_FILES);
}

/* Last, since only now the size is known; a file without it is none. */
static void put_header(struct snapshot_writer *writer, const struct head *head,
                       struct head_snapshot_header *header)
{
    header->size = writer->offset;
    header->min_ms = head->min_ms;
    header->max_ms = head->max_ms;
    header->cutoff_ms = head->cutoff_ms;
    header->samples_appended = head->samples_appended;
    struct buf body CLEANUP(buf_release);
    buf_init(&body, HEAD_SNAPSHOT_HEADER_SIZE);
    codec_write_u64(&body, header->run);
    codec_write_u64(&body, header->position.segment);
    codec_write_u64(&body, header->position.offset);
    codec_write_u64(&body, header->series_count);
    codec_write_u64(&body, header->size);
    codec_write_u64(&body, (uint64_t)header->min_ms);
    codec_write_u64(&body, (uint64_t)header->max_ms);
    codec_write_u64(&body, (uint64_t)header->cutoff_ms);
    codec_write_u64(&body, header->samples_appended);
    codec_write_u64(&body, 0);
    struct buf out CLEANUP(buf_release);
    buf_init(&out, HEAD_SNAPSHOT_HEADER_SIZE);
    buf_append_str(&out, HEAD_SNAPSHOT_MAGIC);
    codec_write_u32(&out, HEAD_SNAPSHOT_VERSION);
    codec_write_u32(&out, crc32c(0, body.data, body.len));
    buf_append_slice(&out, buf_slice(&body));
    ASSERT(out.len == HEAD_SNAPSHOT_HEADER_SIZE);
    if (writer->result == ERR_NONE)
        writer->result =
            fs_write_all(writer->fs, writer->fd, out.data, out.len, 0, writer->path, writer->err);
}

enum err head_snapshot_write(const struct fs *fs, int fd, const char *path,
                             const struct head_snapshot_parts *parts,
                             struct head_snapshot_header *header, struct errbuf *err)
{
    const struct head *head = parts->head;
    struct snapshot_writer writer = {
        .fs = fs, .fd = fd, .path = path, .offset = HEAD_SNAPSHOT_HEADER_SIZE, .err = err};
    table_init(&writer.symbols.table);
    table_init(&writer.pairs.table);
    table_init(&writer.columns.table);
    buf_init(&writer.body, BUF_SIZE_ANY);
    buf_init(&writer.section, BUF_SIZE_ANY);
    put_segments(&writer, parts->segments);
    put_files(&writer, parts->files);
    header->series_count = 0;
    struct series *series;
    for (series_ref ref = 1; (series = refs_next(&head->refs, &ref)) != NULL;) {
        put_series(&writer, head, series);
        header->series_count++;
        if (writer.body.len < SECTION_BYTES)
            continue;
        section_flush(&writer, HEAD_SNAPSHOT_SERIES);
        writer.labels_last = NULL;
        writer.last_ms = 0;
    }
    section_flush(&writer, HEAD_SNAPSHOT_SERIES);
    put_exemplars(&writer, parts->exemplars);
    put_header(&writer, head, header);
    numbering_release(&writer.symbols);
    numbering_release(&writer.pairs);
    numbering_release(&writer.columns);
    buf_release(&writer.body);
    buf_release(&writer.section);
    return writer.result;
}
