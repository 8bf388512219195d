/* CRC32C (Castagnoli, RFC 3720), by the SSE4.2 instruction where there is one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The checksum of data behind what gave `crc`; start with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The same by tables, which is what other processors run. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);
