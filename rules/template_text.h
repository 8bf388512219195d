/*
 * Text as templates see it: what a word is, upper and lower case, quoted strings. Code points
 * beyond ASCII are judged by the C library's tables for UTF-8, whatever the locale of the process.
 *
 * Thread-safety: no state but the tables, which are loaded once.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* A letter, a digit or an underscore. */
bool template_is_word(uint32_t rune);

/* At most `count` code points from the front. */
struct slice template_first_runes(struct slice text, size_t count);

void template_to_upper(struct slice text, struct buf *out);
void template_to_lower(struct slice text, struct buf *out);
/* The first letter of each word in upper case, the others as they are. */
void template_to_title(struct slice text, struct buf *out);

/* The value of a literal with its quotes, "..." or `...`, as Go's strconv.Unquote; false when it is
 * malformed. */
bool template_unquote(struct slice literal, struct buf *out);
/* The code point of a literal in single quotes; false when there is none. `out_whole`: it is the
 * only one there. */
bool template_unquote_rune(struct slice literal, uint32_t *out, bool *out_whole);
