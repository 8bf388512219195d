/*
 * WAL segments from hostile bytes. The first byte chooses: a whole segment (header, frames with
 * their checksums), or the payload of a frame, so that the fuzzer need not find a CRC. What is
 * decoded is read on: histograms too.
 */
#include "base/arena.h"
#include "base/codec.h"
#include "tsdb/exemplar_labels.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/tokens.h"
#include "tsdb/wal_decoder.h"
#include "tsdb/wal_frame.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_BYTES_MAX ((size_t)64 << 20)

static size_t series_count;

static void see_series(void *context, uint32_t first, const struct labels *const *labels,
                       size_t count)
{
    if (first != series_count)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (labels[i] == NULL || labels[i]->reference_count != 1)
            abort();
    }
    series_count += count;
}

static void see_row(void *context, struct wal_group *group, int64_t t_ms)
{
    for (uint32_t i = 0; i < group->count; i++) {
        if ((group->present[i / 64] >> (i % 64) & 1) && group->series[i] >= series_count)
            abort();
    }
}

/* A token that needs nothing before it says the sample's bits again. */
static void see_samples(void *context, const struct wal_sample *samples, size_t count,
                        bool out_of_order)
{
    for (size_t i = 0; i < count; i++) {
        const struct wal_sample *sample = &samples[i];
        if (sample->series >= series_count || sample->token_len > TOKEN_SIZE_MAX)
            abort();
        if (sample->token_len == 0 || !token_is_absolute(sample->token[0]))
            continue;
        struct token_reader reader = token_reader(sample->token, sample->token_len);
        if (out_of_order || token_read(&reader) != TOKEN_VALUE || reader.bits != sample->bits ||
            reader.at != reader.end)
            abort();
    }
}

static void see_histogram(void *context, uint32_t id, int64_t t_ms, struct slice encoded,
                          bool out_of_order)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct codec_reader reader = codec_reader(encoded.ptr, encoded.len);
    const struct histogram *histogram = histogram_decode(&reader, &arena);
    if (histogram != NULL && !histogram_encodable(histogram))
        abort();
    arena_release(&arena);
}

static void see_exemplar(void *context, uint32_t id, const struct exemplar_entry *entry)
{
    if (id >= series_count)
        abort();
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    size_t count;
    if (exemplar_labels_decode(entry->labels, &arena, &count) == NULL)
        abort();
    arena_release(&arena);
}

static void see_start(void *context, uint32_t id, int64_t t_ms, int64_t start_ms, bool late)
{
    if (id >= series_count)
        abort();
}

static void see_deletion(void *context, uint32_t id, int64_t min_ms, int64_t max_ms)
{
    if (id >= series_count || min_ms > max_ms)
        abort();
}

static const struct wal_visitor visitor = {
    .series = see_series,
    .row = see_row,
    .samples = see_samples,
    .histogram = see_histogram,
    .exemplar = see_exemplar,
    .start = see_start,
    .deletion = see_deletion,
};

static void read_segment(struct wal_decoder *decoder, struct slice segment)
{
    uint64_t run;
    struct errbuf err;
    if (wal_segment_header_read(segment, &run, &err) != ERR_NONE)
        return;
    struct buf unpacked;
    buf_init(&unpacked, ARENA_BYTES_MAX);
    segment = slice_from_index(segment, WAL_SEGMENT_HEADER_SIZE);
    struct wal_frame frame;
    while (segment.len > 0 && wal_frame_read(segment, &unpacked, &frame, &err) == ERR_NONE &&
           wal_decoder_read(decoder, frame.payload, &err) == ERR_NONE)
        segment = slice_from_index(segment, frame.size);
    buf_release(&unpacked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct wal_decoder decoder;
    wal_decoder_init(&decoder, &visitor, NULL);
    series_count = 0;
    struct slice rest = slice_from((const char *)data + 1, size - 1);
    struct errbuf err;
    /* a payload twice: its records build on themselves */
    if (data[0] == 0)
        read_segment(&decoder, rest);
    else if (wal_decoder_read(&decoder, rest, &err) == ERR_NONE &&
             wal_decoder_read(&decoder, rest, &err) != ERR_NONE && err.text[0] == '\0')
        abort();
    wal_decoder_release(&decoder);
    return 0;
}
