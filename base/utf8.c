/* UTF-8 validity and code points. */
#include "base/utf8.h"

#include <string.h>

#define UTF8_REPLACEMENT 0xFFFDu

/* Length of the well-formed sequence at the start, 0 if there is none (Unicode, table 3-7). */
static size_t utf8_sequence_len(const unsigned char *s, size_t len)
{
    unsigned char first = s[0];
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    size_t need = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (len < need)
        return 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    return need;
}

bool utf8_valid(struct slice text)
{
    const unsigned char *s = (const unsigned char *)text.ptr;
    size_t len = text.len;
    while (len > 0) {
        /* nearly all text is ASCII: eight bytes at a time */
        while (len >= 8) {
            uint64_t word;
            memcpy(&word, s, sizeof(word));
            if ((word & 0x8080808080808080u) != 0)
                break;
            s += 8;
            len -= 8;
        }
        if (len == 0)
            break;
        size_t step = utf8_sequence_len(s, len);
        if (step == 0)
            return false;
        s += step;
        len -= step;
    }
    return true;
}

size_t utf8_count(struct slice text)
{
    size_t count = 0;
    while (text.len > 0) {
        size_t step = utf8_sequence_len((const unsigned char *)text.ptr, text.len);
        text = slice_from_index(text, step == 0 ? 1 : step);
        count++;
    }
    return count;
}

size_t utf8_decode(struct slice text, uint32_t *out_rune)
{
    if (text.len == 0)
        return 0;
    const unsigned char *s = (const unsigned char *)text.ptr;
    size_t len = utf8_sequence_len(s, text.len);
    switch (len) {
    case 1:
        *out_rune = s[0];
        return 1;
    case 2:
        *out_rune = (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
        return 2;
    case 3:
        *out_rune = (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
        return 3;
    case 4:
        *out_rune = (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 |
                    (s[3] & 0x3Fu);
        return 4;
    default:
        *out_rune = UTF8_REPLACEMENT;
        return 1;
    }
}

size_t utf8_encode(uint32_t rune, char out[4])
{
    if (rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF))
        rune = UTF8_REPLACEMENT;
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xC0 | rune >> 6);
        out[1] = (char)(0x80 | (rune & 0x3F));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xE0 | rune >> 12);
        out[1] = (char)(0x80 | (rune >> 6 & 0x3F));
        out[2] = (char)(0x80 | (rune & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | rune >> 18);
    out[1] = (char)(0x80 | (rune >> 12 & 0x3F));
    out[2] = (char)(0x80 | (rune >> 6 & 0x3F));
    out[3] = (char)(0x80 | (rune & 0x3F));
    return 4;
}
