/* ferulatool tsdb list */
#include "tool/tsdb_commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "tool/block_table.h"

static int run(const struct command_line *line)
{
    struct data_directory directory;
    struct errbuf err = ERRBUF_INIT;
    if (data_directory_open(command_line_argument(line, 0), &directory, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }
    block_table_print(directory.blocks.items, directory.blocks.len, true,
                      command_line_switch(line, "human-readable"));
    data_directory_release(&directory);
    return EXIT_SUCCESS;
}

const struct command tsdb_list_command = {
    .words = "tsdb list",
    .help = "List tsdb blocks: those of a data directory of ferula, or of one of Prometheus.",
    .flags = {{"human-readable", 'r', COMMAND_SWITCH, NULL, NULL, "Print human readable values."}},
    .arguments = {{"db path", false, DATA_PATH_DEFAULT, "Database path (default is data/)."}},
    .run = run,
};
