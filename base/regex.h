/*
 * Regular expressions in RE2's dialect (regex.cc is the only user of RE2): linear time on any input,
 * bounded memory. A regex is compiled fully anchored, as the reference does: ^(?s:R)$.
 *
 * Differences from Go that are evened out here: \C is refused, (?<n>...) means (?P<n>...).
 * Thread-safety: a compiled regex may be used from any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct regex;

/* Anchored at both ends, dot matches newline. The error text is Go's: "error parsing regexp: missing
 * closing ): `(a`". */
enum err regex_new(struct slice pattern, struct regex **out, struct errbuf *err) MUST_CHECK;
/* Not anchored, for templates. */
enum err regex_new_unanchored(struct slice pattern, struct regex **out,
                              struct errbuf *err) MUST_CHECK;
void regex_free(struct regex *regex);

bool regex_match(const struct regex *regex, struct slice text);

/* Groups of the last match: group 0 is the whole. */
#define REGEX_GROUPS_MAX 64
struct regex_match {
    size_t group_count;
    struct slice groups[REGEX_GROUPS_MAX]; /* ptr NULL = did not take part */
};
bool regex_match_groups(const struct regex *regex, struct slice text, struct regex_match *out);
/* The first match that begins at `start` or later; what comes before counts for \b and ^. */
bool regex_match_groups_from(const struct regex *regex, struct slice text, size_t start,
                             struct regex_match *out);
size_t regex_group_count(const struct regex *regex);

/* Expands $1, ${1}, $name, ${name} and $$ as Go's Regexp.Expand does ($1x names the group "1x"). */
void regex_expand(const struct regex *regex, struct slice template_text,
                  const struct regex_match *match, struct buf *out);

#ifdef __cplusplus
}
#endif
