/* UTF-8: validity (no surrogates, no overlong forms, at most U+10FFFF) and code points. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(struct slice text);
/* Code points of valid text; invalid bytes count as one each. */
size_t utf8_count(struct slice text);
/* Decodes the first code point: returns its length in bytes, 1 with U+FFFD for an invalid byte, 0 at
 * the end. */
size_t utf8_decode(struct slice text, uint32_t *out_rune);
/* Writes at most 4 bytes, returns how many; U+FFFD for what is no code point. */
size_t utf8_encode(uint32_t rune, char out[4]);
