#include "tests/support/series_notation.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/float_text.h"
#include "model/histogram_arithmetic.h"
#include "model/labels_builder.h"
#include "model/sample.h"
#include "promql/promql.h"
#include "tests/support/histogram_notation.h"

#define REPEAT_MAX 1000000

/* How long the metric is: up to the blank that is in no braces and no quotes. */
static size_t metric_length(struct slice text)
{
    char quote = 0;
    bool braces = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quote != 0) {
            if (c == '\\' && quote != '`')
                i++;
            else if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (c == '{') {
            braces = true;
        } else if (c == '}') {
            return i + 1;
        } else if ((c == ' ' || c == '\t') && !braces) {
            /* a blank between name and braces belongs to the metric */
            struct slice rest = slice_trim(slice_from_index(text, i));
            if (rest.len == 0 || rest.ptr[0] != '{' || slice_has_prefix(rest, SLICE("{{")))
                return i;
        }
    }
    return text.len;
}

static bool metric_parse(struct slice text, struct labels **out)
{
    struct promql_matchers matchers;
    if (promql_parse_selector(text, &matchers, NULL) != ERR_NONE)
        return false;
    struct labels_builder CLEANUP(labels_builder_release) builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < matchers.count; i++)
        labels_builder_set(&builder, matchers.items[i]->name, matchers.items[i]->value);
    *out = labels_builder_build(&builder);
    promql_matchers_free(&matchers);
    return true;
}

bool series_number_parse(struct slice text, double *out)
{
    return text.len > 0 && (float_text_parse(text, out, NULL));
}

static bool repeat_parse(struct slice text, size_t *out)
{
    size_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || value > REPEAT_MAX)
            return false;
        value = value * 10 + (size_t)(text.ptr[i] - '0');
    }
    *out = value;
    return text.len > 0;
}

/* The operator between start and step: a sign that is neither in front nor part of an exponent. */
static size_t step_sign(struct slice text)
{
    for (size_t i = 1; i < text.len; i++) {
        bool exponent = text.ptr[i - 1] == 'e' || text.ptr[i - 1] == 'E';
        if ((text.ptr[i] == '+' || text.ptr[i] == '-') && !exponent)
            return i;
    }
    return SLICE_NONE;
}

static bool value_parse(struct slice token, struct series_line *line)
{
    size_t times = 0;
    struct slice body = token;
    size_t x = SLICE_NONE;
    for (size_t i = token.len; i > 1 && x == SLICE_NONE; i--) {
        if (token.ptr[i - 1] == 'x')
            x = i - 1;
    }
    bool repeats = x != SLICE_NONE && repeat_parse(slice_from_index(token, x + 1), &times);
    if (repeats)
        body = slice_sub(token, 0, x);
    if (slice_eq_str(body, "_")) {
        for (size_t i = 0; i < (repeats ? times : 1); i++)
            vec_push(&line->values, (struct series_value){.is_omitted = true});
        return true;
    }
    double value = sample_stale(), step = 0;
    bool stale = slice_eq_str(body, "stale");
    size_t sign = stale ? SLICE_NONE : step_sign(body);
    if (sign != SLICE_NONE) {
        if (!series_number_parse(slice_from_index(body, sign), &step))
            return false;
        body = slice_sub(body, 0, sign);
    }
    if (!stale && !series_number_parse(body, &value))
        return false;
    for (size_t i = 0; i <= times; i++) {
        vec_push(&line->values, (struct series_value){.value = value});
        value = stale ? value : value + step;
    }
    return true;
}

/* {{...}}, {{...}}x3, {{...}}+{{...}}x3: how many histograms, and where the text goes on. */
static bool histogram_parse(struct slice *rest, struct series_line *line)
{
    struct notated_histogram base, step = {0};
    size_t times = 0, until = 0;
    char sign = 0;
    if (!histogram_notation_take(rest, &line->arena, &base))
        return false;
    if (rest->len > 0 && (rest->ptr[0] == '+' || rest->ptr[0] == '-')) {
        sign = rest->ptr[0];
        *rest = slice_from_index(*rest, 1);
        if (!histogram_notation_take(rest, &line->arena, &step))
            return false;
    }
    while (until < rest->len && rest->ptr[until] != ' ' && rest->ptr[until] != '\t')
        until++;
    if (until > 0 && (rest->ptr[0] != 'x' || !repeat_parse(slice_sub(*rest, 1, until - 1), &times)))
        return false;
    struct histogram *value = base.histogram;
    bool has_hint = sign == 0 ? base.has_hint : step.has_hint;
    for (size_t i = 0; i <= times; i++) {
        vec_push(&line->values, (struct series_value){.histogram = value, .has_hint = has_hint});
        enum err code = ERR_NONE;
        if (sign == '+')
            code = histogram_add(&line->arena, value, step.histogram, &value, NULL);
        else if (sign == '-')
            code = histogram_subtract(&line->arena, value, step.histogram, &value, NULL);
        if (code != ERR_NONE)
            return false;
    }
    *rest = slice_from_index(*rest, until);
    return true;
}

bool series_line_parse(struct slice text, struct series_line *out)
{
    *out = (struct series_line){0};
    arena_init(&out->arena, SIZE_MAX);
    size_t len = metric_length(text);
    if (!metric_parse(slice_sub(text, 0, len), &out->labels))
        return false;
    struct slice rest = slice_trim(slice_from_index(text, len));
    while (rest.len > 0) {
        bool good;
        if (slice_has_prefix(rest, SLICE("{{"))) {
            good = histogram_parse(&rest, out);
        } else {
            size_t end = 0;
            while (end < rest.len && rest.ptr[end] != ' ' && rest.ptr[end] != '\t')
                end++;
            good = value_parse(slice_sub(rest, 0, end), out);
            rest = slice_from_index(rest, end);
        }
        if (!good) {
            series_line_release(out);
            return false;
        }
        rest = slice_trim(rest);
    }
    return true;
}

void series_line_release(struct series_line *line)
{
    labels_unref(line->labels);
    line->labels = NULL;
    vec_release(&line->values);
    arena_release(&line->arena);
}
