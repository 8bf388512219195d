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
__attribute__((target("sse4.2"))) static uint32_t
crc32c_by_instruction(uint32_t crc, const unsigned char *data, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
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
