#include "rules/template_text.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "base/assert.h"
#include "base/utf8.h"

#define ASCII_END 0x80
#define RUNE_MAX 0x10FFFF
#define SURROGATE_FIRST 0xD800
#define SURROGATE_LAST 0xDFFF

static locale_t tables;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_load(void)
{
    tables = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (tables == (locale_t)0)
        tables = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
    ASSERT(tables != (locale_t)0);
}

static locale_t tables_get(void)
{
    pthread_once(&tables_once, tables_load);
    return tables;
}

static bool is_ascii_letter(uint32_t rune)
{
    return (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
}

static bool is_letter(uint32_t rune)
{
    return rune < ASCII_END ? is_ascii_letter(rune) : iswalpha_l((wint_t)rune, tables_get()) != 0;
}

bool template_is_word(uint32_t rune)
{
    return rune == '_' || (rune >= '0' && rune <= '9') || is_letter(rune);
}

struct slice template_first_runes(struct slice text, size_t count)
{
    size_t len = 0;
    uint32_t rune;
    for (; count > 0 && len < text.len; count--)
        len += utf8_decode(slice_from_index(text, len), &rune);
    return slice_sub(text, 0, len);
}

static uint32_t rune_upper(uint32_t rune)
{
    if (rune < ASCII_END)
        return rune >= 'a' && rune <= 'z' ? rune - 'a' + 'A' : rune;
    return (uint32_t)towupper_l((wint_t)rune, tables_get());
}

static uint32_t rune_lower(uint32_t rune)
{
    if (rune < ASCII_END)
        return rune >= 'A' && rune <= 'Z' ? rune - 'A' + 'a' : rune;
    return (uint32_t)towlower_l((wint_t)rune, tables_get());
}

static void append_rune(struct buf *out, uint32_t rune)
{
    char bytes[4];
    buf_append(out, bytes, utf8_encode(rune, bytes));
}

static void map_runes(struct slice text, uint32_t (*map)(uint32_t rune), struct buf *out)
{
    uint32_t rune;
    for (size_t len; (len = utf8_decode(text, &rune)) > 0; text = slice_from_index(text, len))
        append_rune(out, map(rune));
}

void template_to_upper(struct slice text, struct buf *out)
{
    map_runes(text, rune_upper, out);
}

void template_to_lower(struct slice text, struct buf *out)
{
    map_runes(text, rune_lower, out);
}

/* Does this stay within a word when letters stand on both sides? */
static bool joins_letters(uint32_t rune)
{
    return rune == '\'' || rune == '.' || rune == ':' || rune == 0xB7 || rune == 0x2018 ||
           rune == 0x2019;
}

void template_to_title(struct slice text, struct buf *out)
{
    bool in_word = false; /* the first letter was seen */
    uint32_t before = 0;
    uint32_t rune;
    for (size_t len; (len = utf8_decode(text, &rune)) > 0; text = slice_from_index(text, len)) {
        if (is_letter(rune)) {
            append_rune(out, in_word ? rune : rune_upper(rune));
            in_word = true;
        } else {
            buf_append_slice(out, slice_sub(text, 0, len));
            uint32_t next = 0;
            utf8_decode(slice_from_index(text, len), &next);
            bool joined = rune == '_' || template_is_word(rune) ||
                          (joins_letters(rune) && is_letter(before) && is_letter(next));
            in_word = in_word && joined;
        }
        before = rune;
    }
}

/* -- literals -- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* `count` digits of a base at the front of the text; false when there are too few. */
static bool take_digits(struct slice *text, size_t count, uint32_t base, uint32_t *out)
{
    uint32_t value = 0;
    if (text->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        int digit = hex_value(text->ptr[i]);
        if (digit < 0 || (uint32_t)digit >= base)
            return false;
        value = value * base + (uint32_t)digit;
    }
    *text = slice_from_index(*text, count);
    *out = value;
    return true;
}

static bool is_code_point(uint32_t value)
{
    return value <= RUNE_MAX && !(value >= SURROGATE_FIRST && value <= SURROGATE_LAST);
}

/* Takes what follows a backslash. `out_is_byte`: \x and octal escapes of strings are bytes. */
static bool take_escape(struct slice *text, char quote, uint32_t *out, bool *out_is_byte)
{
    static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
    if (text->len == 0)
        return false;
    char kind = text->ptr[0];
    *out_is_byte = false;
    for (size_t i = 0; i + 1 < sizeof(simple); i += 2) {
        if (kind == simple[i]) {
            *out = (uint32_t)simple[i + 1];
            *text = slice_from_index(*text, 1);
            return true;
        }
    }
    if (kind >= '0' && kind <= '7') {
        *out_is_byte = true;
        return take_digits(text, 3, 8, out) && *out <= UINT8_MAX;
    }
    *text = slice_from_index(*text, 1);
    switch (kind) {
    case 'x':
        *out_is_byte = true;
        return take_digits(text, 2, 16, out);
    case 'u':
        return take_digits(text, 4, 16, out) && is_code_point(*out);
    case 'U':
        return take_digits(text, 8, 16, out) && is_code_point(*out);
    default:
        *out = (uint32_t)kind;
        return kind == quote;
    }
}

/* One character of what stands between the quotes. */
static bool take_character(struct slice *text, char quote, struct buf *out)
{
    if (text->ptr[0] == quote || text->ptr[0] == '\n')
        return false;
    if (text->ptr[0] != '\\') {
        uint32_t rune;
        size_t len = utf8_decode(*text, &rune);
        buf_append(out, text->ptr, len);
        *text = slice_from_index(*text, len);
        return true;
    }
    *text = slice_from_index(*text, 1);
    uint32_t value;
    bool is_byte;
    if (!take_escape(text, quote, &value, &is_byte))
        return false;
    if (is_byte)
        buf_append_byte(out, (char)value);
    else
        append_rune(out, value);
    return true;
}

static bool unwrap(struct slice literal, char quote, struct slice *out)
{
    if (literal.len < 2 || literal.ptr[0] != quote || literal.ptr[literal.len - 1] != quote)
        return false;
    *out = slice_sub(literal, 1, literal.len - 2);
    return true;
}

bool template_unquote(struct slice literal, struct buf *out)
{
    struct slice text;
    if (unwrap(literal, '`', &text)) {
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] == '`')
                return false;
            if (text.ptr[i] != '\r')
                buf_append_byte(out, text.ptr[i]);
        }
        return true;
    }
    if (!unwrap(literal, '"', &text))
        return false;
    while (text.len > 0) {
        if (!take_character(&text, '"', out))
            return false;
    }
    return true;
}

bool template_unquote_rune(struct slice literal, uint32_t *out, bool *out_whole)
{
    struct slice text;
    if (!unwrap(literal, '\'', &text) || text.len == 0 || text.ptr[0] == '\'')
        return false;
    if (text.ptr[0] == '\\') {
        bool is_byte;
        text = slice_from_index(text, 1);
        if (!take_escape(&text, '\'', out, &is_byte))
            return false;
    } else {
        text = slice_from_index(text, utf8_decode(text, out));
    }
    *out_whole = text.len == 0;
    return true;
}
