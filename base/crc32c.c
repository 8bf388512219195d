/*
 * CRC32C in the fastest way that the processor has: by folding with wide products without carry, by
 * its own instruction, or by eight table look-ups for eight bytes.
 */
#include "base/crc32c.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif
#include <pthread.h>
#include <string.h>

#include "base/compiler.h"

#define CRC32C_POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t crc32c_tables[8][256];
static pthread_once_t crc32c_once = PTHREAD_ONCE_INIT;

typedef uint32_t (*crc32c_way)(uint32_t crc, const unsigned char *data, size_t len);

static crc32c_way crc32c_ways[CRC32C_WAYS_MAX]; /* fastest last */
static size_t crc32c_way_count;
static crc32c_way crc32c_run;

/* Table k gives the effect of a byte that k more bytes follow. */
static void crc32c_fill_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (CRC32C_POLYNOMIAL & -(crc & 1));
        crc32c_tables[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int k = 1; k < 8; k++) {
            uint32_t crc = crc32c_tables[k - 1][byte];
            crc32c_tables[k][byte] = (crc >> 8) ^ crc32c_tables[0][crc & 0xff];
        }
    }
}

static uint32_t crc32c_by_tables(uint32_t crc, const unsigned char *data, size_t len)
{
    for (; len >= 8; len -= 8, data += 8) {
        uint32_t low = crc ^ ((uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
                              (uint32_t)data[3] << 24);
        crc = crc32c_tables[7][low & 0xff] ^ crc32c_tables[6][low >> 8 & 0xff] ^
              crc32c_tables[5][low >> 16 & 0xff] ^ crc32c_tables[4][low >> 24] ^
              crc32c_tables[3][data[4]] ^ crc32c_tables[2][data[5]] ^ crc32c_tables[1][data[6]] ^
              crc32c_tables[0][data[7]];
    }
    for (; len > 0; len--, data++)
        crc = (crc >> 8) ^ crc32c_tables[0][(crc ^ *data) & 0xff];
    return crc;
}

#ifdef __x86_64__
/* The instruction takes three times as long as it keeps its unit busy: so three lanes run at once.
 */
#define CRC32C_LANE ((size_t)1024)

/* What each byte of a crc becomes when a lane of zeros follows. */
static uint32_t crc32c_lane_tables[4][256];

static uint64_t crc32c_word(const unsigned char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof(word));
    return word;
}

__attribute__((target("sse4.2"))) static void crc32c_fill_lane_tables(void)
{
    for (int k = 0; k < 4; k++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint64_t crc = byte << (8 * k);
            for (size_t i = 0; i < CRC32C_LANE; i += 8)
                crc = __builtin_ia32_crc32di(crc, 0);
            crc32c_lane_tables[k][byte] = (uint32_t)crc;
        }
    }
}

static uint32_t crc32c_pass_lane(uint32_t crc)
{
    return crc32c_lane_tables[0][crc & 0xff] ^ crc32c_lane_tables[1][crc >> 8 & 0xff] ^
           crc32c_lane_tables[2][crc >> 16 & 0xff] ^ crc32c_lane_tables[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_three_lanes(uint32_t crc,
                                                                     const unsigned char *data)
{
    uint64_t first = crc, second = 0, third = 0;
    for (size_t i = 0; i < CRC32C_LANE; i += 8) {
        first = __builtin_ia32_crc32di(first, crc32c_word(data + i));
        second = __builtin_ia32_crc32di(second, crc32c_word(data + CRC32C_LANE + i));
        third = __builtin_ia32_crc32di(third, crc32c_word(data + 2 * CRC32C_LANE + i));
    }
    crc = crc32c_pass_lane((uint32_t)first) ^ (uint32_t)second;
    return crc32c_pass_lane(crc) ^ (uint32_t)third;
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_by_instruction(uint32_t crc, const unsigned char *data, size_t len)
{
    for (; len >= 3 * CRC32C_LANE; len -= 3 * CRC32C_LANE, data += 3 * CRC32C_LANE)
        crc = crc32c_three_lanes(crc, data);
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, data += 8)
        wide = __builtin_ia32_crc32di(wide, crc32c_word(data));
    crc = (uint32_t)wide;
    for (; len > 0; len--, data++)
        crc = __builtin_ia32_crc32qi(crc, *data);
    return crc;
}

/*
 * Folding (Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ"): 16
 * bytes of the text may be left out when their product with x^n, n being the bits from there to a
 * later place, is added to what is there. Each half of the 16 has a factor of its own, x^n modulo
 * the polynomial; a product of reflected numbers is one bit short, and a factor has 32 bits of 64,
 * hence 31 and 33.
 */
#define CRC32C_FOLDED ((size_t)256) /* at once: four registers */
#define CRC32C_FOLDING __attribute__((target("sse4.2,pclmul,avx512f,avx512dq,vpclmulqdq")))

struct crc32c_factors {
    uint64_t first;
    uint64_t second;
};
static struct crc32c_factors crc32c_by_four; /* registers of 64 bytes */
static struct crc32c_factors crc32c_by_register;
static struct crc32c_factors crc32c_by_piece; /* 16 bytes */

static uint32_t crc32c_power(unsigned exponent)
{
    uint32_t power = 1u << 31; /* x^0, reflected */
    for (unsigned i = 0; i < exponent; i++)
        power = (power >> 1) ^ (CRC32C_POLYNOMIAL & -(power & 1));
    return power;
}

static struct crc32c_factors crc32c_factors_over(unsigned bytes)
{
    return (struct crc32c_factors){crc32c_power(bytes * 8 + 31), crc32c_power(bytes * 8 - 33)};
}

CRC32C_FOLDING static __m128i crc32c_factors_load(const struct crc32c_factors *factors)
{
    return _mm_set_epi64x((int64_t)factors->second, (int64_t)factors->first);
}

CRC32C_FOLDING static inline __m512i crc32c_fold(__m512i from, __m512i factors, __m512i to)
{
    return _mm512_xor_si512(to, _mm512_xor_si512(_mm512_clmulepi64_epi128(from, factors, 0x00),
                                                 _mm512_clmulepi64_epi128(from, factors, 0x11)));
}

CRC32C_FOLDING static inline __m128i crc32c_fold_piece(__m128i from, __m128i factors, __m128i to)
{
    return _mm_xor_si128(to, _mm_xor_si128(_mm_clmulepi64_si128(from, factors, 0x00),
                                           _mm_clmulepi64_si128(from, factors, 0x11)));
}

/* What is left of one register. */
CRC32C_FOLDING static uint32_t crc32c_of_register(__m512i all)
{
    __m128i factors = crc32c_factors_load(&crc32c_by_piece);
    __m128i piece = _mm512_castsi512_si128(all);
    piece = crc32c_fold_piece(piece, factors, _mm512_extracti64x2_epi64(all, 1));
    piece = crc32c_fold_piece(piece, factors, _mm512_extracti64x2_epi64(all, 2));
    piece = crc32c_fold_piece(piece, factors, _mm512_extracti64x2_epi64(all, 3));
    uint64_t crc = _mm_crc32_u64(0, (uint64_t)_mm_extract_epi64(piece, 0));
    return (uint32_t)_mm_crc32_u64(crc, (uint64_t)_mm_extract_epi64(piece, 1));
}

CRC32C_FOLDING static uint32_t crc32c_by_folding(uint32_t crc, const unsigned char *data,
                                                 size_t len)
{
    if (len < 2 * CRC32C_FOLDED)
        return crc32c_by_instruction(crc, data, len);
    __m512i at[4], factors = _mm512_broadcast_i64x2(crc32c_factors_load(&crc32c_by_four));
    for (size_t i = 0; i < 4; i++)
        at[i] = _mm512_loadu_si512(data + 64 * i);
    at[0] = _mm512_xor_si512(at[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc)));
    for (len -= CRC32C_FOLDED, data += CRC32C_FOLDED; len >= CRC32C_FOLDED;
         len -= CRC32C_FOLDED, data += CRC32C_FOLDED) {
        for (size_t i = 0; i < 4; i++)
            at[i] = crc32c_fold(at[i], factors, _mm512_loadu_si512(data + 64 * i));
    }
    factors = _mm512_broadcast_i64x2(crc32c_factors_load(&crc32c_by_register));
    for (size_t i = 1; i < 4; i++)
        at[i] = crc32c_fold(at[i - 1], factors, at[i]);
    for (; len >= 64; len -= 64, data += 64)
        at[3] = crc32c_fold(at[3], factors, _mm512_loadu_si512(data));
    return crc32c_by_instruction(crc32c_of_register(at[3]), data, len);
}

static void crc32c_choose_x86(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2"))
        return;
    crc32c_fill_lane_tables();
    crc32c_ways[crc32c_way_count++] = crc32c_by_instruction;
    if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("avx512f") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("vpclmulqdq"))
        return;
    crc32c_by_four = crc32c_factors_over(256);
    crc32c_by_register = crc32c_factors_over(64);
    crc32c_by_piece = crc32c_factors_over(16);
    crc32c_ways[crc32c_way_count++] = crc32c_by_folding;
}
#endif

static void crc32c_choose(void)
{
    crc32c_fill_tables();
    crc32c_ways[crc32c_way_count++] = crc32c_by_tables;
#ifdef __x86_64__
    crc32c_choose_x86();
#endif
    crc32c_run = crc32c_ways[crc32c_way_count - 1];
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&crc32c_once, crc32c_choose);
    return ~crc32c_run(~crc, data, len);
}

bool crc32c_by_way(size_t way, uint32_t crc, const void *data, size_t len, uint32_t *out)
{
    pthread_once(&crc32c_once, crc32c_choose);
    if (way >= crc32c_way_count)
        return false;
    *out = ~crc32c_ways[way](~crc, data, len);
    return true;
}
