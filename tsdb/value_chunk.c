/* From doubles to integers and exceptions, and back. */
#include "tsdb/value_chunk.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/column_kernels.h"
#include "tsdb/decimal_scale.h"
#include "tsdb/integer_column.h"
#include "tsdb/value_exceptions.h"

#include <assert.h>
#include <math.h>

static_assert(VALUE_CHUNK_COUNT_MAX <= INTEGER_COLUMN_COUNT_MAX, "a chunk is one column");

#define HEAD_MAP 0x1fu
#define HEAD_RAW 0x1fu
#define HEAD_EXCEPTIONS 0x20u
#define HEAD_CORRECTIONS 0x40u
#define HEAD_ALL 0x7fu

/* Integers of decimals are below this. */
#define INTEGER_LIMIT (INT64_C(1) << 51)

/* A decimal that is further off, in units of the last place, is none. */
#define CORRECTION_MAX (UINT64_C(1) << 24)

/* How the values of a chunk become integers. */
struct value_map {
    bool raw;
    unsigned exponent;
    size_t exception_count;
    struct value_exception *exceptions; /* room for one of each value */
    uint64_t *integers;
    uint64_t *corrections; /* where `corrected`: added to the bits of the decimals */
    bool corrected;
};

static uint64_t rotate(double value)
{
    uint64_t bits = codec_double_bits(value);
    return bits << 1 | bits >> 63;
}

static double from_integer(const struct value_map *map, uint64_t integer)
{
    double value;
    column_kernels()->decimals(&integer, 1, map->exponent, &value);
    return value;
}

static void add_exception(struct value_map *map, size_t position, double value)
{
    uint64_t bits = codec_double_bits(value);
    if (map->exception_count > 0) {
        struct value_exception *last = &map->exceptions[map->exception_count - 1];
        if (last->position + last->count == position && last->bits == bits) {
            last->count++;
            return;
        }
    }
    map->exceptions[map->exception_count++] = (struct value_exception){(uint32_t)position, 1, bits};
}

static bool is_expressed(const struct value_map *map, double value, uint64_t integer)
{
    if (map->raw)
        return isfinite(value);
    int64_t whole = (int64_t)integer;
    return whole > -INTEGER_LIMIT && whole < INTEGER_LIMIT &&
           codec_double_bits(from_integer(map, integer)) == codec_double_bits(value);
}

/* Lists what is not expressed; its integer becomes that of its neighbour, which costs nothing. */
static void list_exceptions(struct value_map *map, const double *values, size_t count)
{
    size_t first = count;
    for (size_t i = 0; i < count; i++) {
        if (is_expressed(map, values[i], map->integers[i])) {
            first = MIN(first, i);
            continue;
        }
        add_exception(map, i, values[i]);
        map->integers[i] = i == 0 ? 0 : map->integers[i - 1];
    }
    for (size_t i = 0; i < first; i++)
        map->integers[i] = first == count ? 0 : map->integers[first];
}

/* With more than this, other ways to write the chunk are tried. */
static size_t many_exceptions(size_t count)
{
    return count / 16 + 1;
}

/* Decimals that the sample did not show may need more digits than it did. */
static unsigned exponent_of_misses(const struct value_map *map, const double *values, size_t count)
{
    unsigned exponent = map->exponent;
    size_t looked_at = 0;
    for (size_t i = 0; i < count && looked_at < 64; i++) {
        if (!isfinite(values[i]) || is_expressed(map, values[i], map->integers[i]))
            continue;
        unsigned least = decimal_scale_least(values[i], exponent + 1);
        if (least <= DECIMAL_EXPONENT_MAX)
            exponent = least;
        looked_at++;
    }
    return exponent;
}

static bool map_decimals(struct value_map *map, const double *values, size_t count)
{
    const struct column_kernels *kernels = column_kernels();
    if (!decimal_scale_choose(values, count, &map->exponent))
        return false;
    size_t misses = kernels->to_integers(values, count, map->exponent, map->integers);
    if (misses > many_exceptions(count)) {
        unsigned exponent = exponent_of_misses(map, values, count);
        if (exponent != map->exponent) {
            map->exponent = exponent;
            misses = kernels->to_integers(values, count, exponent, map->integers);
        }
    }
    if (misses > 0)
        list_exceptions(map, values, count);
    return true;
}

/* Decimals that were computed: each has its distance from the one that division gives. */
static void map_near(struct value_map *map, const double *values, size_t count, unsigned exponent)
{
    const struct column_kernels *kernels = column_kernels();
    CLEANUP(mem_cleanup) double *nearest = mem_alloc_array(count, sizeof(*nearest));
    map->exponent = exponent;
    map->corrected = true;
    map->exception_count = 0;
    kernels->to_integers(values, count, exponent, map->integers);
    kernels->decimals(map->integers, count, exponent, nearest);
    for (size_t i = 0; i < count; i++) {
        uint64_t distance = codec_double_bits(values[i]) - codec_double_bits(nearest[i]);
        int64_t whole = (int64_t)map->integers[i];
        map->corrections[i] = distance;
        if (distance + CORRECTION_MAX <= 2 * CORRECTION_MAX && whole > -INTEGER_LIMIT &&
            whole < INTEGER_LIMIT)
            continue;
        add_exception(map, i, values[i]);
        map->integers[i] = i == 0 ? 0 : map->integers[i - 1];
        map->corrections[i] = 0;
    }
}

static void map_bits(struct value_map *map, const double *values, size_t count, bool finite_only)
{
    map->raw = true;
    map->corrected = false;
    map->exception_count = 0;
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        map->integers[i] = rotate(values[i]);
        finite &= isfinite(values[i]) != 0;
    }
    if (finite_only && !finite)
        list_exceptions(map, values, count);
}

static void write_chunk(const struct value_map *map, size_t count, struct buf *out)
{
    codec_write_u8(out, (uint8_t)((map->raw ? HEAD_RAW : map->exponent) |
                                  (map->exception_count > 0 ? HEAD_EXCEPTIONS : 0) |
                                  (map->corrected ? HEAD_CORRECTIONS : 0)));
    integer_column_encode(map->integers, count, out);
    if (map->corrected)
        integer_column_encode(map->corrections, count, out);
    if (map->exception_count > 0)
        value_exceptions_write(out, map->exceptions, map->exception_count);
}

/* Puts the chunk in place of the one at `start` if it is smaller. */
static void write_smaller(const struct value_map *map, size_t count, size_t start, struct buf *out)
{
    size_t len = out->len - start;
    write_chunk(map, count, out);
    size_t other = out->len - start - len;
    if (other < len)
        memcpy(out->data + start, out->data + start + len, other);
    buf_truncate(out, start + MIN(len, other));
}

/* Writes what is smallest of the ways that may be; the chunk at `start` is one, if there is one. */
static void write_other_ways(struct value_map *map, const double *values, size_t count,
                             size_t start, struct buf *out)
{
    bool written = out->len > start;
    unsigned exponent = map->exponent;
    if (written || decimal_scale_near(values, count, &exponent)) {
        CLEANUP(mem_cleanup)
        uint64_t *corrections = mem_alloc_array(count, sizeof(*corrections));
        map->corrections = corrections;
        map_near(map, values, count, exponent);
        if (written)
            write_smaller(map, count, start, out);
        else
            write_chunk(map, count, out);
        written = true;
        /* few bytes cannot be bits */
        if (map->exception_count <= many_exceptions(count) && out->len - start < count * 3)
            return;
    }
    map_bits(map, values, count, true);
    if (written)
        write_smaller(map, count, start, out);
    else
        write_chunk(map, count, out);
    if (map->exception_count > many_exceptions(count)) {
        map_bits(map, values, count, false);
        write_smaller(map, count, start, out);
    }
}

void value_chunk_encode(const double *values, size_t count, struct buf *out)
{
    ASSERT(count >= 1 && count <= VALUE_CHUNK_COUNT_MAX);
    CLEANUP(mem_cleanup)
    uint64_t *integers = mem_alloc_array(count, sizeof(*integers));
    CLEANUP(mem_cleanup)
    struct value_exception *exceptions = mem_alloc_array(count, sizeof(*exceptions));
    struct value_map map = {.integers = integers, .exceptions = exceptions};
    size_t start = out->len;
    if (map_decimals(&map, values, count)) {
        write_chunk(&map, count, out);
        if (map.exception_count <= many_exceptions(count))
            return;
    }
    write_other_ways(&map, values, count, start, out);
}

/* The values of a chunk that are wanted: from `low` to before `high`. */
struct value_range {
    size_t count; /* of the chunk */
    size_t low;
    size_t high;
};

static bool read_corrections(struct codec_reader *reader, const struct value_range *range,
                             double *values)
{
    uint64_t corrections[VALUE_CHUNK_COUNT_MAX + COLUMN_SLACK];
    if (!integer_column_read_part(reader, range->count, range->low, range->high, corrections))
        return false;
    for (size_t i = 0; i < range->high - range->low; i++)
        values[i] =
            codec_bits_double(codec_double_bits(values[i]) + corrections[range->low + i]);
    return true;
}

/* Most chunks: one value for all. */
static bool read_constant(struct codec_reader *reader, unsigned map,
                          const struct value_range *range, double *out)
{
    uint64_t integers[1 + COLUMN_SLACK];
    double value;
    if (!integer_column_read(reader, 1, integers))
        return false;
    if (map == HEAD_RAW)
        column_kernels()->rotated(integers, 1, &value);
    else
        column_kernels()->decimals(integers, 1, map, &value);
    for (size_t i = 0; i < range->high - range->low; i++)
        out[i] = value;
    return true;
}

static bool read_values(struct codec_reader *reader, unsigned map, const struct value_range *range,
                        double *out)
{
    uint64_t integers[VALUE_CHUNK_COUNT_MAX + COLUMN_SLACK];
    size_t wanted = range->high - range->low;
    if (!integer_column_read_part(reader, range->count, range->low, range->high, integers))
        return false;
    if (map == HEAD_RAW)
        column_kernels()->rotated(integers + range->low, wanted, out);
    else
        column_kernels()->decimals(integers + range->low, wanted, map, out);
    return true;
}

static bool read_range(struct codec_reader *reader, const struct value_range *range, double *out)
{
    unsigned head = codec_read_u8(reader);
    unsigned map = head & HEAD_MAP;
    if ((map > DECIMAL_EXPONENT_MAX && map != HEAD_RAW) || head > HEAD_ALL) {
        reader->failed = true;
        return false;
    }
    if (!(integer_column_is_constant(reader) ? read_constant(reader, map, range, out)
                                             : read_values(reader, map, range, out)))
        return false;
    if (head & HEAD_CORRECTIONS && !read_corrections(reader, range, out))
        return false;
    return !(head & HEAD_EXCEPTIONS) ||
           value_exceptions_read(reader, range->count, range->low, range->high, out);
}

bool value_chunk_read(struct codec_reader *reader, size_t count, double *out)
{
    ASSERT(count >= 1 && count <= VALUE_CHUNK_COUNT_MAX);
    return read_range(reader, &(struct value_range){count, 0, count}, out);
}

enum err value_chunk_decode(struct slice bytes, size_t count, double *out)
{
    return value_chunk_decode_part(bytes, count, 0, count, out);
}

enum err value_chunk_decode_part(struct slice bytes, size_t count, size_t low, size_t high,
                                 double *out)
{
    if (count < 1 || count > VALUE_CHUNK_COUNT_MAX)
        return ERR_CORRUPT;
    ASSERT(low < high && high <= count);
    struct codec_reader reader = codec_reader(bytes.ptr, bytes.len);
    bool good = read_range(&reader, &(struct value_range){count, low, high}, out);
    return good && codec_left(&reader) == 0 ? ERR_NONE : ERR_CORRUPT;
}
