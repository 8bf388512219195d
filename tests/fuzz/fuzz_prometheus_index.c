/* An index of the reference whose checksums are put right where they are found, and all its series.
 */
#include "tool/prometheus_index.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "tool/big_endian.h"
#include "tool/prometheus_format.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SYMBOL_READ_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_checksum(uint8_t *bytes, size_t from, size_t to)
{
    uint32_t sum = crc32c(0, bytes + from, to - from);
    for (unsigned i = 0; i < CHECKSUM_SIZE; i++)
        bytes[to + i] = (uint8_t)(sum >> (24 - 8 * i));
}

static void mend_part(uint8_t *bytes, size_t size, uint64_t offset)
{
    if (offset > size || size - offset < 8)
        return;
    uint64_t len = big_endian_u32(bytes + offset);
    if (len <= size - offset - 8)
        put_checksum(bytes, offset + 4, offset + 4 + len);
}

static void mend(uint8_t *bytes, size_t size)
{
    if (size < INDEX_TOC_SIZE + INDEX_HEADER_SIZE)
        return;
    uint8_t *contents = bytes + size - INDEX_TOC_SIZE;
    mend_part(bytes, size - INDEX_TOC_SIZE, big_endian_u64(contents));
    mend_part(bytes, size - INDEX_TOC_SIZE,
              big_endian_u64(contents + 8 * INDEX_TOC_POSTINGS_TABLE));
    put_checksum(contents, 0, INDEX_TOC_SIZE - CHECKSUM_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("index", 0);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    uint8_t *bytes = mem_dup(data, size);
    mend(bytes, size);
    if (write(fd, bytes, size) == (ssize_t)size) {
        struct prometheus_index index;
        struct prometheus_series series = {0};
        struct errbuf err;
        if (prometheus_index_open(&index, fs_system, path, &err) == ERR_NONE) {
            for (size_t i = 0; i < index.symbols.len && i < SYMBOL_READ_MAX; i++)
                (void)prometheus_index_symbol(&index, (uint32_t)i);
            for (uint32_t i = 0; i < index.series_count; i++)
                (void)!prometheus_index_series(&index, i, &series, &err);
            prometheus_index_close(&index);
        }
        prometheus_series_release(&series);
    }
    mem_free(bytes);
    close(fd);
    return 0;
}
