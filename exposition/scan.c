#include "exposition/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stddef.h>

#include "base/compiler.h"
#include "base/float_text.h"
#include "model/sample.h"

/* The first byte that is one of four, or `end`. */
static inline const char *find_any(const char *at, const char *end, char a, char b, char c, char d)
{
#ifdef __SSE2__
    const __m128i wanted_a = _mm_set1_epi8(a);
    const __m128i wanted_b = _mm_set1_epi8(b);
    const __m128i wanted_c = _mm_set1_epi8(c);
    const __m128i wanted_d = _mm_set1_epi8(d);
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i found = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, wanted_a), _mm_cmpeq_epi8(bytes, wanted_b)),
            _mm_or_si128(_mm_cmpeq_epi8(bytes, wanted_c), _mm_cmpeq_epi8(bytes, wanted_d)));
        unsigned mask = (unsigned)_mm_movemask_epi8(found);
        if (mask != 0)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && *at != a && *at != b && *at != c && *at != d)
        at++;
    return at;
}

/* Behind the closing brace; `at` is behind the opening one. */
static const char *scan_braces(const char *at, const char *end)
{
    for (;;) {
        at = find_any(at, end, '"', '}', '\n', '\n');
        if (at == end || *at == '\n')
            return NULL;
        if (*at++ == '}')
            return at;
        for (;;) {
            at = find_any(at, end, '"', '\\', '\n', '\n');
            if (end - at < 2 || *at == '\n')
                return NULL;
            if (*at == '"')
                break;
            at += 2;
        }
        at++;
    }
}

/* Bytes of metric names. */
static const bool name_bytes[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['_'] = true, [':'] = true,
};

const char *scan_name(const char *at, const char *end)
{
    if (at == end || !name_bytes[(unsigned char)*at] || (*at >= '0' && *at <= '9'))
        return NULL;
    while (at < end && name_bytes[(unsigned char)*at])
        at++;
    return at;
}

const char *scan_series(const char *at, const char *end, bool blanks)
{
    const char *name_end = scan_name(at, end);
    if (name_end == NULL || name_end == end)
        return NULL;
    if (*name_end == '{')
        return scan_braces(name_end + 1, end);
    const char *next = name_end;
    while (blanks && next < end && (*next == ' ' || *next == '\t'))
        next++;
    if (next < end && *next == '{')
        return scan_braces(next + 1, end);
    return *name_end == ' ' || next > name_end ? name_end : NULL;
}

static inline bool is_digit(char byte)
{
    return (unsigned char)(byte - '0') < 10;
}

static inline bool ends_token(char byte)
{
    return byte == '\n' || byte == ' ' || byte == '\t';
}

/* NaN and the infinities as clients write them. */
static const char *scan_special(const char *at, const char *end, double *out)
{
    if (end - at < 5)
        return NULL;
    if (memcmp(at, "NaN", 3) == 0 && ends_token(at[3])) {
        *out = codec_bits_double(SAMPLE_NAN_BITS);
        return at + 3;
    }
    if (memcmp(at + 1, "Inf", 3) == 0 && ends_token(at[4]) && (*at == '+' || *at == '-')) {
        *out = *at == '+' ? __builtin_inf() : -__builtin_inf();
        return at + 4;
    }
    return NULL;
}

/* Digits from `at` on are added to the mantissa; the caller bounds their number. */
static inline const char *take_digits(const char *at, const char *end, uint64_t *mantissa)
{
    uint64_t value = *mantissa;
    while (at < end && is_digit(*at))
        value = value * 10 + (uint64_t)(*at++ - '0');
    *mantissa = value;
    return at;
}

/* e[+-]digits; false where it is odd. */
static bool take_exponent(const char **at, const char *end, int *exponent)
{
    const char *digits = *at + 1;
    bool negative = digits < end && *digits == '-';
    if (digits < end && (*digits == '-' || *digits == '+'))
        digits++;
    uint64_t value = 0;
    const char *behind = take_digits(digits, end, &value);
    if (behind == digits || behind - digits > 3)
        return false;
    *exponent += negative ? -(int)value : (int)value;
    *at = behind;
    return true;
}

const char *scan_number(const char *at, const char *end, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *start = at;
    bool negative = at < end && *at == '-';
    at += negative;
    uint64_t mantissa = 0;
    const char *digits = at;
    at = take_digits(at, end, &mantissa);
    ptrdiff_t digit_count = at - digits;
    int exponent = 0;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = take_digits(at, end, &mantissa);
        exponent = -(int)MIN(at - fraction, 1000);
        digit_count += at - fraction;
    }
    if (digit_count == 0)
        return scan_special(start, end, out);
    if (at < end && (*at == 'e' || *at == 'E') && !take_exponent(&at, end, &exponent))
        return NULL;
    if (at == end || !ends_token(*at))
        return NULL;
    /* a mantissa and a power that are exact give the nearest double in one operation */
    if (LIKELY(digit_count <= 19 && mantissa <= (UINT64_C(1) << 53) && exponent >= -22 &&
               exponent <= 22)) {
        double value = (double)mantissa;
        value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
        *out = negative ? -value : value;
        return at;
    }
    return float_text_parse_decimal(slice_from(start, (size_t)(at - start)), out) ? at : NULL;
}

const char *scan_integer(const char *at, const char *end, int64_t *out)
{
    uint64_t value = 0;
    const char *behind = take_digits(at, end, &value);
    if (behind == at || behind - at > 18)
        return NULL;
    *out = (int64_t)value;
    return behind;
}
