/* Numbers, durations and strings of queries. */
#include "promql/literal.h"

#include <ctype.h>
#include <math.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/float_text.h"
#include "base/utf8.h"
#include "model/duration.h"
#include "model/quote.h"

/* Every underscore stands between digits or behind the prefix 0x. */
static bool underscores_valid(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_')
            continue;
        if (i == 0 || i + 1 == text.len || !isalnum((unsigned char)text.ptr[i - 1]) ||
            !isxdigit((unsigned char)text.ptr[i + 1]))
            return false;
    }
    return true;
}

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return 16;
}

/* false where it is no integer or does not fit into 64 bits. */
static bool parse_integer(struct slice text, int64_t *out)
{
    int base = 10;
    size_t i = 0;
    if (text.len > 1 && text.ptr[0] == '0') {
        bool hex = text.ptr[1] == 'x' || text.ptr[1] == 'X';
        base = hex ? 16 : 8;
        i = hex ? 2 : 1;
    }
    if (i == text.len)
        return false;
    int64_t value = 0;
    for (; i < text.len; i++) {
        if (text.ptr[i] == '_')
            continue;
        int digit = digit_of(text.ptr[i]);
        if (digit >= base || __builtin_mul_overflow(value, (int64_t)base, &value) ||
            __builtin_add_overflow(value, (int64_t)digit, &value))
            return false;
    }
    *out = value;
    return true;
}

static bool parse_float(struct slice text, double *out, bool *out_range)
{
    struct buf plain CLEANUP(buf_release);
    buf_init(&plain, BUF_SIZE_ANY);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_')
            buf_append_byte(&plain, text.ptr[i]);
    }
    return float_text_parse(buf_slice(&plain), out, out_range);
}

enum err literal_number(struct slice text, double *out, struct errbuf *err)
{
    int64_t integer;
    bool out_of_range = false;
    bool valid = underscores_valid(text);
    if (valid && parse_integer(text, &integer)) {
        *out = (double)integer;
        return ERR_NONE;
    }
    if (valid && parse_float(text, out, &out_of_range))
        return ERR_NONE;
    struct buf quoted CLEANUP(buf_release);
    buf_init(&quoted, BUF_SIZE_ANY);
    quote_go(text, &quoted);
    return errbuf_set(err, ERR_INVALID, "error parsing number: strconv.ParseFloat: parsing %s: %s",
                      buf_cstr(&quoted), out_of_range ? "value out of range" : "invalid syntax");
}

enum err literal_duration(struct slice text, double *out_s, struct errbuf *err)
{
    int64_t duration_ms;
    enum err code = duration_parse(text, &duration_ms, err);
    if (code == ERR_NONE)
        *out_s = (double)(duration_ms / 1000) + (double)(duration_ms % 1000 * 1000000) / 1e9;
    return code;
}

bool literal_seconds_in_range(double seconds)
{
    return seconds <= 0x1p63 / 1e9 && seconds >= -0x1p63 / 1e9;
}

int64_t literal_seconds_ms(double seconds)
{
    double duration_ns = round(seconds * 1e9);
    if (!(fabs(duration_ns) < 0x1p63))
        return signbit(duration_ns) ? INT64_MIN / 1000000 : INT64_MAX / 1000000;
    return (int64_t)duration_ns / 1000000;
}

static uint32_t hex_value(const char *at, size_t count)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 4 | (uint32_t)digit_of(at[i]);
    return value;
}

/* One escape, `at` on the byte behind the backslash. Returns how many bytes it takes. */
static size_t unescape(const char *at, struct buf *out)
{
    static const char letters[] = "abfnrtv";
    static const char values[] = "\a\b\f\n\r\t\v";
    const char *letter = strchr(letters, *at);
    if (letter != NULL) {
        buf_append_byte(out, values[letter - letters]);
        return 1;
    }
    if (*at >= '0' && *at <= '7') {
        buf_append_byte(out, (char)((at[0] - '0') << 6 | (at[1] - '0') << 3 | (at[2] - '0')));
        return 3;
    }
    if (*at == 'x') {
        buf_append_byte(out, (char)hex_value(at + 1, 2));
        return 3;
    }
    if (*at == 'u' || *at == 'U') {
        size_t count = *at == 'u' ? 4 : 8;
        char utf8[4];
        buf_append(out, utf8, utf8_encode(hex_value(at + 1, count), utf8));
        return 1 + count;
    }
    buf_append_byte(out, *at); /* a backslash or the quote */
    return 1;
}

struct slice literal_string(struct slice text, struct arena *arena)
{
    ASSERT(text.len >= 2);
    struct slice content = slice_sub(text, 1, text.len - 2);
    if (text.ptr[0] == '`' || slice_index(content, '\\') == SLICE_NONE)
        return content;
    struct buf plain CLEANUP(buf_release);
    buf_init(&plain, BUF_SIZE_ANY);
    for (size_t i = 0; i < content.len;) {
        if (content.ptr[i] == '\\') {
            i += 1 + unescape(content.ptr + i + 1, &plain);
        } else {
            buf_append_byte(&plain, content.ptr[i]);
            i++;
        }
    }
    return arena_slice(arena, buf_slice(&plain));
}
