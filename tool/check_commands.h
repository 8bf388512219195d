/* The commands of the family `check`, each in a file of its own. */
#pragma once

#include "tool/command_line.h"

extern const struct command check_config_command;
extern const struct command check_rules_command;
