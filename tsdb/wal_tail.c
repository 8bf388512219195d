/* A decoder of its own, begun where a segment begins, since segments stand for themselves. */
#include "tsdb/wal_tail.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/tsdb_internal.h"
#include "tsdb/wal_decoder.h"
#include "tsdb/wal_frame.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define TAIL_ARENA_BYTES_MAX ((size_t)1 << 30)

struct wal_tail {
    struct tsdb *db;
    struct wal_hold hold;
    struct wal_position position;
    int fd; /* of the segment; -1 = none is open */
    struct wal_decoder decoder;
    struct buf stored;
    struct buf unpacked;
    struct arena arena; /* histograms of one frame */
    /* during a call */
    void (*each)(const struct wal_tail_sample *sample, void *context);
    void *context;
};

static void tail_series(void *context, uint32_t first, const struct labels *const *labels,
                        size_t count)
{
}

static void tail_emit(struct wal_tail *tail, uint32_t id, int64_t t_ms, uint64_t bits,
                      const struct histogram *histogram)
{
    struct wal_tail_sample sample = {
        .labels = tail->decoder.labels.items[id],
        .timestamp_ms = t_ms,
        .value = codec_bits_double(bits),
        .histogram = histogram,
    };
    tail->each(&sample, tail->context);
}

static void tail_row(void *context, struct wal_group *group, int64_t t_ms)
{
    struct wal_tail *tail = context;
    for (uint32_t base = 0; base < group->count; base += 64) {
        for (uint64_t word = group->present[base / 64]; word != 0; word &= word - 1) {
            uint32_t position = base + (uint32_t)__builtin_ctzll(word);
            tail_emit(tail, group->series[position], t_ms, group->bits[position], NULL);
        }
    }
}

static void tail_samples(void *context, const struct wal_sample *samples, size_t count,
                         bool out_of_order)
{
    for (size_t i = 0; i < count; i++)
        tail_emit(context, samples[i].series, samples[i].t_ms, samples[i].bits, NULL);
}

static void tail_histogram(void *context, uint32_t id, int64_t t_ms, struct slice encoded,
                           bool out_of_order)
{
    struct wal_tail *tail = context;
    struct codec_reader reader = codec_reader(encoded.ptr, encoded.len);
    const struct histogram *histogram = histogram_decode(&reader, &tail->arena);
    if (histogram != NULL)
        tail_emit(tail, id, t_ms, 0, histogram);
}

static const struct wal_visitor tail_visitor = {
    .series = tail_series,
    .row = tail_row,
    .samples = tail_samples,
    .histogram = tail_histogram,
};

/* Goes to the start of a segment. */
static void tail_move(struct wal_tail *tail, uint64_t segment)
{
    if (tail->fd >= 0)
        tail->db->fs->close(tail->db->fs, tail->fd);
    tail->fd = -1;
    tail->position = (struct wal_position){segment, WAL_SEGMENT_HEADER_SIZE};
    wal_decoder_reset(&tail->decoder);
    wal_hold_move(tail->db->wal, &tail->hold, tail->position);
}

enum err wal_tail_open(struct tsdb *db, uint64_t hold_bytes_max, struct wal_tail **out,
                       struct errbuf *err)
{
    /* a fresh segment: what follows needs nothing that came before */
    mutex_lock(&db->commit_lock);
    enum err result = ERR_NONE;
    if (wal_has_failed(db->wal))
        result = errbuf_set(err, ERR_UNAVAILABLE, "storage cannot write its log");
    else if (wal_end(db->wal).offset > WAL_SEGMENT_HEADER_SIZE)
        result = wal_cut(db->wal, err);
    struct wal_position position = result == ERR_NONE ? wal_end(db->wal) : (struct wal_position){0};
    mutex_unlock(&db->commit_lock);
    if (result != ERR_NONE)
        return result;
    struct wal_tail *tail = mem_zalloc(sizeof(*tail));
    tail->db = db;
    tail->fd = -1;
    tail->hold = (struct wal_hold){.position = position, .bytes_max = hold_bytes_max};
    tail->position = position;
    wal_decoder_init(&tail->decoder, &tail_visitor, tail);
    buf_init(&tail->stored, (size_t)WAL_PAYLOAD_SIZE_MAX + WAL_FRAME_HEADER_SIZE);
    buf_init(&tail->unpacked, WAL_PAYLOAD_SIZE_MAX);
    arena_init(&tail->arena, TAIL_ARENA_BYTES_MAX);
    wal_hold_add(db->wal, &tail->hold);
    *out = tail;
    return ERR_NONE;
}

void wal_tail_close(struct wal_tail *tail)
{
    if (tail == NULL)
        return;
    wal_hold_remove(tail->db->wal, &tail->hold);
    if (tail->fd >= 0)
        tail->db->fs->close(tail->db->fs, tail->fd);
    wal_decoder_release(&tail->decoder);
    buf_release(&tail->stored);
    buf_release(&tail->unpacked);
    arena_release(&tail->arena);
    mem_free(tail);
}

/* Reads `len` bytes behind those that are in the buffer. */
static enum err tail_fill(struct wal_tail *tail, size_t len, struct errbuf *err)
{
    const struct fs *fs = tail->db->fs;
    char *to = buf_reserve(&tail->stored, len);
    if (to == NULL)
        return errbuf_set(err, ERR_CORRUPT, "a frame of the log is too large");
    size_t done = 0;
    while (done < len) {
        ssize_t got = fs->pread(fs, tail->fd, to + done, len - done,
                                tail->position.offset + tail->stored.len + done);
        if (got <= 0)
            return errbuf_set_errno(err, got < 0 ? (int)-got : EIO,
                                    "reading segment %" PRIu64 " of the log",
                                    tail->position.segment);
        done += (size_t)got;
    }
    buf_commit(&tail->stored, len);
    return ERR_NONE;
}

/* The frame at the position, which is known to be written. */
static enum err tail_frame(struct wal_tail *tail, struct wal_frame *out, struct errbuf *err)
{
    if (tail->fd < 0) {
        char *path CLEANUP(mem_cleanup) = wal_segment_path(tail->db->wal, tail->position.segment);
        tail->fd = tail->db->fs->open(tail->db->fs, path, FS_READ);
        if (tail->fd < 0)
            return errbuf_set_errno(err, -tail->fd, "opening %s", path);
    }
    buf_reset(&tail->stored);
    enum err result = tail_fill(tail, WAL_FRAME_HEADER_SIZE, err);
    if (result != ERR_NONE)
        return result;
    struct codec_reader reader = codec_reader(tail->stored.data, WAL_FRAME_HEADER_SIZE);
    result = tail_fill(tail, codec_read_u32(&reader), err);
    if (result != ERR_NONE)
        return result;
    return wal_frame_read(buf_slice(&tail->stored), &tail->unpacked, out, err);
}

/* Finds where the next frame is: false when all was read. */
static bool tail_advance(struct wal_tail *tail)
{
    struct wal *wal = tail->db->wal;
    for (;;) {
        if (wal_hold_take_lost(wal, &tail->hold) ||
            wal_oldest_segment(wal) > tail->position.segment) {
            /* what was missed is gone: go on with what is there */
            tail_move(tail, wal_oldest_segment(wal));
        }
        /* asked first: a segment that is followed by another does not grow any more */
        uint64_t next = wal_next_segment(wal, tail->position.segment);
        if (tail->position.offset < wal_segment_size(wal, tail->position.segment))
            return true;
        if (next == 0)
            return false;
        tail_move(tail, next);
    }
}

enum err wal_tail_next(struct wal_tail *tail,
                       void (*each)(const struct wal_tail_sample *sample, void *context),
                       void *context, bool *out_any, struct errbuf *err)
{
    *out_any = false;
    if (!tail_advance(tail))
        return ERR_NONE;
    struct wal_frame frame;
    enum err result = tail_frame(tail, &frame, err);
    if (result != ERR_NONE)
        return result;
    arena_reset(&tail->arena);
    tail->each = each;
    tail->context = context;
    result = wal_decoder_read(&tail->decoder, frame.payload, err);
    if (result != ERR_NONE)
        return result;
    tail->position.offset += frame.size;
    wal_hold_move(tail->db->wal, &tail->hold, tail->position);
    *out_any = true;
    return ERR_NONE;
}
