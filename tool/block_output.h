/*
 * Blocks of gathered samples, written into a data directory of ferula, which must not be in use.
 *
 * Ownership: an embedded value. Thread-safety: one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/rand.h"
#include "tool/block_input.h"
#include "tool/command_line.h"
#include "tsdb/directory.h"

#include <stdbool.h>
#include <stdint.h>

struct block_output {
    struct tsdb_directory directory;
    char *path; /* of the blocks */
    bool quiet;
    bool human_readable;
    bool has_header;
    int64_t block_ms;
    struct rand rand;
};

/* The flags that the commands create-blocks-from share. */
#define BLOCK_OUTPUT_FLAGS                                                                         \
    {"human-readable", 'r', COMMAND_SWITCH, NULL, NULL, "Print human readable values.", false},    \
        {"quiet", 'q', COMMAND_SWITCH, NULL, NULL, "Do not print created blocks.", false},         \
    {                                                                                              \
        "max-block-duration", 0, COMMAND_TEXT, NULL, "<duration>",                                 \
            "Maximum duration created blocks may span. Anything less than 2h is ignored.", false   \
    }

/* Takes over the data directory, with the flags above. */
enum err block_output_open(struct block_output *output, const struct command_line *line,
                           const char *path, struct errbuf *err) MUST_CHECK;
/* Writes all samples, which are sorted, and prints a table of the blocks. */
enum err block_output_write(struct block_output *output, struct block_input *input,
                            struct errbuf *err) MUST_CHECK;
void block_output_close(struct block_output *output);
