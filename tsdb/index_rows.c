#include "tsdb/index_rows.h"

#include "tsdb/index_format.h"

void index_row_release(struct index_row *row)
{
    vec_release(&row->pairs);
    vec_release(&row->chunks);
}

void index_row_reset(struct index_row *row, uint64_t chunk_next)
{
    vec_reset(&row->pairs);
    vec_reset(&row->chunks);
    row->chunk_first = chunk_next;
    row->chunk_step = 1;
}

static bool chunks_equal(const struct index_row *a, const struct index_row *b)
{
    if (a->chunks.len != b->chunks.len)
        return false;
    for (size_t i = 0; i < a->chunks.len; i++) {
        if (a->chunks.items[i].min_ms != b->chunks.items[i].min_ms ||
            a->chunks.items[i].max_ms != b->chunks.items[i].max_ms)
            return false;
    }
    return true;
}

static size_t pairs_shared(const struct index_row *a, const struct index_row *b)
{
    size_t shared = 0, len = MIN(a->pairs.len, b->pairs.len);
    while (shared < len && a->pairs.items[shared].name == b->pairs.items[shared].name &&
           a->pairs.items[shared].value == b->pairs.items[shared].value)
        shared++;
    return shared;
}

static struct index_pair pair_before(const struct index_row *before, size_t i)
{
    return i < before->pairs.len ? before->pairs.items[i] : (struct index_pair){0};
}

static void write_chunks(const struct index_row *row, struct buf *out)
{
    codec_write_uvarint(out, row->chunks.len + 1);
    int64_t end_ms = 0;
    for (size_t i = 0; i < row->chunks.len; i++) {
        const struct index_chunk_times *chunk = &row->chunks.items[i];
        codec_write_varint(out, (int64_t)((uint64_t)chunk->min_ms - (uint64_t)end_ms));
        codec_write_uvarint(out, (uint64_t)chunk->max_ms - (uint64_t)chunk->min_ms);
        end_ms = chunk->max_ms;
    }
}

static void write_place(const struct index_row *before, const struct index_row *row,
                        struct buf *out)
{
    if (row->chunk_step == 1 && row->chunk_first == before->chunk_first + before->chunks.len) {
        codec_write_uvarint(out, 0);
        return;
    }
    codec_write_uvarint(out, row->chunk_step);
    codec_write_varint(out, (int64_t)(row->chunk_first - before->chunk_first));
}

void index_row_write(struct index_row *before, const struct index_row *row, struct buf *out)
{
    size_t shared = pairs_shared(before, row);
    codec_write_uvarint(out, shared);
    codec_write_uvarint(out, row->pairs.len - shared);
    for (size_t i = shared; i < row->pairs.len; i++) {
        struct index_pair last = pair_before(before, i), pair = row->pairs.items[i];
        codec_write_varint(out, (int64_t)pair.name - last.name);
        codec_write_varint(out, (int64_t)pair.value - last.value);
    }
    if (chunks_equal(before, row))
        codec_write_uvarint(out, 0);
    else
        write_chunks(row, out);
    write_place(before, row, out);
    index_row_reset(before, row->chunk_first);
    before->chunk_step = row->chunk_step;
    for (size_t i = 0; i < row->pairs.len; i++)
        vec_push(&before->pairs, row->pairs.items[i]);
    for (size_t i = 0; i < row->chunks.len; i++)
        vec_push(&before->chunks, row->chunks.items[i]);
}

/* Adds the next differences to a pair; most are of one byte. */
static inline bool read_pair(struct codec_reader *reader, struct index_pair *pair)
{
    const uint8_t *at = reader->at;
    uint64_t name = pair->name, value = pair->value;
    if (LIKELY(reader->end - at >= 2 && (at[0] | at[1]) < 0x80)) {
        name += (uint64_t)codec_unzigzag(at[0]);
        value += (uint64_t)codec_unzigzag(at[1]);
        reader->at = at + 2;
    } else {
        name += (uint64_t)codec_read_varint(reader);
        value += (uint64_t)codec_read_varint(reader);
    }
    *pair = (struct index_pair){(uint32_t)name, (uint32_t)value};
    return name < INDEX_NONE && value < INDEX_NONE;
}

static bool read_pairs(struct codec_reader *bytes, struct index_row *row)
{
    struct codec_reader reader = *bytes;
    uint64_t shared = codec_read_uvarint(&reader);
    uint64_t rest = codec_read_uvarint(&reader);
    if (reader.failed || shared > row->pairs.len || rest > INDEX_PAIRS_MAX ||
        rest > codec_left(&reader))
        return false;
    size_t count = (size_t)(shared + rest);
    while (row->pairs.len < count)
        vec_push(&row->pairs, (struct index_pair){0});
    for (size_t i = (size_t)shared; i < count; i++) {
        if (!read_pair(&reader, &row->pairs.items[i]))
            return false;
    }
    row->pairs.len = count;
    *bytes = reader;
    return !reader.failed;
}

static bool read_chunks(struct codec_reader *reader, struct index_row *row)
{
    uint64_t count = codec_read_uvarint(reader);
    if (count == 0)
        return !reader->failed;
    if (reader->failed || --count > INDEX_CHUNKS_MAX || count > codec_left(reader))
        return false;
    vec_reset(&row->chunks);
    vec_reserve(&row->chunks, (size_t)count);
    int64_t end_ms = 0;
    for (uint64_t i = 0; i < count; i++) {
        int64_t gap = codec_read_varint(reader);
        uint64_t len = codec_read_uvarint(reader);
        struct index_chunk_times times;
        if (len > INT64_MAX || __builtin_add_overflow(end_ms, gap, &times.min_ms) ||
            __builtin_add_overflow(times.min_ms, (int64_t)len, &times.max_ms))
            return false;
        row->chunks.items[row->chunks.len++] = times;
        end_ms = times.max_ms;
    }
    return !reader->failed;
}

/* `next` is what follows the chunks of the row before. */
static bool read_place(struct codec_reader *reader, struct index_row *row, uint64_t next)
{
    uint64_t step = codec_read_uvarint(reader);
    if (step == 0) {
        row->chunk_first = next;
        row->chunk_step = 1;
        return !reader->failed;
    }
    row->chunk_first += (uint64_t)codec_read_varint(reader);
    row->chunk_step = (uint32_t)step;
    return !reader->failed && step <= UINT32_MAX;
}

bool index_row_read(struct codec_reader *reader, struct index_row *row, uint32_t version)
{
    uint64_t next = row->chunk_first + row->chunks.len;
    if (!read_pairs(reader, row) || !read_chunks(reader, row))
        return false;
    if (version > 1)
        return read_place(reader, row, next);
    row->chunk_first = next;
    row->chunk_step = 1;
    return true;
}
