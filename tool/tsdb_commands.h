/* The commands of the family `tsdb`, each in a file of its own. */
#pragma once

#include "tool/command_line.h"

#define DATA_PATH_DEFAULT "data/"

extern const struct command tsdb_analyze_command;
extern const struct command tsdb_list_command;
extern const struct command tsdb_dump_command;
extern const struct command tsdb_dump_openmetrics_command;
extern const struct command tsdb_create_command;
extern const struct command tsdb_create_rules_command;
extern const struct command tsdb_import_command;
extern const struct command tsdb_export_command;
