/*
 * The values of flags: from text, and to the text that status/flags shows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/float_text.h"
#include "config/binding.h"
#include "model/duration.h"
#include "server/options_internal.h"

/* Units of Go's durations and of the library that extends them, in nanoseconds. */
static const struct {
    const char *name;
    double ns;
} go_units[] = {
    {"ns", 1},        {"us", 1e3},          {"\xc2\xb5s", 1e3},      {"ms", 1e6},
    {"s", 1e9},       {"m", 60e9},          {"h", 3600e9},           {"d", 24 * 3600e9},
    {"w", 7 * 24 * 3600e9},
};

/* 1h30m, 1.5s, -2ms, 0 */
static bool parse_go_duration(const char *text, int64_t *out_ns)
{
    double sum = 0;
    const char *at = text;
    bool negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    if (strcmp(at, "0") == 0) {
        *out_ns = 0;
        return true;
    }
    if (*at == '\0')
        return false;
    while (*at != '\0') {
        char *end;
        if (*at != '.' && (*at < '0' || *at > '9'))
            return false;
        double number = strtod(at, &end);
        size_t digits = strspn(at, "0123456789.");
        if (end != at + digits)
            return false;
        at = end;
        size_t unit_len = strcspn(at, "0123456789.");
        size_t i = 0;
        while (i < ARRAY_SIZE(go_units) && (strlen(go_units[i].name) != unit_len ||
                                            strncmp(go_units[i].name, at, unit_len) != 0))
            i++;
        if (i == ARRAY_SIZE(go_units))
            return false;
        sum += number * go_units[i].ns;
        at += unit_len;
    }
    if (sum >= 0x1p63)
        return false;
    *out_ns = negative ? -(int64_t)sum : (int64_t)sum;
    return true;
}

/* The index of a word in a|b|c, SIZE_MAX if it is not there. */
static size_t choice_index(const char *choices, const char *text, bool any_case)
{
    struct slice wanted = slice_str(text);
    size_t index = 0;
    for (struct slice rest = slice_str(choices);; index++) {
        size_t bar = slice_index(rest, '|');
        struct slice word = slice_sub(rest, 0, bar == SLICE_NONE ? rest.len : bar);
        if (word.len == wanted.len &&
            (any_case ? strncasecmp(word.ptr, wanted.ptr, word.len) == 0 : slice_eq(word, wanted)))
            return index;
        if (bar == SLICE_NONE)
            return SIZE_MAX;
        rest = slice_from_index(rest, bar + 1);
    }
}

static enum err fail(const struct flag *flag, struct errbuf *err, const char *text,
                     const char *expected)
{
    return errbuf_set(err, ERR_INVALID, "%s (--%s: write %s)", text, flag->name, expected);
}

static enum err read_choice(const struct flag *flag, const char *text, int *out,
                            struct errbuf *err)
{
    bool level = strcmp(flag->name, "log.level") == 0;
    size_t index = choice_index(flag->choices, text, level);
    if (index == SIZE_MAX && level)
        return errbuf_set(err, ERR_INVALID, "unrecognized log level %s (--%s: one of %s)", text,
                          flag->name, flag->choices);
    if (index == SIZE_MAX && strcmp(flag->name, "log.format") == 0)
        return errbuf_set(err, ERR_INVALID, "unrecognized log format %s (--%s: one of %s)", text,
                          flag->name, flag->choices);
    if (index == SIZE_MAX)
        return errbuf_set(err, ERR_INVALID, "enum value must be one of %s, got '%s' (--%s)",
                          flag->choices, text, flag->name);
    if (out != NULL)
        *out = (int)index;
    return ERR_NONE;
}

static enum err read_number(const struct flag *flag, const char *text, uint64_t *out,
                            struct errbuf *err)
{
    double value;
    if (!float_text_parse(slice_str(text), &value, NULL) || isnan(value) ||
        fabs(value) >= 0x1p63) {
        errbuf_set(err, ERR_INVALID,
                   "strconv.ParseFloat: parsing \"%s\": invalid syntax (--%s: write a number)",
                   text, flag->name);
        return ERR_INVALID;
    }
    bool may_be_negative = out == NULL;
    if (value < 0 && !may_be_negative)
        return errbuf_set(err, ERR_INVALID, "--%s must not be negative, got %s", flag->name, text);
    if (out != NULL)
        *out = (uint64_t)value;
    return ERR_NONE;
}

static enum err read_message(const char *text, struct errbuf *err)
{
    if (strcmp(text, "prometheus.WriteRequest") == 0 ||
        strcmp(text, "io.prometheus.write.v2.Request") == 0)
        return ERR_NONE;
    return errbuf_set(err, ERR_INVALID,
                      "unknown type for remote write protobuf message %s, supported: "
                      "prometheus.WriteRequest, io.prometheus.write.v2.Request",
                      text);
}

static enum err read_unit(const struct flag *flag, const char *text, int64_t *out,
                          struct errbuf *err)
{
    struct errbuf inner = ERRBUF_INIT;
    int64_t value = 0;
    if (flag->kind == FLAG_DURATION) {
        if (duration_parse(slice_str(text), &value, &inner) != ERR_NONE)
            return fail(flag, err, inner.text, "a duration such as 30s, 5m or 15d");
    } else if (flag->kind == FLAG_SIZE) {
        if (binding_parse_size(slice_str(text), &value, &inner) != ERR_NONE)
            return fail(flag, err, inner.text, "a size with its unit, such as 512MB");
        if (value < 0)
            return fail(flag, err, "a size must not be negative", "a size such as 512MB");
    } else {
        if (!parse_go_duration(text, &value))
            return errbuf_set(err, ERR_INVALID, "time: invalid duration \"%s\" (--%s: write 2ms)",
                              text, flag->name);
        value /= 1000000;
    }
    if (out != NULL)
        *out = value;
    return ERR_NONE;
}

enum err options_read_value(const struct flag *flag, const char *text, struct options *options,
                            struct errbuf *err)
{
    void *field = flag->offset == FLAG_NO_FIELD ? NULL : (char *)options + flag->offset;
    switch (flag->kind) {
    case FLAG_BOOL:
        if (field != NULL)
            *(bool *)field = strcmp(text, "true") == 0;
        return ERR_NONE;
    case FLAG_TEXT:
        if (field != NULL)
            *(const char **)field = text;
        return ERR_NONE;
    case FLAG_TEXT_LIST:
        return ERR_NONE;
    case FLAG_INT:
    case FLAG_FLOAT:
        return read_number(flag, text, field, err);
    case FLAG_DURATION:
    case FLAG_GO_DURATION:
    case FLAG_SIZE:
        return read_unit(flag, text, field, err);
    case FLAG_CHOICE:
        return read_choice(flag, text, field, err);
    case FLAG_MESSAGES:
        return read_message(text, err);
    }
    return ERR_NONE;
}

/* A number as Go's %v shows it, integers without their fraction. */
static void show_number(const struct flag *flag, const char *text, struct buf *out)
{
    char digits[FLOAT_TEXT_SIZE];
    double value = 0;
    (void)float_text_parse(slice_str(text), &value, NULL);
    if (flag->kind == FLAG_INT)
        buf_append_int(out, (int64_t)value);
    else
        buf_append(out, digits, float_text_g(value, digits));
}

static void show_unit(const struct flag *flag, const char *text, struct buf *out)
{
    int64_t value = 0;
    if (flag->kind == FLAG_GO_DURATION) {
        (void)parse_go_duration(text, &value);
        duration_print_go(value, out);
    } else if (flag->kind == FLAG_DURATION) {
        if (duration_parse(slice_str(text), &value, NULL) == ERR_NONE)
            duration_print(value, out);
    } else if (binding_parse_size(slice_str(text), &value, NULL) == ERR_NONE) {
        binding_print_size((uint64_t)value, out);
    }
}

const char *options_show_value(const struct flag_given *given, struct arena *arena)
{
    const struct flag *flag = given->flag;
    if (given->value_count == 0) {
        /* the zero of the kind */
        return flag->kind == FLAG_BOOL       ? "false"
               : flag->kind == FLAG_SIZE     ? "0B"
               : flag->kind == FLAG_DURATION ? "0s"
                                             : "";
    }
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < given->value_count; i++) {
        if (i > 0)
            buf_append_byte(&text, ',');
        if (flag->kind == FLAG_INT || flag->kind == FLAG_FLOAT)
            show_number(flag, given->values[i], &text);
        else if (flag->kind == FLAG_DURATION || flag->kind == FLAG_GO_DURATION ||
                 flag->kind == FLAG_SIZE)
            show_unit(flag, given->values[i], &text);
        else
            buf_append_str(&text, given->values[i]);
    }
    const char *copy = arena_strdup(arena, buf_cstr(&text));
    buf_release(&text);
    return copy;
}
