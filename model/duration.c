#include "model/duration.h"

#include <stdbool.h>
#include <string.h>

#include "model/quote.h"

#define NS_PER_MS UINT64_C(1000000)
#define SHOWN_BYTES_MAX 64

struct duration_unit {
    const char *name;
    uint64_t ms;
    bool only_exact; /* printed only where nothing is left over */
};

/* Long to short, the order that a duration must have. */
static const struct duration_unit units[] = {
    {"y", UINT64_C(365) * 24 * 3600 * 1000, true},
    {"w", UINT64_C(7) * 24 * 3600 * 1000, true},
    {"d", UINT64_C(24) * 3600 * 1000, false},
    {"h", UINT64_C(3600) * 1000, false},
    {"m", UINT64_C(60) * 1000, false},
    {"s", UINT64_C(1000), false},
    {"ms", UINT64_C(1), false},
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Quoted; of a long text the beginning. */
static void quote_shown(struct slice text, struct buf *out)
{
    quote_go(slice_sub(text, 0, MIN(text.len, (size_t)SHOWN_BYTES_MAX)), out);
    if (text.len > SHOWN_BYTES_MAX)
        buf_append_str(out, "...");
}

static enum err duration_refuse(struct slice text, struct errbuf *err)
{
    struct buf quoted;
    buf_init(&quoted, ERRBUF_TEXT_SIZE);
    quote_shown(text, &quoted);
    errbuf_set(err, ERR_INVALID, "not a valid duration string: %s", buf_cstr(&quoted));
    buf_release(&quoted);
    return ERR_INVALID;
}

static enum err duration_refuse_unit(struct slice unit, struct slice text, struct errbuf *err)
{
    struct buf quoted;
    buf_init(&quoted, ERRBUF_TEXT_SIZE);
    buf_append_str(&quoted, "unknown unit ");
    quote_go(unit, &quoted);
    buf_append_str(&quoted, " in duration ");
    quote_shown(text, &quoted);
    errbuf_set(err, ERR_INVALID, "%s", buf_cstr(&quoted));
    buf_release(&quoted);
    return ERR_INVALID;
}

/* Digits up to 2^64 - 1; false when there are none or too many. */
static bool read_number(struct slice *left, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    for (; i < left->len && is_digit(left->ptr[i]); i++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(left->ptr[i] - '0'), &value))
            return false;
    }
    *left = slice_from_index(*left, i);
    *out = value;
    return i > 0;
}

/* What stands before the next digit. */
static struct slice read_unit(struct slice *left)
{
    size_t len = 0;
    while (len < left->len && !is_digit(left->ptr[len]))
        len++;
    struct slice unit = slice_sub(*left, 0, len);
    *left = slice_from_index(*left, len);
    return unit;
}

static size_t unit_index(struct slice name)
{
    size_t index = 0;
    while (index < ARRAY_SIZE(units) && !slice_eq_str(name, units[index].name))
        index++;
    return index;
}

enum err duration_parse(struct slice text, int64_t *out_ms, struct errbuf *err)
{
    if (text.len == 0)
        return errbuf_set(err, ERR_INVALID, "empty duration string");
    if (slice_eq_str(text, "0")) {
        *out_ms = 0;
        return ERR_NONE;
    }
    /* The range is that of nanoseconds in 63 bits, since the reference keeps these. */
    uint64_t sum_ns = 0;
    size_t first_allowed = 0;
    struct slice left = text;
    while (left.len > 0) {
        uint64_t number;
        if (!read_number(&left, &number))
            return duration_refuse(text, err);
        struct slice name = read_unit(&left);
        if (name.len == 0)
            return duration_refuse(text, err);
        size_t index = unit_index(name);
        if (index == ARRAY_SIZE(units))
            return duration_refuse_unit(name, text, err);
        if (index < first_allowed)
            return duration_refuse(text, err);
        first_allowed = index + 1;
        uint64_t unit_ns = units[index].ms * NS_PER_MS;
        if (number > (UINT64_C(1) << 63) / unit_ns)
            return errbuf_set(err, ERR_INVALID, "duration out of range");
        sum_ns += number * unit_ns;
        if (sum_ns > INT64_MAX)
            return errbuf_set(err, ERR_INVALID, "duration out of range");
    }
    *out_ms = (int64_t)(sum_ns / NS_PER_MS);
    return ERR_NONE;
}

void duration_print(int64_t duration_ms, struct buf *out)
{
    if (duration_ms == 0) {
        buf_append_str(out, "0s");
        return;
    }
    uint64_t left = (uint64_t)duration_ms;
    if (duration_ms < 0) {
        buf_append_byte(out, '-');
        left = 0 - left;
    }
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        uint64_t count = left / units[i].ms;
        if (count == 0 || (units[i].only_exact && left % units[i].ms != 0))
            continue;
        buf_append_uint(out, count);
        buf_append_str(out, units[i].name);
        left -= count * units[i].ms;
    }
}

/* value / 10^digits without trailing zeros. */
static void print_fraction(uint64_t value, unsigned digits, struct buf *out)
{
    uint64_t power = 1;
    for (unsigned i = 0; i < digits; i++)
        power *= 10;
    buf_append_uint(out, value / power);
    uint64_t fraction = value % power;
    if (fraction == 0)
        return;
    buf_append_byte(out, '.');
    while (fraction > 0) {
        power /= 10;
        buf_append_byte(out, (char)('0' + fraction / power));
        fraction %= power;
    }
}

void duration_print_go(int64_t duration_ns, struct buf *out)
{
    uint64_t left = (uint64_t)duration_ns;
    if (duration_ns < 0) {
        buf_append_byte(out, '-');
        left = 0 - left;
    }
    if (left == 0) {
        buf_append_str(out, "0s");
    } else if (left < 1000) {
        buf_append_uint(out, left);
        buf_append_str(out, "ns");
    } else if (left < 1000000) {
        print_fraction(left, 3, out);
        buf_append_str(out, "\xc2\xb5s");
    } else if (left < 1000000000) {
        print_fraction(left, 6, out);
        buf_append_str(out, "ms");
    } else {
        uint64_t minutes = left / UINT64_C(60000000000);
        if (minutes >= 60) {
            buf_append_uint(out, minutes / 60);
            buf_append_byte(out, 'h');
        }
        if (minutes > 0) {
            buf_append_uint(out, minutes % 60);
            buf_append_byte(out, 'm');
        }
        print_fraction(left % UINT64_C(60000000000), 9, out);
        buf_append_byte(out, 's');
    }
}
