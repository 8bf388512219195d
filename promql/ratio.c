#include "promql/ratio.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "model/symbols.h"

#define P1 UINT64_C(0x9E3779B185EBCA87)
#define P2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define P3 UINT64_C(0x165667B19E3779F9)
#define P4 UINT64_C(0x85EBCA77C2B2AE63)
#define P5 UINT64_C(0x27D4EB2F165667C5)

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t load64(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static uint64_t load32(const unsigned char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static uint64_t xx_round(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * P2, 31) * P1;
}

static uint64_t xx_merge(uint64_t hash, uint64_t lane)
{
    return (hash ^ xx_round(0, lane)) * P1 + P4;
}

/* XXH64 with seed 0 (Yann Collet's specification, public). */
static uint64_t xx_hash(const unsigned char *at, size_t len)
{
    const unsigned char *end = at + len;
    uint64_t hash = P5;
    if (len >= 32) {
        uint64_t lanes[4] = {P1 + P2, P2, 0, 0 - P1};
        for (; end - at >= 32; at += 32) {
            for (size_t i = 0; i < 4; i++)
                lanes[i] = xx_round(lanes[i], load64(at + 8 * i));
        }
        hash =
            rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
        for (size_t i = 0; i < 4; i++)
            hash = xx_merge(hash, lanes[i]);
    }
    hash += len;
    for (; end - at >= 8; at += 8)
        hash = rotate(hash ^ xx_round(0, load64(at)), 27) * P1 + P4;
    if (end - at >= 4) {
        hash = rotate(hash ^ load32(at) * P1, 23) * P2 + P3;
        at += 4;
    }
    for (; at < end; at++)
        hash = rotate(hash ^ *at * P5, 11) * P1;
    hash = (hash ^ (hash >> 33)) * P2;
    hash = (hash ^ (hash >> 29)) * P3;
    return hash ^ (hash >> 32);
}

static void append_sized(struct buf *out, struct slice text)
{
    if (text.len < 255) {
        buf_append_byte(out, (char)text.len);
    } else {
        char size[4] = {(char)255, (char)text.len, (char)(text.len >> 8), (char)(text.len >> 16)};
        buf_append(out, size, sizeof(size));
    }
    buf_append_slice(out, text);
}

double ratio_offset(struct evaluation *ev, const struct labels *labels)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, (size_t)ev->bytes_max);
    for (size_t i = 0; i < labels->count; i++) {
        append_sized(&text, symbols_text(labels->pairs[i].name));
        append_sized(&text, symbols_text(labels->pairs[i].value));
    }
    return (double)xx_hash((const unsigned char *)buf_cstr(&text), text.len) /
           18446744073709551615.0;
}
