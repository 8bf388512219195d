#include "model/md5.h"

#include <string.h>

#define BLOCK_SIZE 64

/* floor(2^32 * abs(sin(i + 1))) */
static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

/* Rotations of the four steps of each round. */
static const uint8_t rotations[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* The mixing function of a round, and which word of the block its step takes. */
static uint32_t mix(unsigned step, uint32_t b, uint32_t c, uint32_t d, unsigned *out_word)
{
    switch (step / 16) {
    case 0:
        *out_word = step;
        return (b & c) | (~b & d);
    case 1:
        *out_word = (5 * step + 1) % 16;
        return (d & b) | (~d & c);
    case 2:
        *out_word = (3 * step + 5) % 16;
        return b ^ c ^ d;
    default:
        *out_word = (7 * step) % 16;
        return c ^ (b | ~d);
    }
}

static void digest_block(uint32_t state[4], const uint8_t *block)
{
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];
    for (unsigned step = 0; step < 64; step++) {
        unsigned word;
        uint32_t sum = a + mix(step, b, c, d, &word) + sines[step] + load_u32(block + 4 * word);
        unsigned rotation = rotations[step / 16][step % 4];
        a = d;
        d = c;
        c = b;
        b += sum << rotation | sum >> (32 - rotation);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void md5(struct slice message, uint8_t out[MD5_SIZE])
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    size_t at = 0;
    for (; message.len - at >= BLOCK_SIZE; at += BLOCK_SIZE)
        digest_block(state, (const uint8_t *)message.ptr + at);
    /* what is left, a 1 bit, zeros, and the length in bits at the end of a block */
    uint8_t tail[2 * BLOCK_SIZE] = {0};
    size_t left = message.len - at;
    memcpy(tail, message.ptr + at, left);
    tail[left] = 0x80;
    size_t tail_size = left < BLOCK_SIZE - 8 ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    uint64_t bits = (uint64_t)message.len * 8;
    store_u32(tail + tail_size - 8, (uint32_t)bits);
    store_u32(tail + tail_size - 4, (uint32_t)(bits >> 32));
    for (size_t block = 0; block < tail_size; block += BLOCK_SIZE)
        digest_block(state, tail + block);
    for (unsigned i = 0; i < 4; i++)
        store_u32(out + 4 * i, state[i]);
}
