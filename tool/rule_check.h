/*
 * Checking rule files as promtool does: "Checking F", then success on stdout or what is wrong on
 * stderr.
 *
 * Thread-safety: one owner.
 */
#pragma once

#include <stdbool.h>

#define CHECK_EXIT_FAILURE 1
#define CHECK_EXIT_LINT 3

struct check_outcome {
    bool has_errors;
    bool has_lint;
};

/* What --lint asks for. */
struct check_lint {
    bool duplicate_rules;
    bool long_intervals;
    bool fatal;
};
/* "all", "none" or names with commas between; a name that is not known is told on stderr and left
 * out. */
struct check_lint check_lint_read(const char *text, bool fatal);

/* NULL is standard input. */
void rule_check_file(const char *path, const struct check_lint *lint,
                     struct check_outcome *outcome);
int check_exit_code(const struct check_outcome *outcome, const struct check_lint *lint);
