/*
 * A step of the grid is a candidate only because the times say so: the median of the differences,
 * round numbers near it, and the mean, since jitter moves the median. The one that keeps all times
 * nearest to its grid wins.
 */
#include "tsdb/time_column.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/integer_column.h"

#include <stdlib.h>
#include <string.h>

/* Times are cut into pieces of this many, each coded on its own. */
#define PIECE_ROWS INTEGER_COLUMN_COUNT_MAX

#define PIECE_PLAIN 0u
#define PIECE_GRID 1u
#define PIECE_GAPS 2u

/* Where the plain way takes no more than this, there is no grid to look for. */
#define PLAIN_SIZE_SMALL 24

#define STARTS_NONE 0u
#define STARTS_EQUAL 1u
#define STARTS_PREVIOUS 2u
#define STARTS_COLUMN 3u

/* The median of the differences is that of at most this many. */
#define SAMPLE_SIZE 255

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int64_t difference(const int64_t *times, size_t i)
{
    return (int64_t)((uint64_t)times[i] - (uint64_t)times[i - 1]);
}

static int64_t median_step(const int64_t *times, size_t count)
{
    int64_t sample[SAMPLE_SIZE];
    size_t taken = MIN(count - 1, (size_t)SAMPLE_SIZE);
    for (size_t i = 0; i < taken; i++)
        sample[i] = difference(times, 1 + i * (count - 1) / taken);
    qsort(sample, taken, sizeof(*sample), compare_times);
    return sample[taken / 2];
}

/* Steps from a time to the next: one at least. */
static uint64_t steps_between(const int64_t *times, size_t i, int64_t step)
{
    int64_t distance = difference(times, i);
    if (distance <= step)
        return 1;
    return (uint64_t)distance / (uint64_t)step +
           ((uint64_t)distance % (uint64_t)step * 2 > (uint64_t)step);
}

/* How far the times are spread around the grid of this step. */
static uint64_t grid_spread(const int64_t *times, size_t count, int64_t step)
{
    uint64_t grid = 0;
    int64_t least = 0;
    int64_t most = 0;
    for (size_t i = 1; i < count; i++) {
        grid += steps_between(times, i, step) * (uint64_t)step;
        int64_t residual = (int64_t)((uint64_t)times[i] - (uint64_t)times[0] - grid);
        least = MIN(least, residual);
        most = MAX(most, residual);
    }
    return (uint64_t)most - (uint64_t)least;
}

/* The mean step over the spans without a gap. */
static int64_t mean_step(const int64_t *times, size_t count, int64_t step)
{
    uint64_t steps = 0;
    for (size_t i = 1; i < count; i++)
        steps += steps_between(times, i, step);
    int64_t whole = (int64_t)((uint64_t)times[count - 1] - (uint64_t)times[0]);
    /* sums of absurd distances may wrap */
    return whole <= 0 || steps == 0 ? 0 : (int64_t)(((uint64_t)whole + steps / 2) / steps);
}

/* 0 when the times do not ascend. */
static int64_t choose_step(const int64_t *times, size_t count)
{
    static const int64_t round_numbers[] = {10, 50, 100, 500, 1000, 5000};
    int64_t median = median_step(times, count);
    if (median <= 0 || median > INT64_MAX / 4)
        return 0;
    int64_t best = median;
    uint64_t spread = grid_spread(times, count, median);
    for (size_t i = 0; i <= ARRAY_SIZE(round_numbers); i++) {
        int64_t step = i < ARRAY_SIZE(round_numbers)
                           ? (median + round_numbers[i] / 2) / round_numbers[i] * round_numbers[i]
                           : mean_step(times, count, median);
        if (step <= 0 || step == best || step / 2 > median)
            continue;
        uint64_t other = grid_spread(times, count, step);
        if (other < spread) {
            spread = other;
            best = step;
        }
    }
    return best;
}

static void encode_grid(const int64_t *times, size_t count, int64_t step, uint64_t *scratch,
                        struct buf *out)
{
    uint64_t *gaps = scratch;
    uint64_t *residuals = scratch + count;
    uint64_t grid = 0;
    bool any_gap = false;
    residuals[0] = (uint64_t)times[0];
    for (size_t i = 1; i < count; i++) {
        uint64_t steps = steps_between(times, i, step);
        gaps[i - 1] = steps - 1;
        any_gap |= steps != 1;
        grid += steps * (uint64_t)step;
        residuals[i] = (uint64_t)times[i] - grid;
    }
    codec_write_u8(out, any_gap ? PIECE_GAPS : PIECE_GRID);
    codec_write_uvarint(out, (uint64_t)step);
    if (any_gap)
        integer_column_encode(gaps, count - 1, out);
    integer_column_encode(residuals, count, out);
}

static void encode_piece(const int64_t *times, size_t count, uint64_t *scratch, struct buf *out)
{
    size_t start = out->len;
    codec_write_u8(out, PIECE_PLAIN);
    for (size_t i = 0; i < count; i++)
        scratch[i] = (uint64_t)times[i];
    integer_column_encode(scratch, count, out);
    size_t plain = out->len - start;
    int64_t step = count < 3 || plain <= PLAIN_SIZE_SMALL ? 0 : choose_step(times, count);
    if (step == 0)
        return;
    encode_grid(times, count, step, scratch, out);
    size_t grid = out->len - start - plain;
    if (grid < plain)
        memmove(out->data + start, out->data + start + plain, grid);
    buf_truncate(out, start + MIN(plain, grid));
}

void time_column_encode(const int64_t *times_ms, size_t count, struct buf *out)
{
    ASSERT(count >= 1 && count <= TIME_COLUMN_COUNT_MAX);
    size_t piece_max = MIN(count, (size_t)PIECE_ROWS);
    CLEANUP(mem_cleanup) uint64_t *scratch = mem_alloc_array(piece_max, 2 * sizeof(*scratch));
    for (size_t done = 0; done < count; done += piece_max)
        encode_piece(times_ms + done, MIN(count - done, piece_max), scratch, out);
}

static bool fail(struct codec_reader *reader)
{
    reader->failed = true;
    return false;
}

/* Does each of `count` times come after the one before, by steps that do not leave the range? */
static bool steps_ascend(uint64_t first, uint64_t step, size_t count)
{
    int64_t last;
    return count == 1 || ((int64_t)step > 0 &&
                          !__builtin_mul_overflow((int64_t)step, (int64_t)count - 1, &last) &&
                          !__builtin_add_overflow((int64_t)first, last, &last));
}

static bool times_ascend(const int64_t *times, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (times[i] <= times[i - 1])
            return false;
    }
    return true;
}

/* *out_even: the times ascend by equal steps, so that nobody has to look at each. */
static bool read_piece(struct codec_reader *reader, size_t count, int64_t *out, bool *out_even)
{
    *out_even = false;
    uint64_t gaps[PIECE_ROWS + COLUMN_SLACK];
    uint64_t residuals[PIECE_ROWS + COLUMN_SLACK];
    unsigned kind = codec_read_u8(reader);
    uint64_t step = kind == PIECE_PLAIN ? 0 : codec_read_uvarint(reader);
    if (reader->failed || kind > PIECE_GAPS || (kind == PIECE_GAPS && count < 2))
        return fail(reader);
    uint64_t first, rise;
    if (kind != PIECE_GAPS && integer_column_read_steps(reader, count, &first, &rise)) {
        column_kernels()->steps(first, step + rise, count, (uint64_t *)out);
        *out_even = steps_ascend(first, step + rise, count);
        return true;
    }
    if (kind == PIECE_GAPS && !integer_column_read(reader, count - 1, gaps))
        return false;
    if (!integer_column_read(reader, count, residuals))
        return false;
    if (kind != PIECE_GAPS) {
        for (size_t i = 0; i < count; i++)
            out[i] = (int64_t)(residuals[i] + i * step);
        return true;
    }
    uint64_t grid = 0;
    out[0] = (int64_t)residuals[0];
    for (size_t i = 1; i < count; i++) {
        grid += (gaps[i - 1] + 1) * step;
        out[i] = (int64_t)(residuals[i] + grid);
    }
    return true;
}

bool time_column_read(struct codec_reader *reader, size_t count, int64_t *out_ms)
{
    ASSERT(count >= 1 && count <= TIME_COLUMN_COUNT_MAX);
    bool even;
    for (size_t done = 0; done < count; done += PIECE_ROWS) {
        if (!read_piece(reader, MIN(count - done, (size_t)PIECE_ROWS), out_ms + done, &even))
            return false;
    }
    return true;
}

enum err time_column_decode(struct slice bytes, size_t count, int64_t *out_ms, bool *out_ascends)
{
    if (count < 1 || count > TIME_COLUMN_COUNT_MAX)
        return ERR_CORRUPT;
    struct codec_reader reader = codec_reader(bytes.ptr, bytes.len);
    *out_ascends = true;
    for (size_t done = 0; done < count; done += PIECE_ROWS) {
        size_t piece = MIN(count - done, (size_t)PIECE_ROWS);
        bool even;
        if (!read_piece(&reader, piece, out_ms + done, &even))
            return ERR_CORRUPT;
        *out_ascends &= (done == 0 || out_ms[done] > out_ms[done - 1]) &&
                        (even || times_ascend(out_ms + done, piece));
    }
    return codec_left(&reader) == 0 ? ERR_NONE : ERR_CORRUPT;
}

static unsigned starts_kind(const int64_t *starts, const int64_t *times, size_t count)
{
    bool equal = true;
    bool previous = true;
    for (size_t i = 1; i < count; i++) {
        equal &= starts[i] == starts[0];
        previous &= starts[i] == times[i - 1];
    }
    if (equal)
        return starts[0] == 0 ? STARTS_NONE : STARTS_EQUAL;
    return previous ? STARTS_PREVIOUS : STARTS_COLUMN;
}

void start_times_encode(const int64_t *starts_ms, const int64_t *times_ms, size_t count,
                        struct buf *out)
{
    ASSERT(count >= 1 && count <= TIME_COLUMN_COUNT_MAX);
    unsigned kind = starts_kind(starts_ms, times_ms, count);
    codec_write_u8(out, (uint8_t)kind);
    if (kind == STARTS_NONE)
        return;
    if (kind != STARTS_COLUMN) {
        codec_write_varint(out, (int64_t)((uint64_t)times_ms[0] - (uint64_t)starts_ms[0]));
        return;
    }
    size_t piece_max = MIN(count, (size_t)PIECE_ROWS);
    CLEANUP(mem_cleanup) uint64_t *ages = mem_alloc_array(piece_max, sizeof(*ages));
    for (size_t done = 0; done < count; done += piece_max) {
        size_t piece = MIN(count - done, piece_max);
        for (size_t i = 0; i < piece; i++)
            ages[i] = (uint64_t)times_ms[done + i] - (uint64_t)starts_ms[done + i];
        integer_column_encode(ages, piece, out);
    }
}

static bool read_ages(struct codec_reader *reader, const int64_t *times, size_t count, int64_t *out)
{
    uint64_t ages[PIECE_ROWS + COLUMN_SLACK];
    for (size_t done = 0; done < count; done += PIECE_ROWS) {
        size_t piece = MIN(count - done, (size_t)PIECE_ROWS);
        if (!integer_column_read(reader, piece, ages))
            return false;
        for (size_t i = 0; i < piece; i++)
            out[done + i] = (int64_t)((uint64_t)times[done + i] - ages[i]);
    }
    return true;
}

bool start_times_read(struct codec_reader *reader, const int64_t *times_ms, size_t count,
                      int64_t *out_ms)
{
    ASSERT(count >= 1 && count <= TIME_COLUMN_COUNT_MAX);
    unsigned kind = codec_read_u8(reader);
    if (kind == STARTS_COLUMN)
        return read_ages(reader, times_ms, count, out_ms);
    int64_t first = 0;
    if (kind != STARTS_NONE)
        first = (int64_t)((uint64_t)times_ms[0] - (uint64_t)codec_read_varint(reader));
    if (reader->failed || kind > STARTS_COLUMN)
        return fail(reader);
    out_ms[0] = first;
    for (size_t i = 1; i < count; i++)
        out_ms[i] = kind == STARTS_PREVIOUS ? times_ms[i - 1] : first;
    return true;
}
