/*
 * What the files of the command line share: the table of flags and of features, and how a flag's
 * value is read. Private to server/options*.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "server/options.h"

#include <stddef.h>

enum flag_kind {
    FLAG_BOOL,        /* bool */
    FLAG_TEXT,        /* const char * */
    FLAG_TEXT_LIST,   /* repeatable; its values are in the parsed flag only */
    FLAG_INT,         /* uint64_t; floats are cut, as the reference does */
    FLAG_FLOAT,       /* no field */
    FLAG_DURATION,    /* int64_t milliseconds: 5m, 1d */
    FLAG_GO_DURATION, /* int64_t milliseconds: 2ms, 1.5s */
    FLAG_SIZE,        /* uint64_t bytes: 512MB */
    FLAG_CHOICE,      /* one of `choices`; int */
    FLAG_MESSAGES,    /* protobuf messages of remote write, repeatable */
};

enum flag_trait {
    FLAG_HIDDEN = 1,
    FLAG_SERVER_ONLY = 2,
    FLAG_AGENT_ONLY = 4,
    FLAG_NO_EFFECT = 8,    /* a warning when it is given */
    FLAG_MEANINGLESS = 16, /* a warning too: there is nothing here that it could do */
    FLAG_REPEATABLE = 32,
    FLAG_OURS = 64, /* not in the reference */
};

#define FLAG_NO_FIELD ((size_t)-1)

struct flag {
    const char *name;
    enum flag_kind kind;
    unsigned traits;
    const char *fallback;    /* the default; NULL = none */
    const char *placeholder; /* shown by --help; NULL = the default */
    size_t offset;           /* into struct options, or FLAG_NO_FIELD */
    const char *choices;     /* "a|b|c" */
    const char *help;
};

extern const struct flag flags_all[];
extern const size_t flags_all_count;

/* What --enable-feature may name. */
struct feature {
    const char *name;
    unsigned promql; /* bits of promql_features */
    const char *note; /* a message to log, NULL = none */
    size_t field;     /* of struct options, a bool that becomes true; 0 = none */
};
extern const struct feature features_all[];
extern const size_t features_all_count;

/* What was given for a flag. */
struct flag_given {
    const struct flag *flag;
    const char **values;
    size_t value_count;
    bool is_given; /* by the user, so not the default */
};

/* The index of a flag, SIZE_MAX if there is none. */
size_t options_find_flag(struct slice name);
/* Checks a value and, if the flag has a field, stores it. */
enum err options_read_value(const struct flag *flag, const char *text, struct options *options,
                            struct errbuf *err) MUST_CHECK;
/* The value as status/flags shows it, in the arena. */
const char *options_show_value(const struct flag_given *given, struct arena *arena);

/* Usage in columns, at most 80 wide. */
void options_print_help(const char *program, struct buf *out);
void options_print_version(struct buf *out);
