/* Escapes of label values and help texts. Private to exposition/. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

/* Writes the text without its escapes to `out`, which has room for text.len bytes: \\ and \n, and
 * \" if `quotes`; other backslashes stay. Returns the length. */
static inline size_t unescape(struct slice text, bool quotes, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (byte == '\\' && i + 1 < text.len) {
            char next = text.ptr[i + 1];
            if (next == '\\' || next == 'n' || (quotes && next == '"')) {
                byte = next == 'n' ? '\n' : next;
                i++;
            }
        }
        out[len++] = byte;
    }
    return len;
}
