/* Integers and floats as fmt lays them out. */
#include "rules/template_format_internal.h"

#include <math.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/float_text.h"
#include "base/utf8.h"
#include "model/quote.h"

#define PRECISION_DEFAULT 6
#define DIGITS_MAX 64

void format_pad(struct slice text, const struct format_flags *flags, struct buf *out)
{
    size_t width = utf8_count(text);
    size_t padding = flags->has_width && flags->width > width ? flags->width - width : 0;
    if (flags->minus)
        buf_append_slice(out, text);
    for (size_t i = 0; i < padding && !out->overflow; i++)
        buf_append_byte(out, flags->zero && !flags->minus ? '0' : ' ');
    if (!flags->minus)
        buf_append_slice(out, text);
}

void format_quote(struct slice text, const struct format_flags *flags, struct buf *out)
{
    if (!flags->plus) {
        quote_go(text, out);
        return;
    }
    CLEANUP(buf_release) struct buf quoted;
    buf_init(&quoted, out->size_max);
    quote_go(text, &quoted);
    out->overflow = out->overflow || quoted.overflow;
    struct slice rest = buf_slice(&quoted);
    uint32_t rune;
    for (size_t len; (len = utf8_decode(rest, &rune)) > 0; rest = slice_from_index(rest, len)) {
        if (rune < 0x80)
            buf_append_byte(out, (char)rune);
        else
            buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
    }
}

/* -- integers -- */

static uint32_t base_of(uint32_t verb)
{
    switch (verb) {
    case 'v':
    case 'd':
        return 10;
    case 'b':
        return 2;
    case 'o':
    case 'O':
        return 8;
    case 'x':
    case 'X':
        return 16;
    default:
        return 0;
    }
}

static void write_rune(uint64_t magnitude, uint32_t verb, const struct format_flags *flags,
                       struct buf *out)
{
    uint32_t rune = magnitude > 0x10FFFF ? 0xFFFD : (uint32_t)magnitude;
    char bytes[4];
    struct slice text = slice_from(bytes, utf8_encode(rune, bytes));
    CLEANUP(buf_release) struct buf made;
    buf_init(&made, 64);
    if (verb == 'c') {
        buf_append_slice(&made, text);
    } else if (verb == 'U') {
        buf_printf(&made, "U+%04llX", (unsigned long long)magnitude);
        if (flags->sharp && magnitude <= 0x10FFFF && quote_is_printable(rune))
            buf_printf(&made, " '%.*s'", SLICE_ARG(text));
    } else if (rune == '\'') {
        buf_append_str(&made, "'\\''");
    } else if (rune == '"') {
        buf_append_str(&made, "'\"'");
    } else {
        format_quote(text, flags, &made);
        made.data[0] = made.data[made.len - 1] = '\'';
    }
    format_pad(buf_slice(&made), flags, out);
}

static void write_prefix(uint32_t verb, const struct format_flags *flags, bool zero_first,
                         struct buf *out)
{
    if (verb == 'O')
        buf_append_str(out, "0o");
    if (!flags->sharp)
        return;
    if (verb == 'b')
        buf_append_str(out, "0b");
    else if ((verb == 'o' || verb == 'O') && !zero_first)
        buf_append_byte(out, '0');
    else if (verb == 'x')
        buf_append_str(out, "0x");
    else if (verb == 'X')
        buf_append_str(out, "0X");
}

/* How many digits there must be at least: by the precision, or to fill the width with zeros. */
static size_t digits_min(const struct format_flags *flags, bool has_sign)
{
    if (flags->has_precision)
        return flags->precision;
    if (!flags->zero || flags->minus || !flags->has_width)
        return 0;
    return flags->width - MIN(flags->width, has_sign ? 1u : 0u);
}

bool format_integer(uint64_t magnitude, bool negative, uint32_t verb,
                    const struct format_flags *flags, struct buf *out)
{
    if (verb == 'c' || verb == 'q' || verb == 'U') {
        /* -1 is no code point; %U shows its bits */
        write_rune(negative ? 0 - magnitude : magnitude, verb, flags, out);
        return true;
    }
    uint32_t base = base_of(verb);
    if (base == 0)
        return false;
    struct format_flags padding = *flags;
    padding.zero = false;
    if (flags->has_precision && flags->precision == 0 && magnitude == 0) {
        format_pad(SLICE_EMPTY, &padding, out);
        return true;
    }
    const char *digits = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[DIGITS_MAX];
    size_t start = DIGITS_MAX;
    do {
        text[--start] = digits[magnitude % base];
        magnitude /= base;
    } while (magnitude > 0);
    size_t count = DIGITS_MAX - start;
    bool has_sign = negative || flags->plus || flags->space;
    size_t digit_count = digits_min(flags, has_sign);
    CLEANUP(buf_release) struct buf made;
    buf_init(&made, out->size_max);
    if (has_sign)
        buf_append_byte(&made, negative ? '-' : flags->plus ? '+' : ' ');
    write_prefix(verb, flags, digit_count > count || text[start] == '0', &made);
    for (size_t i = count; i < digit_count && !made.overflow; i++)
        buf_append_byte(&made, '0');
    buf_append(&made, text + start, count);
    out->overflow = out->overflow || made.overflow;
    format_pad(buf_slice(&made), &padding, out);
    return true;
}

/* -- floats -- */

/* C writes 0x1.8p+1 where Go has 0x1.8p+01. */
static void fix_hex_exponent(struct buf *text)
{
    size_t mark = slice_index(buf_slice(text), 'p');
    if (mark == SLICE_NONE)
        mark = slice_index(buf_slice(text), 'P');
    if (mark == SLICE_NONE || text->len - mark != 3)
        return;
    char digit = text->data[text->len - 1];
    text->data[text->len - 1] = '0';
    buf_append_byte(text, digit);
}

/* Mantissa and binary exponent as integers: 6755399441055744p-52. */
static void append_binary(double value, struct buf *out)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7FF);
    if (exponent == 0)
        exponent++;
    else
        mantissa |= UINT64_C(1) << 52;
    buf_printf(out, "%llup%+d", (unsigned long long)mantissa, exponent - 1075);
}

static void append_digits(double value, char verb, const struct format_flags *flags,
                          struct buf *out)
{
    char shortest[FLOAT_TEXT_SHORT_SIZE];
    char format[] = "%#.*g";
    int precision = flags->has_precision ? (int)flags->precision : PRECISION_DEFAULT;
    bool is_hex = verb == 'x' || verb == 'X';
    if (verb == 'b') {
        append_binary(value, out);
        return;
    }
    if ((verb == 'g' || verb == 'G') && !flags->has_precision && !flags->sharp) {
        buf_append(out, shortest, float_text_g(value, shortest));
        if (verb == 'G' && slice_index(buf_slice(out), 'e') != SLICE_NONE)
            out->data[slice_index(buf_slice(out), 'e')] = 'E';
        return;
    }
    format[4] = is_hex ? (verb == 'x' ? 'a' : 'A') : verb;
    if (!flags->sharp) {
        format[1] = '.';
        format[2] = '*';
        format[3] = format[4];
        format[4] = '\0';
    }
    if (is_hex && !flags->has_precision)
        precision = -1; /* as many as there are */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int len = snprintf(NULL, 0, format, precision, value);
    char *place = len < 0 ? NULL : buf_reserve(out, (size_t)len + 1);
    if (place == NULL)
        return;
    snprintf(place, (size_t)len + 1, format, precision, value);
#pragma GCC diagnostic pop
    buf_commit(out, (size_t)len);
    if (is_hex)
        fix_hex_exponent(out);
}

/* Infinities have a sign where a space does not take its place. */
static char float_sign(double value, const struct format_flags *flags)
{
    if (!isnan(value) && signbit(value))
        return '-';
    if (flags->plus || (isinf(value) && !flags->space))
        return '+';
    return flags->space ? ' ' : '\0';
}

bool format_float(double value, uint32_t verb, const struct format_flags *flags, struct buf *out)
{
    if (verb == 'v')
        verb = 'g';
    if (verb >= 0x80 || verb == 0 || strchr("beEfFgGxX", (int)verb) == NULL)
        return false;
    struct format_flags layout = *flags;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, out->size_max);
    if (isfinite(value)) {
        append_digits(fabs(value), (char)verb, flags, &text);
    } else {
        buf_append_str(&text, isnan(value) ? "NaN" : "Inf");
        layout.zero = false;
    }
    char sign = float_sign(value, flags);
    size_t zeros_to =
        sign != '\0' && layout.zero && !layout.minus && layout.has_width ? layout.width : 0;
    CLEANUP(buf_release) struct buf made;
    buf_init(&made, out->size_max);
    if (sign != '\0')
        buf_append_byte(&made, sign);
    for (size_t i = text.len + 1; i < zeros_to && !made.overflow; i++)
        buf_append_byte(&made, '0');
    buf_append_slice(&made, buf_slice(&text));
    out->overflow = out->overflow || text.overflow || made.overflow;
    format_pad(buf_slice(&made), &layout, out);
    return true;
}
