/* CRC32C (Castagnoli, RFC 3720), in the fastest way that the processor has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRC32C_WAYS_MAX 3

/* The checksum of data behind what gave `crc`; start with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* For tests: the same in one of the ways that this processor has; false where there is none of that
 * number. 0 is by tables, which any processor can. */
bool crc32c_by_way(size_t way, uint32_t crc, const void *data, size_t len, uint32_t *out);
