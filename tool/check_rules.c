/* ferulatool check rules */
#include "tool/check_commands.h"
#include "tool/rule_check.h"

static int run(const struct command_line *line)
{
    struct check_lint lint =
        check_lint_read(command_line_text(line, "lint"), command_line_switch(line, "lint-fatal"));
    struct check_outcome outcome = {0};
    if (command_line_word(line, 0) == NULL)
        rule_check_file(NULL, &lint, &outcome);
    const char *path;
    for (size_t i = 0; (path = command_line_word(line, i)) != NULL; i++)
        rule_check_file(path, &lint, &outcome);
    return check_exit_code(&outcome, &lint);
}

const struct command check_rules_command = {
    .words = "check rules",
    .help = "Check if the rule files are valid or not.",
    .flags = {{"lint", 0, COMMAND_TEXT, "duplicate-rules", NULL,
               "Linting checks to apply. Available options are: all, duplicate-rules, none. Use "
               "--lint=none to disable linting",
               false},
              {"lint-fatal", 0, COMMAND_SWITCH, NULL, NULL,
               "Make lint errors exit with exit code 3.", false}},
    .arguments = {{"rule-files", false, NULL,
                   "The rule files to check, default is read from standard input.", true}},
    .run = run,
};
