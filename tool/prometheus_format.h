/* Numbers of the reference's block files, shared by reader and writer. */
#pragma once

#define CHECKSUM_SIZE 4 /* CRC32C */

#define INDEX_MAGIC 0xbaaad700u
#define INDEX_VERSION_1 1
#define INDEX_VERSION_2 2
#define INDEX_HEADER_SIZE 5
#define INDEX_SERIES_ALIGN 16
#define INDEX_TOC_SIZE (6 * 8 + CHECKSUM_SIZE)
/* Places in the table of contents. */
#define INDEX_TOC_SYMBOLS 0
#define INDEX_TOC_SERIES 1
#define INDEX_TOC_POSTINGS_TABLE 5

#define CHUNKS_FILE_MAGIC 0x85bd40ddu
#define CHUNKS_FILE_VERSION 1
#define CHUNKS_FILE_HEADER_SIZE 8
#define CHUNKS_FILE_SIZE_MAX ((uint64_t)512 << 20) /* of those that are written */

/* Encodings of chunks. */
enum chunk_encoding {
    CHUNK_XOR = 1,
    CHUNK_HISTOGRAM = 2,
    CHUNK_FLOAT_HISTOGRAM = 3,
    CHUNK_XOR2 = 4,
    CHUNK_HISTOGRAM_STARTS = 5,
    CHUNK_FLOAT_HISTOGRAM_STARTS = 6,
};

#define TOMBSTONES_MAGIC 0x0130ba30u
#define TOMBSTONES_VERSION 1
