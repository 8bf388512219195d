/* Big-endian numbers, which the files of the reference have. */
#pragma once

#include "base/buf.h"

#include <stdint.h>

static inline uint32_t big_endian_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}
static inline uint64_t big_endian_u64(const uint8_t *bytes)
{
    return (uint64_t)big_endian_u32(bytes) << 32 | big_endian_u32(bytes + 4);
}
static inline void big_endian_write_u32(struct buf *out, uint32_t value)
{
    char bytes[] = {(char)(value >> 24), (char)(value >> 16), (char)(value >> 8), (char)value};
    buf_append(out, bytes, sizeof(bytes));
}
static inline void big_endian_write_u64(struct buf *out, uint64_t value)
{
    big_endian_write_u32(out, (uint32_t)(value >> 32));
    big_endian_write_u32(out, (uint32_t)value);
}
