/*
 * Doubles to text and back. <charconv> rounds what is read, float_digits finds the shortest digits of
 * what is written; the layout of the text and the grammar of the input are those of Go's strconv.
 */
#include "base/float_text.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <endian.h>
#include <limits>

#include "base/float_digits.h"

namespace {

/* A finite value and the shortest digits for it. */
struct decimal : float_digits {
    bool negative;
};

decimal decimal_of(double value)
{
    decimal d;
    d.negative = std::signbit(value);
    float_digits_shortest(std::fabs(value), &d);
    return d;
}

size_t put(char *out, size_t at, const char *text, size_t len)
{
    memcpy(out + at, text, len);
    return at + len;
}

size_t put_zeros(char *out, size_t at, size_t count)
{
    memset(out + at, '0', count);
    return at + count;
}

/* Infinities and NaN; 0 for numbers. */
size_t put_special(double value, char *out)
{
    if (std::isnan(value))
        return put(out, 0, "NaN", 3);
    if (std::isinf(value))
        return put(out, 0, value < 0 ? "-Inf" : "+Inf", 4);
    return 0;
}

/* Integers of up to 15 digits are most of what a monitoring system prints; 0 for other values. */
size_t put_integer(double value, char *out, double bound)
{
    if (!(std::fabs(value) < bound))
        return 0;
    int64_t integer = static_cast<int64_t>(value);
    if (static_cast<double>(integer) != value || (integer == 0 && std::signbit(value)))
        return 0;
    return static_cast<size_t>(std::to_chars(out, out + FLOAT_TEXT_SHORT_SIZE, integer).ptr - out);
}

const char *digits_of(const decimal &d)
{
    return reinterpret_cast<const char *>(d.words);
}

/* Few digits before the point: the word that has it is put together in a register. All words are copied,
 * whatever the number of digits; FLOAT_TEXT_SHORT_SIZE has room for that. */
size_t put_with_point(const decimal &d, char *out, size_t at, unsigned whole)
{
    uint64_t head = le64toh(d.words[0]);
    uint64_t before = (uint64_t{1} << 8 * whole) - 1;
    uint64_t point = uint64_t{'.'} << 8 * whole;
    head = htole64((head & before) | point | ((head & ~before) << 8));
    memcpy(out + at + 1, d.words, sizeof(d.words));
    memcpy(out + at, &head, sizeof(head));
    return at + d.count + 1;
}

size_t put_plain_in_words(const decimal &d, char *out)
{
    size_t at = 0;
    out[0] = '-';
    at += d.negative;
    if (d.exponent < 0) {
        at = put(out, at, "0.", 2);
        at = put_zeros(out, at, static_cast<size_t>(-d.exponent - 1));
        memcpy(out + at, d.words, sizeof(d.words));
        return at + d.count;
    }
    size_t whole = static_cast<size_t>(d.exponent) + 1;
    if (whole < d.count && whole < sizeof(d.words[0]))
        return put_with_point(d, out, at, static_cast<unsigned>(whole));
    memcpy(out + at, d.words, sizeof(d.words));
    if (whole >= d.count)
        return put_zeros(out, at + d.count, whole - d.count);
    at += whole;
    out[at++] = '.';
    return put(out, at, digits_of(d) + whole, d.count - whole);
}

/* The same to the byte: callers may have text or zeros behind it. */
size_t put_plain(const decimal &d, char *out)
{
    size_t at = 0;
    if (d.negative)
        out[at++] = '-';
    if (d.exponent < 0) {
        at = put(out, at, "0.", 2);
        at = put_zeros(out, at, static_cast<size_t>(-d.exponent - 1));
        return put(out, at, digits_of(d), d.count);
    }
    size_t whole = static_cast<size_t>(d.exponent) + 1;
    if (whole >= d.count) {
        at = put(out, at, digits_of(d), d.count);
        return put_zeros(out, at, whole - d.count);
    }
    at = put(out, at, digits_of(d), whole);
    out[at++] = '.';
    return put(out, at, digits_of(d) + whole, d.count - whole);
}

/* At least two digits of exponent, always with a sign. */
size_t put_exponent(const decimal &d, char *out)
{
    size_t at = 0;
    if (d.negative)
        out[at++] = '-';
    out[at++] = digits_of(d)[0];
    if (d.count > 1) {
        out[at++] = '.';
        at = put(out, at, digits_of(d) + 1, d.count - 1);
    }
    out[at++] = 'e';
    out[at++] = d.exponent < 0 ? '-' : '+';
    int exponent = d.exponent < 0 ? -d.exponent : d.exponent;
    if (exponent < 10)
        out[at++] = '0';
    return static_cast<size_t>(std::to_chars(out + at, out + at + 4, exponent).ptr - out);
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

bool equal_fold(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);
    if (static_cast<size_t>(end - at) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (lower(at[i]) != word[i])
            return false;
    }
    return true;
}

/* A number behind its sign, as the scanners below see it. */
struct scan {
    const char *end;   /* behind what belongs to the number */
    bool valid;
    bool zero;         /* every digit of the mantissa is 0 */
    long magnitude;    /* digits before the point, or minus the zeros behind it, plus the exponent */
};

const long exponent_max = 100000;

/* e or p, a sign, digits. Absurd exponents saturate. */
const char *scan_exponent(const char *at, const char *end, long *out_exponent)
{
    at++;
    bool negative = false;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    if (at == end || !is_digit(*at))
        return nullptr;
    long exponent = 0;
    for (; at < end && is_digit(*at); at++) {
        if (exponent < exponent_max)
            exponent = exponent * 10 + (*at - '0');
    }
    *out_exponent = negative ? -exponent : exponent;
    return at;
}

bool is_hex_digit(char c)
{
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

scan scan_number(const char *at, const char *end, bool hex)
{
    scan s{at, false, true, 0};
    long digits_before = 0;
    long zeros_behind = 0;
    bool any = false;
    bool point = false;
    for (; at < end; at++) {
        if (*at == '.' && !point) {
            point = true;
            continue;
        }
        if (!(hex ? is_hex_digit(*at) : is_digit(*at)))
            break;
        any = true;
        if (s.zero && *at == '0') {
            zeros_behind += point;
            continue;
        }
        s.zero = false;
        digits_before += !point;
    }
    if (!any)
        return s;
    long exponent = 0;
    bool has_exponent = at < end && lower(*at) == (hex ? 'p' : 'e');
    if (has_exponent)
        at = scan_exponent(at, end, &exponent);
    if (at == nullptr || (hex && !has_exponent))
        return s;
    s.end = at;
    s.valid = true;
    s.magnitude = (digits_before > 0 ? digits_before : -zeros_behind) * (hex ? 4 : 1) + exponent;
    return s;
}

/* Rounds a scanned number. Above the range is false with an infinity; below it is a zero. */
bool convert(const char *at, const scan &s, bool hex, bool negative, double *out,
             bool *out_range)
{
    double value = 0;
    std::from_chars_result result = std::from_chars(
        at, s.end, value, hex ? std::chars_format::hex : std::chars_format::general);
    bool above = false;
    if (result.ec == std::errc::result_out_of_range || std::isinf(value)) {
        above = !s.zero && s.magnitude > 0;
        value = above ? std::numeric_limits<double>::infinity() : 0;
    }
    *out = negative ? -value : value;
    if (above && out_range != nullptr)
        *out_range = true;
    return !above;
}

/* Infinities with a sign or without, NaN without one, in any case. */
bool parse_special(const char *at, const char *end, char sign, double *out)
{
    if (equal_fold(at, end, "inf") || equal_fold(at, end, "infinity")) {
        double infinity = std::numeric_limits<double>::infinity();
        *out = sign == '-' ? -infinity : infinity;
        return true;
    }
    if (sign == '\0' && equal_fold(at, end, "nan")) {
        /* the bits of Go's math.NaN, which is what the reference stores */
        uint64_t bits = 0x7ff8000000000001u;
        memcpy(out, &bits, sizeof(bits));
        return true;
    }
    return false;
}

bool parse_decimal(const char *at, const char *end, char sign, double *out, bool *out_range)
{
    scan s = scan_number(at, end, false);
    if (!s.valid)
        return parse_special(at, end, sign, out);
    return s.end == end && convert(at, s, false, sign == '-', out, out_range);
}

/* 10^0 to 10^22 are exact doubles. */
const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Up to 15 digits and a point: one exact division of two exact doubles, which rounds once and hence
 * rightly. false where the text is anything else. */
bool parse_short(const char *at, const char *end, double *out)
{
    if (end - at > 16 || at == end)
        return false;
    uint64_t mantissa = 0;
    unsigned digit_count = 0;
    const char *point = nullptr;
    for (; at < end; at++) {
        unsigned digit = static_cast<unsigned char>(*at) - static_cast<unsigned>('0');
        if (digit <= 9) {
            mantissa = mantissa * 10 + digit;
            digit_count++;
        } else if (*at == '.' && point == nullptr) {
            point = at;
        } else {
            return false;
        }
    }
    if (digit_count == 0 || digit_count > 15)
        return false;
    double value = static_cast<double>(mantissa);
    *out = point == nullptr ? value : value / powers_of_ten[end - point - 1];
    return true;
}

} /* namespace */

size_t float_text_f(double value, char out[FLOAT_TEXT_SIZE])
{
    size_t len = put_special(value, out);
    if (len == 0)
        len = put_integer(value, out, 1e15);
    return len > 0 ? len : put_plain(decimal_of(value), out);
}

size_t float_text_e(double value, char out[FLOAT_TEXT_SHORT_SIZE])
{
    size_t len = put_special(value, out);
    return len > 0 ? len : put_exponent(decimal_of(value), out);
}

size_t float_text_g(double value, char out[FLOAT_TEXT_SHORT_SIZE])
{
    size_t len = put_special(value, out);
    if (len == 0)
        len = put_integer(value, out, 1e6);
    if (len > 0)
        return len;
    decimal d = decimal_of(value);
    /* strconv takes a precision of 6 for this decision when it looks for the shortest digits */
    if (d.exponent < -4 || d.exponent >= 6)
        return put_exponent(d, out);
    return put_plain(d, out);
}

size_t float_text_json(double value, char out[FLOAT_TEXT_SHORT_SIZE])
{
    double size = std::fabs(value);
    if (size != 0 && (size < 1e-6 || size >= 1e21))
        return float_text_e(value, out);
    size_t len = put_special(value, out);
    if (len == 0)
        len = put_integer(value, out, 1e15);
    return len > 0 ? len : put_plain_in_words(decimal_of(value), out);
}

size_t float_text_openmetrics(double value, char out[FLOAT_TEXT_SHORT_SIZE])
{
    size_t len = float_text_g(value, out);
    if (std::isfinite(value) && memchr(out, '.', len) == nullptr &&
        memchr(out, 'e', len) == nullptr)
        len = put(out, len, ".0", 2);
    return len;
}

bool float_text_parse(struct slice text, double *out, bool *out_range)
{
    if (out_range != nullptr)
        *out_range = false;
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;
    char sign = '\0';
    if (at < end && (*at == '+' || *at == '-'))
        sign = *at++;
    if (end - at > 2 && at[0] == '0' && lower(at[1]) == 'x') {
        scan s = scan_number(at + 2, end, true);
        return s.valid && s.end == end && convert(at + 2, s, true, sign == '-', out, out_range);
    }
    return parse_decimal(at, end, sign, out, out_range);
}

bool float_text_parse_decimal(struct slice text, double *out)
{
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;
    char sign = '\0';
    if (at < end && (*at == '+' || *at == '-'))
        sign = *at++;
    double value;
    if (parse_short(at, end, &value)) {
        *out = sign == '-' ? -value : value;
        return true;
    }
    return parse_decimal(at, end, sign, out, nullptr);
}
