/* Numbers, durations and strings, as far as the lexer looks at them. */
#include "promql/lexer_literal.h"

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/utf8.h"
#include "model/quote.h"
#include "promql/advice.h"

#include <stdio.h>
#include <string.h>

#define RUNE_REPLACEMENT 0xfffd
#define RUNE_MAX 0x10ffff

#define DECIMAL_DIGITS "0123456789"
#define HEX_DIGITS "0123456789abcdefABCDEF"

void lexer_quote_rune(int32_t rune, char out[LEXER_RUNE_TEXT_SIZE])
{
    static const char escaped[] = "\a\b\f\n\r\t\v\\'";
    static const char letters[] = "abfnrtv\\'";
    if (rune < 0)
        rune = RUNE_REPLACEMENT;
    const char *at = rune > 0 && rune < 0x80 ? strchr(escaped, (char)rune) : NULL;
    char text[5] = {0};
    if (at != NULL)
        snprintf(out, LEXER_RUNE_TEXT_SIZE, "'\\%c'", letters[at - escaped]);
    else if (rune < ' ' || rune == 0x7f)
        snprintf(out, LEXER_RUNE_TEXT_SIZE, "'\\x%02x'", (unsigned)rune);
    else if (rune < 0x80 || quote_is_printable((uint32_t)rune))
        snprintf(out, LEXER_RUNE_TEXT_SIZE, "'%.*s'", (int)utf8_encode((uint32_t)rune, text), text);
    else
        snprintf(out, LEXER_RUNE_TEXT_SIZE, rune < 0x10000 ? "'\\u%04x'" : "'\\U%08x'",
                 (unsigned)rune);
}

int32_t lexer_read_rune(struct lexer *lexer)
{
    uint32_t rune;
    size_t width = utf8_decode(slice_from_index(lexer->text, lexer->at), &rune);
    if (width == 0)
        return LEXER_END;
    lexer->at += (uint32_t)width;
    return (int32_t)rune;
}

static char lexer_peek_byte(const struct lexer *lexer)
{
    return lexer->at < lexer->text.len ? lexer->text.ptr[lexer->at] : '\0';
}

static bool lexer_at_end(const struct lexer *lexer)
{
    return lexer->at >= lexer->text.len;
}

/* Is the next byte one of these? */
static bool lexer_is_any(const struct lexer *lexer, const char *bytes)
{
    char byte = lexer_peek_byte(lexer);
    return byte != '\0' && strchr(bytes, byte) != NULL;
}

static bool lexer_accept(struct lexer *lexer, const char *bytes)
{
    if (!lexer_is_any(lexer, bytes))
        return false;
    lexer->at++;
    return true;
}

bool lexer_starts_number(const struct lexer *lexer, int32_t rune)
{
    return lexer_is_digit(rune) || (rune == '.' && lexer_is_digit(lexer_peek_byte(lexer)));
}

/* What may not follow an exponent or an underscore. */
static bool lexer_broken_behind(struct lexer *lexer)
{
    return lexer_accept(lexer, "._eE") || lexer_at_end(lexer);
}

/*
 * Numbers are runs of digits with at most one dot and one exponent, and underscores between digits.
 * A hexadecimal number has no dot; its 'e' is a digit, and yet counts as an exponent when it comes
 * first behind the prefix. False where the text cannot be a number; `at` stays where that was seen,
 * since a duration may begin with the same digits.
 */
static bool lexer_scan_number(struct lexer *lexer)
{
    const char *digits = DECIMAL_DIGITS;
    if (lexer_accept(lexer, "0") && lexer_accept(lexer, "xX")) {
        lexer_accept(lexer, "_");
        digits = HEX_DIGITS;
    }
    bool hex = digits[10] != '\0';
    bool dot = false;
    bool exponent = false;
    lexer_accept(lexer, ".");
    lexer_accept(lexer, digits);
    while (lexer_is_any(lexer, digits) || lexer_is_any(lexer, "._eE")) {
        if (lexer_is_any(lexer, ".") && dot) {
            lexer->at++;
            return false;
        }
        if (lexer_is_any(lexer, "eE") && exponent) {
            lexer->at++;
            return false;
        }
        if (lexer_accept(lexer, ".")) {
            dot = true;
            if (lexer_accept(lexer, "_.") || hex)
                return false;
        } else if (lexer_accept(lexer, "eE")) {
            exponent = true;
            lexer_accept(lexer, "+-");
            if (lexer_broken_behind(lexer))
                return false;
        } else if (lexer_accept(lexer, "_")) {
            if (lexer_broken_behind(lexer))
                return false;
        } else {
            while (lexer_accept(lexer, digits))
                continue;
        }
    }
    return !lexer_is_alphanumeric((unsigned char)lexer_peek_byte(lexer));
}

/* Behind the first digits. Units in a wrong order are found when the value is made. */
static bool lexer_scan_duration_rest(struct lexer *lexer)
{
    if (!lexer_accept(lexer, "smhdwy"))
        return false;
    lexer_accept(lexer, "s"); /* of ms */
    while (lexer_accept(lexer, DECIMAL_DIGITS)) {
        while (lexer_accept(lexer, DECIMAL_DIGITS))
            continue;
        if (!lexer_accept(lexer, "smhdw")) /* years come first */
            return false;
        lexer_accept(lexer, "s");
    }
    if (!lexer_is_alphanumeric((unsigned char)lexer_peek_byte(lexer)))
        return true;
    lexer->at++; /* it is part of what is wrong */
    return false;
}

enum token_kind lexer_scan_number_or_duration(struct lexer *lexer)
{
    lexer->at = lexer->start;
    if (lexer_scan_number(lexer))
        return TOKEN_NUMBER;
    if (lexer_scan_duration_rest(lexer))
        return TOKEN_DURATION;
    struct buf quoted CLEANUP(buf_release);
    buf_init(&quoted, BUF_SIZE_ANY);
    quote_go(slice_sub(lexer->text, lexer->start, lexer->at - lexer->start), &quoted);
    lexer_report(lexer, lexer->start, "bad number or duration syntax: %s", buf_cstr(&quoted));
    advice_duration(lexer, slice_sub(lexer->text, lexer->start, lexer->at - lexer->start));
    return TOKEN_ERROR;
}

/* "U+0041 'A'" */
static void lexer_name_rune(int32_t rune, char *out, size_t size)
{
    char text[5] = {0};
    bool shown = rune < 0x80 ? rune >= ' ' && rune < 0x7f : quote_is_printable((uint32_t)rune);
    if (shown) {
        utf8_encode((uint32_t)rune, text);
        snprintf(out, size, "U+%04X '%s'", (unsigned)rune, text);
    } else {
        snprintf(out, size, "U+%04X", (unsigned)rune);
    }
}

static enum token_kind lexer_fail_escape(struct lexer *lexer, const char *format, int32_t rune)
{
    if (rune == LEXER_END) {
        lexer_report(lexer, lexer->start, "escape sequence not terminated");
        return TOKEN_ERROR;
    }
    char name[32];
    lexer_name_rune(rune, name, sizeof(name));
    struct buf text CLEANUP(buf_release);
    buf_init(&text, ERRBUF_TEXT_SIZE);
    for (const char *at = format; *at != '\0'; at++) {
        if (*at == '%')
            buf_append_str(&text, name);
        else
            buf_append_byte(&text, *at);
    }
    lexer_report(lexer, lexer->start, "%s", buf_cstr(&text));
    lexer_hint(lexer, "a backslash itself is written \\\\, or the string between ` and `");
    return TOKEN_ERROR;
}

static uint32_t digit_value(int32_t rune)
{
    if (lexer_is_digit(rune))
        return (uint32_t)(rune - '0');
    if (rune >= 'a' && rune <= 'f')
        return (uint32_t)(rune - 'a' + 10);
    if (rune >= 'A' && rune <= 'F')
        return (uint32_t)(rune - 'A' + 10);
    return 16;
}

/* The digits of \377, \xff, \uffff and \Uffffffff; `rune` is the first of them. */
static enum token_kind lexer_scan_escape_digits(struct lexer *lexer, int32_t rune, int count,
                                                uint32_t base, uint32_t value_max)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0)
            rune = lexer_read_rune(lexer);
        uint32_t digit = digit_value(rune);
        if (digit >= base)
            return lexer_fail_escape(lexer, "illegal character % in escape sequence", rune);
        value = value * base + digit;
    }
    if (value > value_max || (value >= 0xd800 && value < 0xe000)) {
        lexer_report(lexer, lexer->start, "escape sequence is an invalid Unicode code point");
        return TOKEN_ERROR;
    }
    return TOKEN_STRING;
}

/* Behind the backslash. TOKEN_STRING = go on. */
static enum token_kind lexer_scan_escape(struct lexer *lexer, char quote)
{
    int32_t rune = lexer_read_rune(lexer);
    switch (rune) {
    case 'a':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
    case 'v':
    case '\\':
        return TOKEN_STRING;
    case '0' ... '7':
        return lexer_scan_escape_digits(lexer, rune, 3, 8, 255);
    case 'x':
        return lexer_scan_escape_digits(lexer, lexer_read_rune(lexer), 2, 16, 255);
    case 'u':
        return lexer_scan_escape_digits(lexer, lexer_read_rune(lexer), 4, 16, RUNE_MAX);
    case 'U':
        return lexer_scan_escape_digits(lexer, lexer_read_rune(lexer), 8, 16, RUNE_MAX);
    default:
        if (rune == quote)
            return TOKEN_STRING;
        return lexer_fail_escape(lexer, "unknown escape sequence %", rune);
    }
}

enum token_kind lexer_scan_string(struct lexer *lexer, char quote)
{
    bool raw = quote == '`';
    for (;;) {
        uint32_t before = lexer->at;
        int32_t rune = lexer_read_rune(lexer);
        if (rune == quote)
            return TOKEN_STRING;
        /* the character itself, which takes three bytes, is none that is wrong */
        if (rune == RUNE_REPLACEMENT && lexer->at - before == 1) {
            lexer_report(lexer, lexer->start, "invalid UTF-8 rune");
            return TOKEN_ERROR;
        }
        if (rune == LEXER_END || (rune == '\n' && !raw)) {
            lexer_report(lexer, lexer->start, "unterminated %s string", raw ? "raw" : "quoted");
            lexer_hint(lexer, "the closing %c is missing%s", quote,
                       rune == '\n' ? ", or the string goes over lines, as only ` allows" : "");
            return TOKEN_ERROR;
        }
        if (rune == '\\' && !raw && lexer_scan_escape(lexer, quote) == TOKEN_ERROR)
            return TOKEN_ERROR;
    }
}
