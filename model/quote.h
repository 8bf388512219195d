/*
 * Quoted text as Go's strconv.Quote writes it ("..." with \n, \", \\, \x.., \u....), since label
 * sets and error texts are compared with the reference's. Thread-safety: no state.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Appends the text in double quotes. */
void quote_go(struct slice text, struct buf *out);
/* Is this code point shown as it is? Letters, marks, numbers, punctuation, symbols and the ASCII
 * space. */
bool quote_is_printable(uint32_t rune);
