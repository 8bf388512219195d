/* Names and marks of the files of a block; see docs/formats/block.md. */
#pragma once

#define BLOCK_FILE_META "meta.json"
#define BLOCK_FILE_INDEX "index"
#define BLOCK_FILE_CHUNKS "chunks"
#define BLOCK_FILE_TIMES "times"
#define BLOCK_FILE_TOMBSTONES "tombstones"

#define CHUNKS_MAGIC "FERULACH"
#define TIMES_MAGIC "FERULATI"

/* A directory that is being written, or deleted: neither is a block. */
#define BLOCK_SUFFIX_WRITING ".tmp"
#define BLOCK_SUFFIX_DELETING ".deleting"
