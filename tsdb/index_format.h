/*
 * The index file of a block: which series it has, with their labels and chunks, and which series
 * have a label. Drawn in docs/formats/index.md.
 *
 *     a paged file (paged_file.h) of symbol pages, value pages and series pages: packed runs
 *     (packed.h), cut at INDEX_PAGE_SIZE
 *
 * A symbol is the rank of a text among all names and values; a series is the rank of its label set.
 * The directory says where every page is and what it begins with, so that anything is found by a
 * binary search in memory and one read.
 */
#pragma once

#include <stdint.h>

#define INDEX_MAGIC "FERULAIX"
#define INDEX_PAGE_SIZE 16384

/* No such symbol or name. */
#define INDEX_NONE UINT32_MAX
/* A label set larger than this is damage. */
#define INDEX_PAIRS_MAX 65536
/* Chunks of one series in one block. */
#define INDEX_CHUNKS_MAX (1u << 20)

enum index_postings_kind {
    INDEX_POSTINGS_RUNS,    /* of consecutive series: gap, length - 1 */
    INDEX_POSTINGS_COLUMNS, /* integer_column.h, INDEX_COLUMN_SIZE at a time */
};
#define INDEX_COLUMN_SIZE 1024
