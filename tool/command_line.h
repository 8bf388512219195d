/*
 * The command line of ferulatool: words that name a command, flags and arguments, read and
 * explained as promtool does: --flag=value, --flag value, --switch, --no-switch, -x; what is wrong
 * is told on stderr with exit code 1.
 *
 * Ownership: tables are static; what was given is borrowed from argv. Thread-safety: one owner.
 */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_FLAGS_MAX 12
#define COMMAND_ARGUMENTS_MAX 4

enum command_flag_kind {
    COMMAND_SWITCH,
    COMMAND_TEXT,
    COMMAND_LIST, /* may be given several times */
};

struct command_flag {
    const char *name;
    char letter; /* 0 = none */
    enum command_flag_kind kind;
    const char *fallback;    /* the default, NULL = none */
    const char *placeholder; /* shown in place of the default; NULL = the default */
    const char *help;
    bool required;
};

struct command_argument {
    const char *name;
    bool required;
    const char *fallback; /* NULL = none */
    const char *help;
    bool many; /* this and all that follow; of the last one only */
};

struct command_line;

struct command {
    const char *words; /* "tsdb list" */
    const char *help;
    struct command_flag flags[COMMAND_FLAGS_MAX]; /* up to the first without a name */
    struct command_argument arguments[COMMAND_ARGUMENTS_MAX];
    int (*run)(const struct command_line *line); /* the exit code */
};

struct command_family {
    const char *words; /* "tsdb" */
    const char *help;
};

struct command_table {
    const char *program;
    const char *help;
    const struct command_family *families; /* the last has no words */
    const struct command *const *commands; /* the last is NULL */
    void (*print_version)(void);
};

/* Finds the command and runs it; the exit code. */
int command_line_run(const struct command_table *table, int argc, char *const *argv);

/* What was given, or the default; NULL where there is neither. */
const char *command_line_text(const struct command_line *line, const char *flag);
bool command_line_switch(const struct command_line *line, const char *flag);
/* The `i`-th value of a list; NULL behind the last. */
const char *command_line_item(const struct command_line *line, const char *flag, size_t i);
const char *command_line_argument(const struct command_line *line, size_t i);
/* The `i`-th that was given; NULL behind the last. */
const char *command_line_word(const struct command_line *line, size_t i);
