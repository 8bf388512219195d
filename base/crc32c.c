/* CRC32C by instruction, or eight table look-ups for eight bytes where the processor has none. */
#include "base/crc32c.h"

#include "base/compiler.h"

#include <pthread.h>
#include <string.h>

#define CRC32C_POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t crc32c_tables[8][256];
static pthread_once_t crc32c_once = PTHREAD_ONCE_INIT;
static pthread_once_t crc32c_tables_once = PTHREAD_ONCE_INIT;
static uint32_t (*crc32c_run)(uint32_t crc, const unsigned char *data, size_t len);

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
/* The instruction takes three times as long as it keeps its unit busy: so three lanes run at once. */
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
#endif

static void crc32c_choose(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2")) {
        crc32c_fill_lane_tables();
        crc32c_run = crc32c_by_instruction;
        return;
    }
#endif
    pthread_once(&crc32c_tables_once, crc32c_fill_tables);
    crc32c_run = crc32c_by_tables;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&crc32c_once, crc32c_choose);
    return ~crc32c_run(~crc, data, len);
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&crc32c_tables_once, crc32c_fill_tables);
    return ~crc32c_by_tables(~crc, data, len);
}
