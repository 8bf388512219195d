#include "tool/xor_chunk.h"

#include "base/assert.h"
#include "base/codec.h"
#include "model/sample.h"
#include "tool/bit_stream.h"
#include "tool/start_times.h"

#define HEADER_SIZE 2
#define XOR2_HEADER_SIZE 3
#define COUNT_MAX 65535

/* Widths of the second differences of times by the number of ones before them. */
static const uint8_t time_widths[] = {0, 14, 17, 20, 64};
#define TIME_PREFIX_MAX 4

static size_t sample_count(struct slice bytes)
{
    return (size_t)(uint8_t)bytes.ptr[0] << 8 | (uint8_t)bytes.ptr[1];
}

static enum err fail_short(size_t sample, struct errbuf *err)
{
    return errbuf_set(err, ERR_CORRUPT, "the chunk of floats breaks off at its sample %zu", sample);
}

static int64_t read_time_step(struct bit_reader *reader)
{
    unsigned ones = 0;
    while (ones < TIME_PREFIX_MAX && bit_read(reader, 1) == 1)
        ones++;
    return bit_read_signed(reader, time_widths[ones]);
}

static enum err push_value(struct chunk_samples *out, uint64_t time_ms, double value,
                           int64_t start_ms, struct errbuf *err)
{
    bool wanted = false;
    enum err code = chunk_samples_check(out, (int64_t)time_ms, &wanted, err);
    if (code == ERR_NONE && wanted)
        chunk_samples_push(out, (int64_t)time_ms, value, NULL, start_ms);
    return code;
}

enum err xor_chunk_read(struct slice bytes, struct chunk_samples *out, struct errbuf *err)
{
    if (bytes.len < HEADER_SIZE)
        return fail_short(0, err);
    struct bit_reader reader;
    bit_reader_init(&reader, bytes.ptr + HEADER_SIZE, bytes.len - HEADER_SIZE);
    struct xor_value value;
    xor_value_init(&value);
    uint64_t time_ms = 0, delta = 0; /* unsigned, so that they wrap as the reference's do */
    size_t count = sample_count(bytes);
    enum err code = ERR_NONE;
    for (size_t i = 0; i < count && code == ERR_NONE; i++) {
        if (i == 0) {
            time_ms = (uint64_t)bit_read_varint(&reader);
            value.value = codec_bits_double(bit_read(&reader, 64));
        } else {
            delta = i == 1 ? bit_read_uvarint(&reader) : delta + (uint64_t)read_time_step(&reader);
            time_ms += delta;
            xor_value_read(&value, &reader);
        }
        code = reader.failed ? fail_short(i, err) : push_value(out, time_ms, value.value, 0, err);
    }
    return code;
}

/* --- XOR2: a value is told by what differs from the last one that is no stale marker --- */

struct xor2_state {
    struct bit_reader reader;
    struct xor_value base;
    double value;
    uint64_t time_ms;
    uint64_t delta;
};

static void read_value(struct xor2_state *state)
{
    struct bit_reader *reader = &state->reader;
    if (bit_read(reader, 1) == 1) {
        if (bit_read(reader, 1) == 0) {
            xor_value_read_window(&state->base, reader);
        } else if (bit_read(reader, 1) == 0) {
            xor_value_read_new_window(&state->base, reader);
        } else {
            state->value = sample_stale();
            return;
        }
    }
    state->value = state->base.value;
}

static void read_changed_value(struct xor2_state *state)
{
    if (bit_read(&state->reader, 1) == 0)
        xor_value_read_window(&state->base, &state->reader);
    else
        xor_value_read_new_window(&state->base, &state->reader);
    state->value = state->base.value;
}

/* Here the upper half of a width is negative without exception. */
static uint64_t read_step(struct bit_reader *reader, unsigned width)
{
    uint64_t bits = bit_read(reader, width);
    return width < 64 && bits >> (width - 1) != 0 ? bits - (UINT64_C(1) << width) : bits;
}

static void read_joint(struct xor2_state *state)
{
    static const uint8_t step_widths[] = {0, 0, 13, 20, 64};
    struct bit_reader *reader = &state->reader;
    unsigned ones = 0;
    while (ones < 5 && bit_read(reader, 1) == 1)
        ones++;
    if (ones >= 2 && ones <= 4)
        state->delta += read_step(reader, step_widths[ones]);
    state->time_ms += state->delta;
    if (ones == 0)
        state->value = state->base.value;
    else if (ones == 1)
        read_changed_value(state);
    else if (ones <= 4)
        read_value(state);
    else
        state->value = sample_stale();
}

static void read_first(struct xor2_state *state)
{
    state->time_ms = (uint64_t)bit_read_varint(&state->reader);
    state->value = codec_bits_double(bit_read(&state->reader, 64));
    if (!sample_is_stale(state->value))
        state->base.value = state->value;
}

enum err xor2_chunk_read(struct slice bytes, struct chunk_samples *out, struct errbuf *err)
{
    if (bytes.len < XOR2_HEADER_SIZE)
        return fail_short(0, err);
    struct xor2_state state = {0};
    xor_value_init(&state.base);
    bit_reader_init(&state.reader, bytes.ptr + XOR2_HEADER_SIZE, bytes.len - XOR2_HEADER_SIZE);
    struct start_times starts;
    start_times_init(&starts, (uint8_t)bytes.ptr[2]);
    size_t count = sample_count(bytes);
    enum err code = ERR_NONE;
    for (size_t i = 0; i < count && code == ERR_NONE; i++) {
        uint64_t before_ms = state.time_ms;
        if (i == 0) {
            read_first(&state);
        } else if (i == 1) {
            state.delta = bit_read_uvarint(&state.reader);
            state.time_ms += state.delta;
            read_value(&state);
        } else {
            read_joint(&state);
        }
        start_times_read(&starts, &state.reader, i, state.time_ms, before_ms);
        code = state.reader.failed
                   ? fail_short(i, err)
                   : push_value(out, state.time_ms, state.value, (int64_t)starts.start_ms, err);
    }
    return code;
}

/* --- writing --- */

static void write_time_step(struct bit_writer *writer, int64_t step)
{
    unsigned ones = 0;
    while (ones < TIME_PREFIX_MAX && !bit_fits_signed(step, time_widths[ones]))
        ones++;
    uint64_t prefix = ((UINT64_C(1) << ones) - 1) << (ones < TIME_PREFIX_MAX ? 1 : 0);
    bit_write(writer, prefix, ones < TIME_PREFIX_MAX ? ones + 1 : ones);
    bit_write(writer, (uint64_t)step, time_widths[ones]);
}

void xor_chunk_write(const int64_t *times_ms, const double *values, size_t count, struct buf *out)
{
    ASSERT(count > 0 && count <= COUNT_MAX);
    buf_append_byte(out, (char)(count >> 8));
    buf_append_byte(out, (char)count);
    struct bit_writer writer;
    bit_writer_init(&writer, out);
    struct xor_value value;
    xor_value_init(&value);
    value.value = values[0];
    bit_write_varint(&writer, times_ms[0]);
    bit_write(&writer, codec_double_bits(values[0]), 64);
    uint64_t delta = 0;
    for (size_t i = 1; i < count; i++) {
        uint64_t before = delta;
        delta = (uint64_t)times_ms[i] - (uint64_t)times_ms[i - 1];
        if (i == 1)
            bit_write_uvarint(&writer, delta);
        else
            write_time_step(&writer, (int64_t)(delta - before));
        xor_value_write(&value, values[i], &writer);
    }
}
