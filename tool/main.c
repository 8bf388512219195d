/* ferulatool: what promtool does, for the data of ferula. */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "base/version.h"
#include "tool/check_commands.h"
#include "tool/tsdb_commands.h"

static void print_version(void)
{
    printf("ferulatool, version %s (revision: %s)\n", ferula_version, ferula_revision);
    printf("  build date:       %s\n", ferula_build_date);
    printf("  compatible with:  promtool %s\n", FERULA_COMPATIBLE_VERSION);
}

static const struct command_family families[] = {
    {"check", "Check the resources for validity."},
    {"tsdb", "Run tsdb commands."},
    {"tsdb create-blocks-from", "Import samples from input and produce TSDB blocks."},
    {NULL, NULL},
};

static const struct command *const commands[] = {
    &check_config_command,
    &check_rules_command,
    &tsdb_analyze_command,
    &tsdb_list_command,
    &tsdb_dump_command,
    &tsdb_dump_openmetrics_command,
    &tsdb_create_command,
    &tsdb_create_rules_command,
    &tsdb_import_command,
    &tsdb_export_command,
    NULL,
};

static const struct command_table table = {
    .program = "ferulatool",
    .help = "Tooling for the ferula monitoring server.",
    .families = families,
    .commands = commands,
    .print_version = print_version,
};

int main(int argc, char **argv)
{
    /* `ferulatool tsdb dump | head` ends quietly */
    signal(SIGPIPE, SIG_DFL);
    log_set_level(LOG_WARN);
    return command_line_run(&table, argc, argv);
}
