/*
 * A label matcher: name, operator, value. A label that is not there has the empty value. Regular
 * expressions are fully anchored; the forms that dashboards send are recognised when the matcher is
 * made and need no regex engine: .*, .+, a literal, an alternation of literals, literal prefix
 * followed by .* or .+, .*literal.*.
 *
 * Thread-safety: immutable after creation, so any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum matcher_type {
    MATCHER_EQUAL,
    MATCHER_NOT_EQUAL,
    MATCHER_REGEX,
    MATCHER_NOT_REGEX,
};

enum matcher_shape {
    MATCHER_SHAPE_REGEX,       /* ask the regex engine */
    MATCHER_SHAPE_ALL,         /* .* */
    MATCHER_SHAPE_NOT_EMPTY,   /* .+ */
    MATCHER_SHAPE_LITERALS,    /* one of `literals` (also for EQUAL: one literal) */
    MATCHER_SHAPE_PREFIX,      /* literals[0].* */
    MATCHER_SHAPE_PREFIX_MORE, /* literals[0].+ */
    MATCHER_SHAPE_CONTAINS,    /* .*literals[0].* */
};

struct regex;

struct matcher {
    enum matcher_type type;
    enum matcher_shape shape;
    struct slice name;      /* NUL-terminated, owned */
    struct slice value;     /* NUL-terminated, owned: the text as given */
    struct slice *literals; /* sorted, without duplicates */
    size_t literal_count;
    struct regex *regex; /* for MATCHER_SHAPE_REGEX */
};

/* Copies name and value. ERR_INVALID with the regex's error text. */
enum err matcher_new(enum matcher_type type, struct slice name, struct slice value,
                     struct matcher **out, struct errbuf *err) MUST_CHECK;
void matcher_free(struct matcher *matcher);

bool matcher_matches(const struct matcher *matcher, struct slice value);
/* Does it match the empty value, that is, series without the label? */
bool matcher_matches_empty(const struct matcher *matcher);
/* "=", "!=", "=~", "!~" */
const char *matcher_type_text(enum matcher_type type);
/* a="b" with the value quoted as Go's %q does; odd names quoted too. */
void matcher_print(const struct matcher *matcher, struct buf *out);
