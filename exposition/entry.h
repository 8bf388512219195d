/*
 * One entry of a text format, read token by token as the reference reads it, errors included: a
 * sample line, or a HELP, TYPE or UNIT line. What the fast paths do not understand comes here.
 *
 * Private to exposition/. Ownership: everything is borrowed from the body. Thread-safety: one
 * owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "exposition/exposition.h"
#include "exposition/lexer.h"

enum entry_kind {
    ENTRY_END,
    ENTRY_SAMPLE,
    ENTRY_HELP,
    ENTRY_TYPE,
    ENTRY_UNIT,
    ENTRY_COMMENT,
};

/* The exemplar of a sample. */
struct entry_exemplar {
    struct exposition_lexer labels; /* stands behind the opening brace */
    size_t start;                   /* of the entry */
    size_t label_count;
    double value;
    bool has_timestamp;
    int64_t timestamp_ms;
};

struct entry {
    enum entry_kind kind;
    struct slice series; /* sample: as written */
    double value;
    bool has_timestamp;
    int64_t timestamp_ms;
    bool has_exemplar;
    struct entry_exemplar exemplar;
    struct slice family; /* metadata: the name, without quotes */
    struct slice text;   /* metadata: escaped as written */
    enum metric_type type;
};

/* Reads the next entry; the lexer stands at the start of a line. */
enum err entry_read(struct exposition_lexer *lexer, struct entry *out,
                    struct errbuf *err) MUST_CHECK;

/* Hands the exemplar of a sample to the sink. */
enum exposition_answer entry_give_exemplar(const struct entry *entry,
                                           const struct exposition_sink *sink);

/* Takes what is between braces; the opening one is behind. Names and values are as written, without
 * quotes. `labels` has room for all; out_name has ptr NULL when there is no quoted metric name. */
enum err entry_labels(struct exposition_lexer *lexer, size_t start, bool exemplar, bool name_set,
                      struct slice *out_name, struct exposition_label *labels, size_t *out_count,
                      struct errbuf *err) MUST_CHECK;

/* Go's ParseFloat without the forms that came after 1.12; NaN is the canonical one. `line` is
 * quoted in the error. */
enum err entry_number(const struct exposition_lexer *lexer, size_t start, struct slice text,
                      double *out, struct errbuf *err) MUST_CHECK;

/* "EXPECTED, got "..." ("TOKEN") while parsing: "..."" with the place. */
enum err entry_unexpected(const struct exposition_lexer *lexer, size_t start, const char *expected,
                          enum token got, struct errbuf *err) MUST_CHECK;
/* TEXT, then the quoted `quoted`; the place is that of the lexer. */
enum err entry_refuse(const struct exposition_lexer *lexer, struct slice quoted, struct errbuf *err,
                      const char *text) MUST_CHECK;
