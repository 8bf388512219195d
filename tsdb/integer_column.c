/* Layout of a column; the choice between layouts is integer_plan.c. */
#include "tsdb/integer_column.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/bit_packing.h"
#include "tsdb/integer_plan.h"

#include <string.h>

#define HEAD_KIND 3u
#define HEAD_ORDER_SHIFT 2
#define HEAD_FACTOR 0x10u
#define HEAD_ZIGZAG 0x20u
#define HEAD_PATCHES 0x40u
#define HEAD_WIDE 0x80u /* the first integer is 8 bytes, not a varint */

#define KIND_CONSTANT 0u
#define KIND_PACKED 1u
#define KIND_RICE 2u

/* A varint of more bits than this is longer than 8 bytes. */
#define VARINT_BITS_SHORT 56

/* Of the differences to the first, taken as signed: 0 when all are equal. */
static uint64_t common_factor(const uint64_t *values, size_t count)
{
    uint64_t factor = 0;
    for (size_t i = 1; i < count && factor != 1; i++) {
        uint64_t difference = values[i] - values[0];
        if ((int64_t)difference < 0)
            difference = -difference;
        /* Euclid; after the first few there is nothing left to do */
        while (difference != 0) {
            uint64_t rest = factor == 0 ? 0 : difference % factor;
            if (factor == 0) {
                factor = difference;
                break;
            }
            if (rest == 0)
                break;
            difference = factor;
            factor = rest;
        }
    }
    return factor;
}

static void divide(const uint64_t *values, size_t count, uint64_t factor, uint64_t *out)
{
    if ((factor & (factor - 1)) == 0) {
        unsigned shift = (unsigned)__builtin_ctzll(factor);
        for (size_t i = 0; i < count; i++)
            out[i] = (uint64_t)((int64_t)(values[i] - values[0]) >> shift);
        return;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = (uint64_t)((int64_t)(values[i] - values[0]) / (int64_t)factor);
}

static void difference(const uint64_t *values, size_t count, uint64_t *out)
{
    for (size_t i = 1; i < count; i++)
        out[i - 1] = values[i] - values[i - 1];
}

/* `first` behind the head byte, which says how it is written. */
static void write_first(struct buf *out, unsigned head, uint64_t first)
{
    uint64_t zigzag = codec_zigzag((int64_t)first);
    if (zigzag >> VARINT_BITS_SHORT != 0) {
        codec_write_u8(out, (uint8_t)(head | HEAD_WIDE));
        codec_write_u64(out, first);
        return;
    }
    codec_write_u8(out, (uint8_t)head);
    codec_write_uvarint(out, zigzag);
}

/* The high parts of what does not fit; they are cut off the residuals. */
static void write_patches(struct buf *out, const struct integer_plan *plan, uint64_t *residuals,
                          size_t count, uint64_t *scratch)
{
    uint64_t *positions = scratch;
    uint64_t *parts = scratch + plan->patch_count;
    size_t found = 0;
    uint64_t limit = plan->rice ? BIT_QUOTIENT_MAX : 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t part = residuals[i] >> plan->width;
        if (part <= limit)
            continue;
        ASSERT(found < plan->patch_count);
        positions[found] = i;
        parts[found++] = part;
        residuals[i] -= part << plan->width;
    }
    ASSERT(found == plan->patch_count);
    codec_write_uvarint(out, found);
    codec_write_u8(out, (uint8_t)plan->patch_width);
    bit_packing_write(out, positions, found, integer_plan_position_width(count));
    bit_packing_write(out, parts, found, plan->patch_width);
}

static void write_residuals(struct buf *out, const struct integer_plan *plan, uint64_t *values,
                            size_t count, uint64_t *scratch)
{
    for (size_t i = 0; i < count; i++)
        values[i] -= plan->reference;
    for (size_t i = 0; plan->zigzag && i < count; i++)
        values[i] = codec_zigzag((int64_t)values[i]);
    codec_write_u8(out, (uint8_t)plan->width);
    if (plan->patch_count > 0)
        write_patches(out, plan, values, count, scratch);
    if (plan->rice)
        bit_quotients_write(out, values, count, plan->width);
    bit_packing_write(out, values, count, plan->width);
}

void integer_column_encode(const uint64_t *values, size_t count, struct buf *out)
{
    ASSERT(count >= 1 && count <= INTEGER_COLUMN_COUNT_MAX);
    uint64_t factor = common_factor(values, count);
    if (factor == 0) {
        write_first(out, KIND_CONSTANT, values[0]);
        return;
    }
    CLEANUP(mem_cleanup) uint64_t *memory = mem_alloc_array(count, 4 * sizeof(*memory));
    uint64_t *const sets[COLUMN_ORDER_MAX + 1] = {memory, memory + count, memory + 2 * count};
    divide(values, count, factor, sets[0]);
    difference(sets[0], count, sets[1]);
    difference(sets[1], count - 1, sets[2]);
    struct integer_plan plan = integer_plan_choose(sets, count);
    unsigned head = (plan.rice ? KIND_RICE : KIND_PACKED) | plan.order << HEAD_ORDER_SHIFT |
                    (factor == 1 ? 0 : HEAD_FACTOR) | (plan.zigzag ? HEAD_ZIGZAG : 0) |
                    (plan.patch_count == 0 ? 0 : HEAD_PATCHES);
    write_first(out, head, plan.order == 0 ? values[0] + factor * plan.reference : values[0]);
    if (factor != 1)
        codec_write_uvarint(out, factor);
    if (plan.order == 2)
        codec_write_varint(out, (int64_t)sets[1][0]);
    if (plan.order != 0)
        codec_write_varint(out, (int64_t)plan.reference);
    write_residuals(out, &plan, sets[plan.order], count - plan.order, memory + 3 * count);
}

static bool fail(struct codec_reader *reader)
{
    reader->failed = true;
    return false;
}

struct patch_list {
    size_t count;
    uint64_t positions[INTEGER_COLUMN_COUNT_MAX / 2 + COLUMN_SLACK];
    uint64_t parts[INTEGER_COLUMN_COUNT_MAX / 2 + COLUMN_SLACK];
};

/* The list comes before the residuals that it mends. */
static bool read_patches(struct codec_reader *reader, size_t count, unsigned width,
                         struct patch_list *list)
{
    uint64_t patches = codec_read_uvarint(reader);
    unsigned patch_width = codec_read_u8(reader);
    if (reader->failed || patches > count / 2 + 1 || patches > INTEGER_COLUMN_COUNT_MAX / 2 ||
        patch_width > 64 || width > 63)
        return fail(reader);
    list->count = patches;
    return bit_packing_read(reader, patches, integer_plan_position_width(count), list->positions) &&
           bit_packing_read(reader, patches, patch_width, list->parts);
}

static bool apply_patches(const struct patch_list *list, unsigned width, uint64_t *residuals,
                          size_t count)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->positions[i] >= count)
            return false;
        residuals[list->positions[i]] += list->parts[i] << width;
    }
    return true;
}

/* The first `wanted` of them are turned back from zigzag. */
static bool read_residuals(struct codec_reader *reader, unsigned head, size_t count, size_t wanted,
                           uint64_t *out)
{
    struct patch_list patches;
    patches.count = 0;
    unsigned width = codec_read_u8(reader);
    bool rice = (head & HEAD_KIND) == KIND_RICE;
    if (width > (rice ? 63 : 64))
        return fail(reader);
    if (head & HEAD_PATCHES && !read_patches(reader, count, width, &patches))
        return false;
    struct codec_reader quotients = *reader;
    if (rice) {
        uint64_t size = codec_read_uvarint(reader);
        codec_read_bytes(reader, size);
    }
    if (!bit_packing_read(reader, count, width, out))
        return false;
    if (rice && !bit_quotients_read(&quotients, count, width, out))
        return fail(reader);
    if (!apply_patches(&patches, width, out, count))
        return fail(reader);
    if (head & HEAD_ZIGZAG)
        column_kernels()->unzigzag(out, wanted);
    return true;
}

/* What comes before the residuals; a constant has none. */
static bool read_frame(struct codec_reader *reader, size_t count, unsigned *out_head,
                       struct column_frame *frame)
{
    unsigned head = codec_read_u8(reader);
    *out_head = head;
    *frame = (struct column_frame){.order = head >> HEAD_ORDER_SHIFT & 3, .factor = 1};
    frame->first = head & HEAD_WIDE ? codec_read_u64(reader) : (uint64_t)codec_read_varint(reader);
    if ((head & HEAD_KIND) == KIND_CONSTANT)
        return !reader->failed && (head & ~HEAD_WIDE) == 0 ? true : fail(reader);
    if (head & HEAD_FACTOR)
        frame->factor = codec_read_uvarint(reader);
    if (frame->order == 2)
        frame->second = (uint64_t)codec_read_varint(reader) * frame->factor;
    if (frame->order != 0)
        frame->reference = (uint64_t)codec_read_varint(reader);
    if (reader->failed || (head & HEAD_KIND) > KIND_RICE || frame->order > COLUMN_ORDER_MAX ||
        count <= frame->order)
        return fail(reader);
    return true;
}

/* Most columns are of order 1, their residuals packed as they are: those before the part count by
 * their sum alone. */
static bool read_sums(struct codec_reader *reader, struct column_frame *frame, size_t count,
                      size_t low, size_t high, uint64_t *out)
{
    unsigned width = codec_read_u8(reader);
    uint64_t sum;
    size_t before = bit_packing_sum(reader, low, width, &sum);
    frame->first += frame->factor * (frame->reference * before + sum);
    if (!bit_packing_read(reader, count - 1 - before, width, out + before + 1))
        return false;
    column_kernels()->restore(frame, out + before, low - before, high - before);
    return true;
}

bool integer_column_read(struct codec_reader *reader, size_t count, uint64_t *out)
{
    return integer_column_read_part(reader, count, 0, count, out);
}

bool integer_column_read_part(struct codec_reader *reader, size_t count, size_t low, size_t high,
                              uint64_t *out)
{
    ASSERT(count >= 1 && count <= INTEGER_COLUMN_COUNT_MAX);
    ASSERT(low < high && high <= count);
    unsigned head;
    struct column_frame frame;
    if (!read_frame(reader, count, &head, &frame))
        return false;
    if ((head & HEAD_KIND) == KIND_CONSTANT) {
        for (size_t i = low; i < high; i++)
            out[i] = frame.first;
        return true;
    }
    if ((head & (HEAD_KIND | HEAD_ZIGZAG | HEAD_PATCHES)) == KIND_PACKED && frame.order == 1)
        return read_sums(reader, &frame, count, low, high, out);
    size_t wanted = high - MIN(high, (size_t)frame.order);
    if (!read_residuals(reader, head, count - frame.order, wanted, out + frame.order))
        return false;
    column_kernels()->restore(&frame, out, low, high);
    return true;
}

bool integer_column_read_steps(struct codec_reader *reader, size_t count, uint64_t *out_first,
                               uint64_t *out_step)
{
    struct codec_reader ahead = *reader;
    unsigned head;
    struct column_frame frame;
    if (!read_frame(&ahead, count, &head, &frame))
        return false;
    if ((head & HEAD_KIND) != KIND_CONSTANT) {
        /* differences of no bits are all the reference */
        unsigned width = codec_read_u8(&ahead);
        if (ahead.failed || (head & HEAD_KIND) != KIND_PACKED || frame.order != 1 ||
            (head & HEAD_PATCHES) || width != 0)
            return false;
    }
    *reader = ahead;
    *out_first = frame.first;
    *out_step = frame.reference * frame.factor; /* 0 of a constant */
    return true;
}

bool integer_column_is_constant(const struct codec_reader *reader)
{
    return codec_left(reader) > 0 && (*reader->at & HEAD_KIND) == KIND_CONSTANT;
}
