/*
 * Sizes in powers of two: numbers with units one after the other, as 1GiB512MiB or 1.5KB. KB and KiB
 * are both 1024; a form may not mix the two spellings.
 */
#include <inttypes.h>
#include <math.h>

#include "config/binding.h"

static const char prefixes[] = {'K', 'M', 'G', 'T', 'P', 'E'};

/* The factor of a unit: B, or a prefix with `suffix`. 0 when there is none. */
static double unit_factor(struct slice unit, struct slice suffix)
{
    if (slice_eq_str(unit, "B"))
        return 1;
    if (unit.len != 1 + suffix.len || !slice_has_suffix(unit, suffix))
        return 0;
    double factor = 1;
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        factor *= 1024;
        if (unit.ptr[0] == prefixes[i])
            return factor;
    }
    return 0;
}

/* Digits at the front; false when they are too many for 63 bits. */
static bool take_digits(struct slice *text, double *out, size_t *out_count)
{
    uint64_t value = 0;
    size_t count = 0;
    while (count < text->len && text->ptr[count] >= '0' && text->ptr[count] <= '9') {
        if (value >= ((uint64_t)INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(text->ptr[count++] - '0');
    }
    *text = slice_from_index(*text, count);
    *out = (double)value;
    *out_count = count;
    return true;
}

static enum err fail_invalid(struct errbuf *err, struct slice original)
{
    return errbuf_set(err, ERR_INVALID, "units: invalid %.*s", SLICE_ARG(original));
}

/* One number with its unit. */
static enum err take_element(struct slice *text, struct slice suffix, struct slice original,
                             double *sum, struct errbuf *err)
{
    double whole;
    double fraction = 0;
    size_t whole_count;
    size_t fraction_count = 0;
    if (!take_digits(text, &whole, &whole_count))
        return fail_invalid(err, original);
    if (text->len > 0 && text->ptr[0] == '.') {
        *text = slice_from_index(*text, 1);
        if (!take_digits(text, &fraction, &fraction_count))
            return fail_invalid(err, original);
    }
    if (whole_count + fraction_count == 0)
        return fail_invalid(err, original);
    size_t unit_len = 0;
    while (unit_len < text->len && text->ptr[unit_len] != '.' &&
           !(text->ptr[unit_len] >= '0' && text->ptr[unit_len] <= '9'))
        unit_len++;
    struct slice unit = slice_sub(*text, 0, unit_len);
    double factor = unit_factor(unit, suffix);
    if (factor == 0)
        return errbuf_set(err, ERR_INVALID, "units: unknown unit %.*s in %.*s", SLICE_ARG(unit),
                          SLICE_ARG(original));
    *text = slice_from_index(*text, unit_len);
    *sum += (whole + fraction / pow(10, (double)fraction_count)) * factor;
    return ERR_NONE;
}

static enum err parse_with_suffix(struct slice original, struct slice suffix, int64_t *out,
                                  struct errbuf *err)
{
    struct slice text = original;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (negative || (text.len > 0 && text.ptr[0] == '+'))
        text = slice_from_index(text, 1);
    if (slice_eq_str(text, "0")) {
        *out = 0;
        return ERR_NONE;
    }
    if (text.len == 0)
        return fail_invalid(err, original);
    double sum = 0;
    while (text.len > 0) {
        enum err error = take_element(&text, suffix, original, &sum, err);
        if (error != ERR_NONE)
            return error;
    }
    if (sum >= 0x1p63)
        return errbuf_set(err, ERR_INVALID, "units: overflow parsing unit");
    *out = negative ? -(int64_t)sum : (int64_t)sum;
    return ERR_NONE;
}

enum err binding_parse_size(struct slice text, int64_t *out_bytes, struct errbuf *err)
{
    if (parse_with_suffix(text, SLICE("iB"), out_bytes, NULL) == ERR_NONE)
        return ERR_NONE;
    return parse_with_suffix(text, SLICE("B"), out_bytes, err);
}

void binding_print_size(uint64_t bytes, struct buf *out)
{
    if (bytes == 0) {
        buf_append_str(out, "0B");
        return;
    }
    for (size_t i = ARRAY_SIZE(prefixes) + 1; i-- > 0;) {
        uint64_t part = (bytes >> (10 * i)) & 1023;
        if (part == 0)
            continue;
        buf_append_uint(out, part);
        if (i > 0)
            buf_printf(out, "%ciB", prefixes[i - 1]);
        else
            buf_append_byte(out, 'B');
    }
}
