/* The table in which blocks are listed, as promtool prints it. */
#pragma once

#include "tool/data_directory.h"

#include <stdbool.h>
#include <stddef.h>

void block_table_print(const struct data_block *blocks, size_t count, bool header,
                       bool human_readable);
