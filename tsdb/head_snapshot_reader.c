/* Every count is compared with the bytes that are left before memory is taken for it, and every
 * number with what was named before. What a series' bytes say is checked when they are read. */
#include "tsdb/head_snapshot.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "model/symbols.h"
#include "tsdb/exemplar_labels.h"
#include "tsdb/out_of_order.h"
#include "tsdb/series_starts.h"
#include "tsdb/time_column.h"

#include <string.h>

#define HEADER_CHECKED_AT 16
/* No label set has as many. */
#define PAIRS_MAX 4096

struct snapshot_reader {
    struct head *head;
    const struct head_snapshot_parts *parts;
    VEC(struct chunk_filler) files; /* by place */
    struct codec_reader at;         /* in the section */
    struct errbuf *err;
    VEC(uint32_t) symbols; /* counted */
    VEC(struct label_pair) pairs;
    VEC(struct posting_place) places;  /* by pair, made at first use */
    VEC(uint32_t) uses;                /* by pair: by series that do not count at its symbols yet */
    VEC(struct series *) loaded;       /* of this section */
    VEC(struct time_column *) columns; /* counted */
    VEC(uint32_t) set;                 /* numbers of the pairs of the label set before */
    VEC(struct label_pair) set_pairs;
    VEC(struct tombstone) deletions;
    int64_t last_ms;
    uint64_t series_count;
};

static enum err corrupt(struct snapshot_reader *reader, const char *what)
{
    return errbuf_set(reader->err, ERR_CORRUPT, "%s", what);
}

enum err head_snapshot_read_header(struct slice file, struct head_snapshot_header *out,
                                   struct errbuf *err)
{
    if (file.len < HEAD_SNAPSHOT_HEADER_SIZE)
        return errbuf_set(err, ERR_CORRUPT, "it is shorter than its header");
    struct codec_reader reader = codec_reader(file.ptr, HEAD_SNAPSHOT_HEADER_SIZE);
    struct slice magic = codec_read_bytes(&reader, strlen(HEAD_SNAPSHOT_MAGIC));
    uint32_t version = codec_read_u32(&reader);
    uint32_t crc = codec_read_u32(&reader);
    if (!slice_eq_str(magic, HEAD_SNAPSHOT_MAGIC))
        return errbuf_set(err, ERR_CORRUPT, "it does not begin as a snapshot");
    if (version != HEAD_SNAPSHOT_VERSION)
        return errbuf_set(err, ERR_UNSUPPORTED, "it has format version %u, this program knows %u",
                          version, HEAD_SNAPSHOT_VERSION);
    if (crc !=
        crc32c(0, file.ptr + HEADER_CHECKED_AT, HEAD_SNAPSHOT_HEADER_SIZE - HEADER_CHECKED_AT))
        return errbuf_set(err, ERR_CORRUPT, "its header is damaged");
    out->run = codec_read_u64(&reader);
    out->position.segment = codec_read_u64(&reader);
    out->position.offset = codec_read_u64(&reader);
    out->series_count = codec_read_u64(&reader);
    out->size = codec_read_u64(&reader);
    out->min_ms = (int64_t)codec_read_u64(&reader);
    out->max_ms = (int64_t)codec_read_u64(&reader);
    out->cutoff_ms = (int64_t)codec_read_u64(&reader);
    out->samples_appended = codec_read_u64(&reader);
    if (out->size != file.len)
        return errbuf_set(err, ERR_CORRUPT, "it has %zu bytes instead of %llu", file.len,
                          (unsigned long long)out->size);
    return ERR_NONE;
}

static enum err read_symbols(struct snapshot_reader *reader)
{
    uint64_t count = codec_read_uvarint(&reader->at);
    if (reader->at.failed || count > codec_left(&reader->at) ||
        count > UINT32_MAX - reader->symbols.len)
        return corrupt(reader, "it counts more texts than it has bytes");
    vec_reserve(&reader->symbols, count);
    for (uint64_t i = 0; i < count; i++) {
        struct slice text = codec_read_slice(&reader->at);
        if (reader->at.failed || text.len == 0)
            return corrupt(reader, "a text is damaged");
        vec_push(&reader->symbols, symbols_intern(text));
    }
    return ERR_NONE;
}

static enum err read_pairs(struct snapshot_reader *reader)
{
    uint64_t count = codec_read_uvarint(&reader->at);
    if (reader->at.failed || count > codec_left(&reader->at) / 2 ||
        count > UINT32_MAX - reader->pairs.len)
        return corrupt(reader, "it counts more label pairs than it has bytes");
    vec_reserve(&reader->pairs, count);
    vec_reserve(&reader->places, count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t name = codec_read_uvarint(&reader->at);
        uint64_t value = codec_read_uvarint(&reader->at);
        if (reader->at.failed || name >= reader->symbols.len || value >= reader->symbols.len)
            return corrupt(reader, "a label pair has an unknown text");
        vec_push(&reader->pairs,
                 (struct label_pair){reader->symbols.items[name], reader->symbols.items[value]});
        vec_push(&reader->places, (struct posting_place){0});
        vec_push(&reader->uses, 0);
    }
    return ERR_NONE;
}

static enum err read_columns(struct snapshot_reader *reader)
{
    uint64_t count = codec_read_uvarint(&reader->at);
    if (reader->at.failed || count > codec_left(&reader->at) / 2)
        return corrupt(reader, "it counts more time columns than it has bytes");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t rows = codec_read_uvarint(&reader->at);
        if (reader->at.failed || rows == 0 || rows > CHUNK_SEALED_MAX)
            return corrupt(reader, "a time column has an impossible length");
        struct time_column *column = time_column_new_visible((uint32_t)rows);
        vec_push(&reader->columns, column);
        if (!time_column_read(&reader->at, rows, column->times_ms))
            return corrupt(reader, "a time column is damaged");
        for (uint64_t row = 0; row < rows; row++) {
            if (row > 0 && column->times_ms[row] <= column->times_ms[row - 1])
                return corrupt(reader, "the times of a column do not ascend");
        }
        column->count = (uint32_t)rows;
    }
    return ERR_NONE;
}

static bool names_ascend(struct label_pair a, struct label_pair b)
{
    return slice_cmp(symbols_text(a.name), symbols_text(b.name)) < 0;
}

/* The next label set, in `set` and `set_pairs`. */
static bool read_set(struct snapshot_reader *reader)
{
    uint64_t count = codec_read_uvarint(&reader->at);
    uint64_t mask = codec_read_uvarint(&reader->at);
    size_t before = reader->set.len;
    if (reader->at.failed || count > PAIRS_MAX)
        return false;
    vec_reserve(&reader->set, count);
    vec_reserve(&reader->set_pairs, count);
    bool kept_last = true;
    for (size_t i = 0; i < count; i++) {
        bool kept = i < 64 && (mask >> i & 1);
        if (kept && i >= before)
            return false;
        if (!kept) {
            uint64_t number = codec_read_uvarint(&reader->at);
            if (reader->at.failed || number >= reader->pairs.len)
                return false;
            reader->set.items[i] = (uint32_t)number;
            reader->set_pairs.items[i] = reader->pairs.items[number];
        }
        /* two neighbours that were neighbours before are known to be in order */
        if (i > 0 && !(kept && kept_last) &&
            !names_ascend(reader->set_pairs.items[i - 1], reader->set_pairs.items[i]))
            return false;
        kept_last = kept;
    }
    reader->set.len = reader->set_pairs.len = count;
    return true;
}

static void set_reset(struct snapshot_reader *reader)
{
    vec_reset(&reader->set);
    vec_reset(&reader->set_pairs);
    reader->last_ms = 0;
}

static struct series *add_series(struct snapshot_reader *reader)
{
    struct head *head = reader->head;
    struct series *series =
        head_load_series(head, labels_adopt(reader->set_pairs.items, reader->set_pairs.len));
    vec_push(&reader->loaded, series);
    for (size_t i = 0; i < reader->set.len; i++) {
        uint32_t number = reader->set.items[i];
        struct posting_place *place = &reader->places.items[number];
        if (place->list == NULL)
            *place = postings_place_locked(&head->postings, reader->set_pairs.items[i]);
        postings_add_at_locked(&head->postings, place, series->ref);
        reader->uses.items[number]++;
    }
    return series;
}

/* The series own references to their symbols, which are counted once for all of them. */
static void settle_uses(struct snapshot_reader *reader)
{
    for (size_t i = 0; i < reader->uses.len; i++) {
        if (reader->uses.items[i] == 0)
            continue;
        symbols_ref_many(reader->pairs.items[i].name, reader->uses.items[i]);
        symbols_ref_many(reader->pairs.items[i].value, reader->uses.items[i]);
    }
}

static enum err read_open(struct snapshot_reader *reader, struct series *series)
{
    struct codec_reader *at = &reader->at;
    uint8_t count = codec_read_u8(at);
    uint64_t tail = codec_read_uvarint(at);
    int64_t step_ms = codec_read_varint(at);
    struct slice bytes = codec_read_slice(at);
    bool histogram = series->flags & SERIES_HISTOGRAM;
    int64_t first_ms;
    if (at->failed || count == 0 || count > CHUNK_SAMPLES_MAX || tail > count || step_ms < 0 ||
        step_ms > INT32_MAX || (histogram && bytes.len == 0) ||
        __builtin_sub_overflow(series->last_ms, step_ms * (count - 1), &first_ms))
        return corrupt(reader, "an open chunk is damaged");
    series->count = count;
    series->tail = (uint16_t)tail;
    series->step_ms = (int32_t)step_ms;
    /* in pieces, since a run takes at most a block at a time */
    for (size_t done = 0; done < bytes.len; done += BYTE_BLOCK_DATA)
        byte_run_append(&reader->head->pool, &series->bytes, &series->len,
                        (const uint8_t *)bytes.ptr + done,
                        MIN(bytes.len - done, (size_t)BYTE_BLOCK_DATA));
    return ERR_NONE;
}

/* The times of a chunk of rows are those of its column. */
static bool read_rows(struct snapshot_reader *reader, struct chunk_shape *shape)
{
    uint64_t number = codec_read_uvarint(&reader->at);
    uint8_t row_first = codec_read_u8(&reader->at);
    if (reader->at.failed || number >= reader->columns.len)
        return false;
    struct time_column *column = reader->columns.items[number];
    if (row_first >= shape->count || shape->count > column->count)
        return false;
    shape->column = column;
    shape->row_first = row_first;
    return column->times_ms[row_first] <= column->times_ms[shape->count - 1];
}

/* Where the bytes are: here, or in a file. */
static struct chunk *read_place(struct snapshot_reader *reader, const struct chunk_shape *shape,
                                bool in_file)
{
    struct codec_reader *at = &reader->at;
    if (in_file) {
        uint64_t place = codec_read_uvarint(at);
        uint64_t offset = codec_read_uvarint(at);
        uint64_t len = codec_read_uvarint(at);
        if (at->failed || place >= reader->files.len || len == 0 || len > UINT32_MAX)
            return NULL;
        struct chunk_filler *filler = &reader->files.items[place];
        uint64_t size = filler->file->size;
        if (offset > size || len > size - offset || offset > UINT32_MAX)
            return NULL;
        return chunk_new_in_file(shape, filler, offset, len);
    }
    struct slice bytes = codec_read_slice(at);
    if (at->failed || bytes.len == 0)
        return NULL;
    struct chunk *chunk = chunk_new(shape, bytes.len);
    memcpy(chunk_bytes(chunk), bytes.ptr, bytes.len);
    return chunk;
}

static struct chunk *read_chunk(struct snapshot_reader *reader)
{
    struct codec_reader *at = &reader->at;
    uint8_t kind = codec_read_u8(at);
    uint64_t count = codec_read_uvarint(at);
    uint8_t bare = (uint8_t)(kind & ~HEAD_SNAPSHOT_IN_FILE);
    bool sealed = bare == CHUNK_SEALED_ROWS || bare == CHUNK_SEALED_LOOSE;
    if (at->failed || count == 0 || count > (sealed ? CHUNK_SEALED_MAX : CHUNK_SAMPLES_MAX) ||
        bare >= CHUNK_KINDS)
        return NULL;
    struct chunk_shape shape = {.kind = (enum chunk_kind)bare, .count = (uint32_t)count};
    if (chunk_kind_has_rows(shape.kind)) {
        if (!read_rows(reader, &shape))
            return NULL;
    } else {
        shape.min_ms = codec_read_varint(at);
        shape.max_ms = (int64_t)((uint64_t)shape.min_ms + (uint64_t)codec_read_varint(at));
    }
    if (shape.min_ms > shape.max_ms)
        return NULL;
    return read_place(reader, &shape, kind & HEAD_SNAPSHOT_IN_FILE);
}

/* Newest first, as the list is. */
static enum err read_closed(struct snapshot_reader *reader, struct series *series)
{
    uint64_t count = codec_read_uvarint(&reader->at);
    _Atomic(struct chunk *) *link = &series->closed;
    for (uint64_t i = 0; i < count; i++) {
        struct chunk *chunk = read_chunk(reader);
        if (chunk == NULL)
            return corrupt(reader, "a closed chunk is damaged");
        *link = chunk;
        link = &chunk->next;
        head_count_chunk(reader->head, series, chunk);
    }
    return ERR_NONE;
}

static enum err read_starts(struct snapshot_reader *reader, struct series *series)
{
    struct codec_reader *at = &reader->at;
    uint64_t count = codec_read_uvarint(at);
    struct series_starts *starts = mem_zalloc(sizeof(*starts));
    series_extra(series)->series_starts = starts;
    for (uint64_t i = 0; i < count; i++) {
        struct start_change change = {codec_read_varint(at), codec_read_varint(at)};
        bool late = i > 0 && change.at_ms <= starts->changes.items[i - 1].at_ms;
        if (at->failed || late)
            return corrupt(reader, "the start times of a series are damaged");
        vec_push(&starts->changes, change);
    }
    return ERR_NONE;
}

static enum err read_out_of_order(struct snapshot_reader *reader, struct series *series)
{
    struct codec_reader *at = &reader->at;
    uint64_t count = codec_read_uvarint(at);
    struct out_of_order *late = mem_zalloc(sizeof(*late));
    series_extra(series)->out_of_order = late;
    for (uint64_t i = 0; i < count; i++) {
        struct out_of_order_sample sample = {.timestamp_ms = codec_read_varint(at)};
        uint8_t histogram = codec_read_u8(at);
        struct slice encoded = histogram ? codec_read_slice(at) : SLICE_EMPTY;
        if (!histogram)
            sample.bits = codec_read_u64(at);
        bool ascends = i == 0 || sample.timestamp_ms > late->samples.items[i - 1].timestamp_ms;
        if (at->failed || !ascends || encoded.len > UINT32_MAX || (histogram && encoded.len == 0))
            return corrupt(reader, "the samples out of order of a series are damaged");
        if (histogram) {
            sample.histogram = mem_dup(encoded.ptr, encoded.len);
            sample.histogram_len = (uint32_t)encoded.len;
        }
        vec_push(&late->samples, sample);
    }
    if (count > 0)
        head_widen_late(reader->parts->head, late->samples.items[0].timestamp_ms);
    return ERR_NONE;
}

static enum err read_deletions(struct snapshot_reader *reader, const struct series *series)
{
    struct codec_reader *at = &reader->at;
    uint64_t count = codec_read_uvarint(at);
    for (uint64_t i = 0; i < count; i++) {
        struct tombstone span = {.series = series->ref, .min_ms = codec_read_varint(at)};
        span.max_ms = (int64_t)((uint64_t)span.min_ms + codec_read_uvarint(at));
        if (at->failed || span.max_ms < span.min_ms)
            return corrupt(reader, "the deletions of a series are damaged");
        vec_push(&reader->deletions, span);
    }
    return ERR_NONE;
}

static enum err read_one_series(struct snapshot_reader *reader)
{
    if (!read_set(reader))
        return corrupt(reader, "a label set is damaged");
    unsigned flags = codec_read_u8(&reader->at);
    uint8_t flips = codec_read_u8(&reader->at);
    uint64_t step_ms = (uint64_t)codec_read_varint(&reader->at);
    uint64_t bits = codec_read_u64(&reader->at);
    if (reader->at.failed)
        return corrupt(reader, "a series is cut short");
    struct series *series = add_series(reader);
    reader->last_ms = (int64_t)((uint64_t)reader->last_ms + step_ms);
    reader->series_count++;
    series->flips = flips;
    series->last_ms = reader->last_ms;
    series->last_bits = bits;
    series->flags = (uint8_t)((flags & HEAD_SNAPSHOT_HISTOGRAM ? SERIES_HISTOGRAM : 0) |
                              (flags & HEAD_SNAPSHOT_EMPTY ? SERIES_EMPTY : 0));
    enum err result = ERR_NONE;
    if (flags & HEAD_SNAPSHOT_OPEN)
        result = read_open(reader, series);
    if (result == ERR_NONE && flags & HEAD_SNAPSHOT_CLOSED)
        result = read_closed(reader, series);
    if (result == ERR_NONE && flags & HEAD_SNAPSHOT_STARTS)
        result = read_starts(reader, series);
    if (result == ERR_NONE && flags & HEAD_SNAPSHOT_OUT_OF_ORDER)
        result = read_out_of_order(reader, series);
    if (result == ERR_NONE && flags & HEAD_SNAPSHOT_DELETIONS)
        result = read_deletions(reader, series);
    return result;
}

static enum err read_exemplar(struct snapshot_reader *reader)
{
    struct codec_reader *at = &reader->at;
    if (!read_set(reader))
        return corrupt(reader, "the label set of an exemplar is damaged");
    struct exemplar_entry entry = {.timestamp_ms = codec_read_varint(at),
                                   .value = codec_read_double(at)};
    entry.has_timestamp = codec_read_u8(at) != 0;
    entry.labels = codec_read_slice(at);
    if (at->failed || !exemplar_labels_valid(entry.labels))
        return corrupt(reader, "an exemplar is damaged");
    const struct labels *labels = labels_new(reader->set_pairs.items, reader->set_pairs.len);
    /* they were let in once, in this order: the widest window lets them in again */
    exemplars_add(reader->parts->exemplars, labels, &entry, INT64_MAX);
    labels_unref(labels);
    return ERR_NONE;
}

static enum err read_files(struct snapshot_reader *reader)
{
    uint64_t count = codec_read_uvarint(&reader->at);
    if (reader->at.failed || count > codec_left(&reader->at) / 6)
        return corrupt(reader, "it counts more files of chunks than it has bytes");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = codec_read_uvarint(&reader->at);
        uint64_t size = codec_read_uvarint(&reader->at);
        uint32_t checksum = codec_read_u32(&reader->at);
        if (reader->at.failed)
            return corrupt(reader, "its list of files is cut short");
        struct head_file *file;
        enum err result =
            head_files_open(reader->parts->files, number, size, checksum, &file, reader->err);
        if (result != ERR_NONE)
            return result;
        vec_push(&reader->files, (struct chunk_filler){&reader->head->chunk_pool, file, {NULL}});
    }
    return ERR_NONE;
}

static enum err read_segments(struct snapshot_reader *reader)
{
    head_snapshot_segments *out = reader->parts->segments;
    uint64_t count = codec_read_uvarint(&reader->at);
    if (reader->at.failed || count > codec_left(&reader->at) / 2)
        return corrupt(reader, "it counts more segments of the log than it has bytes");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = codec_read_uvarint(&reader->at);
        int64_t max_ms = codec_read_varint(&reader->at);
        vec_push(out, (struct wal_segment){.number = number, .max_ms = max_ms});
    }
    return reader->at.failed ? corrupt(reader, "its list of segments is cut short") : ERR_NONE;
}

/* A section of things that name texts, pairs and columns. */
static enum err read_items(struct snapshot_reader *reader,
                           enum err (*read_one)(struct snapshot_reader *reader))
{
    enum err result = read_symbols(reader);
    if (result == ERR_NONE)
        result = read_pairs(reader);
    if (result == ERR_NONE)
        result = read_columns(reader);
    if (result != ERR_NONE)
        return result;
    uint64_t count = codec_read_uvarint(&reader->at);
    set_reset(reader);
    for (uint64_t i = 0; i < count && result == ERR_NONE; i++) {
        result = read_one(reader);
        if (result == ERR_NONE && reader->at.failed)
            result = corrupt(reader, "a section is cut short");
    }
    if (result == ERR_NONE &&
        !head_link_series(reader->head, reader->loaded.items, reader->loaded.len))
        result = corrupt(reader, "a series is in it twice");
    vec_reset(&reader->loaded);
    return result;
}

static enum err read_section(struct snapshot_reader *reader, struct slice file, size_t *at)
{
    if (file.len - *at < HEAD_SNAPSHOT_SECTION_SIZE)
        return corrupt(reader, "it ends within a section");
    struct codec_reader header = codec_reader(file.ptr + *at, HEAD_SNAPSHOT_SECTION_SIZE);
    uint32_t type = codec_read_u32(&header);
    uint32_t len = codec_read_u32(&header);
    uint32_t crc = codec_read_u32(&header);
    if (len > file.len - *at - HEAD_SNAPSHOT_SECTION_SIZE)
        return corrupt(reader, "it ends within a section");
    const char *payload = file.ptr + *at + HEAD_SNAPSHOT_SECTION_SIZE;
    if (crc != crc32c(crc32c(0, file.ptr + *at, 8), payload, len))
        return corrupt(reader, "the checksum of a section does not match");
    reader->at = codec_reader(payload, len);
    *at += HEAD_SNAPSHOT_SECTION_SIZE + len;
    enum err result = ERR_CORRUPT;
    if (type == HEAD_SNAPSHOT_SEGMENTS)
        result = read_segments(reader);
    else if (type == HEAD_SNAPSHOT_FILES)
        result = read_files(reader);
    else if (type == HEAD_SNAPSHOT_SERIES)
        result = read_items(reader, read_one_series);
    else if (type == HEAD_SNAPSHOT_EXEMPLARS)
        result = read_items(reader, read_exemplar);
    else
        return corrupt(reader, "a section is of an unknown kind");
    if (result == ERR_NONE && codec_left(&reader->at) > 0)
        return corrupt(reader, "a section has bytes that belong to nothing");
    return result;
}

static void reader_release(struct snapshot_reader *reader)
{
    settle_uses(reader);
    for (size_t i = 0; i < reader->symbols.len; i++)
        symbols_unref(reader->symbols.items[i]);
    for (size_t i = 0; i < reader->columns.len; i++)
        time_column_unref(reader->columns.items[i]);
    for (size_t i = 0; i < reader->files.len; i++)
        chunk_filler_end(&reader->files.items[i]);
    vec_release(&reader->files);
    vec_release(&reader->symbols);
    vec_release(&reader->pairs);
    vec_release(&reader->places);
    vec_release(&reader->uses);
    vec_release(&reader->loaded);
    vec_release(&reader->columns);
    vec_release(&reader->set);
    vec_release(&reader->set_pairs);
    vec_release(&reader->deletions);
}

enum err head_snapshot_read(struct slice file, const struct head_snapshot_parts *parts,
                            struct errbuf *err)
{
    struct head *head = parts->head;
    ASSERT(head->series_count == 0);
    struct head_snapshot_header header;
    enum err result = head_snapshot_read_header(file, &header, err);
    if (result != ERR_NONE)
        return result;
    struct snapshot_reader reader = {.head = head, .parts = parts, .err = err};
    /* a series has a dozen bytes at least */
    head_reserve(head, (size_t)MIN(header.series_count, (uint64_t)file.len / 12));
    size_t at = HEAD_SNAPSHOT_HEADER_SIZE;
    while (at < file.len && result == ERR_NONE)
        result = read_section(&reader, file, &at);
    if (result == ERR_NONE && reader.series_count != header.series_count)
        result = corrupt(&reader, "it has another number of series than it says");
    if (result == ERR_NONE) {
        head->min_ms = header.min_ms;
        head->max_ms = header.max_ms;
        head->cutoff_ms = header.cutoff_ms;
        head->samples_appended = header.samples_appended;
        head_delete(head, reader.deletions.items, reader.deletions.len);
    }
    reader_release(&reader);
    return result;
}
