/*
 * What the parts of fmt share: template_format.c reads format strings, template_format_verb.c
 * writes one value under one verb, template_format_number.c lays out numbers.
 */
#pragma once

#include "base/buf.h"
#include "rules/template_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct format_flags {
    bool plus;
    bool minus;
    bool sharp;
    bool space;
    bool zero;
    bool plus_v;  /* %+v */
    bool sharp_v; /* %#v */
    bool has_width;
    bool has_precision;
    size_t width;
    size_t precision;
};

/* Under the verb, or the mark of a verb that does not fit. */
void format_argument(const struct template_value *value, uint32_t verb,
                     const struct format_flags *flags, struct buf *out);
/* {map[...] 1}, without the mark of a pointer. */
void format_sample(const struct template_sample *sample, uint32_t verb,
                   const struct format_flags *flags, struct buf *out);
/* In double quotes; with the flag + in ASCII only. */
void format_quote(struct slice text, const struct format_flags *flags, struct buf *out);
/* Padded to the width. */
void format_pad(struct slice text, const struct format_flags *flags, struct buf *out);
/* false when the verb does not fit; nothing is written then. */
bool format_integer(uint64_t magnitude, bool negative, uint32_t verb,
                    const struct format_flags *flags, struct buf *out);
bool format_float(double value, uint32_t verb, const struct format_flags *flags, struct buf *out);
