/*
 * What a plain scalar means. The rules are those of the reference's YAML libraries, not of a YAML
 * version: integers in Go's notation with underscores (0x1f, 010, 0o10, 0b11, 1_000), floats without
 * hexadecimal forms, dates, and in dialect 2 all of yes/no/on/off/y/n.
 */
#include <math.h>
#include <string.h>

#include "base/float_text.h"
#include "config/yaml_tree.h"

/* Longer ones are no numbers. */
#define NUMBER_LENGTH_MAX 400

static bool is_one_of(struct slice text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (slice_eq_str(text, *words))
            return true;
    }
    return false;
}

static const char *const null_words[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const true_words[] = {"true", "True", "TRUE", NULL};
static const char *const false_words[] = {"false", "False", "FALSE", NULL};
static const char *const yes_words[] = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL};
static const char *const no_words[] = {"n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL};
static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
static const char *const plus_words[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL};
static const char *const minus_words[] = {"-.inf", "-.Inf", "-.INF", NULL};

static bool resolve_word(struct slice text, enum yaml_tree_dialect dialect,
                         struct yaml_tree_value *out)
{
    bool old = dialect == YAML_DIALECT_2;
    if (is_one_of(text, null_words)) {
        out->type = YAML_TYPE_NULL;
    } else if (is_one_of(text, true_words) || (old && is_one_of(text, yes_words))) {
        out->type = YAML_TYPE_BOOL;
        out->boolean = true;
    } else if (is_one_of(text, false_words) || (old && is_one_of(text, no_words))) {
        out->type = YAML_TYPE_BOOL;
    } else if (is_one_of(text, nan_words)) {
        out->type = YAML_TYPE_FLOAT;
        out->number = NAN;
    } else if (is_one_of(text, plus_words)) {
        out->type = YAML_TYPE_FLOAT;
        out->number = INFINITY;
    } else if (is_one_of(text, minus_words)) {
        out->type = YAML_TYPE_FLOAT;
        out->number = -INFINITY;
    } else {
        return false;
    }
    return true;
}

static unsigned digit_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return (unsigned)(byte - '0');
    if (byte >= 'a' && byte <= 'f')
        return (unsigned)(byte - 'a') + 10;
    if (byte >= 'A' && byte <= 'F')
        return (unsigned)(byte - 'A') + 10;
    return 99;
}

/* The base that a number's prefix announces, which is then cut off: 0x, 0o, 0b or a leading 0. */
static unsigned take_base(struct slice *digits)
{
    if (digits->len < 2 || digits->ptr[0] != '0')
        return 10;
    char mark = (char)(digits->ptr[1] | 0x20);
    unsigned base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    *digits = slice_from_index(*digits, base == 0 ? 1 : 2);
    return base == 0 ? 8 : base;
}

static bool resolve_int(struct slice plain, struct yaml_tree_value *out)
{
    struct slice digits = plain;
    bool negative = digits.len > 0 && digits.ptr[0] == '-';
    if (negative || (digits.len > 0 && digits.ptr[0] == '+'))
        digits = slice_from_index(digits, 1);
    unsigned base = take_base(&digits);
    if (digits.len == 0)
        return false;
    uint64_t magnitude = 0;
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = digit_value(digits.ptr[i]);
        if (digit >= base || __builtin_mul_overflow(magnitude, (uint64_t)base, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)digit, &magnitude))
            return false;
    }
    /* beyond 2^63 there are only unsigned numbers, and these take no sign */
    bool signed_range = magnitude <= (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (!signed_range && (negative || plain.ptr[0] == '+'))
        return false;
    out->type = YAML_TYPE_INT;
    out->negative = negative && magnitude != 0;
    out->magnitude = magnitude;
    out->number = out->negative ? -(double)magnitude : (double)magnitude;
    return true;
}

static size_t skip_digits(struct slice text, size_t at)
{
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
        at++;
    return at;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_like_float(struct slice text)
{
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    size_t whole = skip_digits(text, at) - at;
    at += whole;
    if (at < text.len && text.ptr[at] == '.') {
        size_t fraction = skip_digits(text, at + 1) - (at + 1);
        if (whole == 0 && fraction == 0)
            return false;
        at += 1 + fraction;
    } else if (whole == 0) {
        return false;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+'))
            at++;
        size_t end = skip_digits(text, at);
        if (end == at)
            return false;
        at = end;
    }
    return at == text.len;
}

/* At most `width` digits, and `separator` behind them unless it is 0. */
static bool skip_part(struct slice text, size_t *at, size_t width, const char *separators)
{
    size_t end = skip_digits(text, *at);
    if (end == *at || end - *at > width)
        return false;
    *at = end;
    if (separators[0] == '\0')
        return true;
    if (end == text.len || strchr(separators, text.ptr[end]) == NULL || text.ptr[end] == '\0')
        return false;
    *at = end + 1;
    return true;
}

/* What follows the seconds: a fraction, then a zone unless date and time are set apart by a space. */
static bool looks_like_time_end(struct slice text, size_t at, bool zone)
{
    if (at < text.len && text.ptr[at] == '.') {
        size_t end = skip_digits(text, at + 1);
        if (end == at + 1)
            return false;
        at = end;
    }
    if (!zone)
        return at == text.len;
    if (at + 1 == text.len && text.ptr[at] == 'Z')
        return true;
    if (at >= text.len || (text.ptr[at] != '+' && text.ptr[at] != '-'))
        return false;
    at++;
    return skip_part(text, &at, 2, ":") && skip_part(text, &at, 2, "") && at == text.len;
}

/* 2006-1-2 and the same with a time behind it. */
static bool looks_like_timestamp(struct slice text)
{
    size_t at = 0;
    if (skip_digits(text, 0) != 4 || !skip_part(text, &at, 4, "-") || !skip_part(text, &at, 2, "-"))
        return false;
    size_t day = at;
    if (skip_part(text, &at, 2, "") && at == text.len)
        return true;
    at = day;
    return skip_part(text, &at, 2, "Tt ") && skip_part(text, &at, 2, ":") &&
           skip_part(text, &at, 2, ":") && skip_part(text, &at, 2, "") &&
           looks_like_time_end(text, at, slice_index(text, ' ') == SLICE_NONE);
}

static bool resolve_number(struct slice text, struct yaml_tree_value *out)
{
    char first = text.ptr[0];
    bool digit_or_sign = (first >= '0' && first <= '9') || first == '-' || first == '+';
    if ((!digit_or_sign && first != '.') || text.len > NUMBER_LENGTH_MAX)
        return false;
    if (digit_or_sign && looks_like_timestamp(text)) {
        out->type = YAML_TYPE_TIMESTAMP;
        return true;
    }
    char plain[NUMBER_LENGTH_MAX];
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_')
            plain[len++] = text.ptr[i];
    }
    struct slice number = slice_from(plain, len);
    if (digit_or_sign && len > 0 && resolve_int(number, out))
        return true;
    bool out_of_range;
    if (!looks_like_float(number) || !float_text_parse(number, &out->number, &out_of_range) ||
        out_of_range)
        return false;
    out->type = YAML_TYPE_FLOAT;
    return true;
}

struct yaml_tree_value yaml_tree_resolve(const struct yaml_tree_node *node,
                                         enum yaml_tree_dialect dialect)
{
    struct yaml_tree_value value = {.type = YAML_TYPE_STRING};
    switch (node->kind) {
    case YAML_TREE_NULL:
        value.type = YAML_TYPE_NULL;
        break;
    case YAML_TREE_SEQUENCE:
        value.type = YAML_TYPE_SEQUENCE;
        break;
    case YAML_TREE_MAPPING:
        value.type = YAML_TYPE_MAPPING;
        break;
    case YAML_TREE_SCALAR:
        if (!node->quoted && !resolve_word(node->text, dialect, &value))
            (void)resolve_number(node->text, &value);
        break;
    }
    return value;
}

static size_t skip_digits_and_underscores(struct slice text, size_t at)
{
    while (at < text.len && (text.ptr[at] == '_' || (text.ptr[at] >= '0' && text.ptr[at] <= '9')))
        at++;
    return at;
}

/* 1:30 or 190:20:30.15: a number to base 60 for other readers of YAML. */
static bool looks_like_base_60(struct slice text)
{
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    if (slice_index(text, ':') == SLICE_NONE || skip_digits(text, at) == at)
        return false;
    at = skip_digits_and_underscores(text, at);
    while (at < text.len && text.ptr[at] == ':') {
        size_t end = skip_digits(text, at + 1);
        size_t count = end - at - 1;
        if (count == 0 || count > 2 || (count == 2 && text.ptr[at + 1] > '5'))
            return false;
        at = end;
    }
    if (at < text.len && text.ptr[at] == '.')
        at = skip_digits_and_underscores(text, at + 1);
    return at == text.len;
}

bool yaml_tree_needs_quotes(struct slice text)
{
    struct yaml_tree_node plain = {.kind = YAML_TREE_SCALAR, .text = text};
    return yaml_tree_resolve(&plain, YAML_DIALECT_2).type != YAML_TYPE_STRING ||
           looks_like_base_60(text);
}

const char *yaml_tree_type_tag(enum yaml_tree_type type)
{
    switch (type) {
    case YAML_TYPE_NULL:
        return "!!null";
    case YAML_TYPE_BOOL:
        return "!!bool";
    case YAML_TYPE_INT:
        return "!!int";
    case YAML_TYPE_FLOAT:
        return "!!float";
    case YAML_TYPE_TIMESTAMP:
        return "!!timestamp";
    case YAML_TYPE_STRING:
        return "!!str";
    case YAML_TYPE_SEQUENCE:
        return "!!seq";
    case YAML_TYPE_MAPPING:
        return "!!map";
    }
    return "!!str";
}
