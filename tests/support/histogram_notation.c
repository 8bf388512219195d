#include "tests/support/histogram_notation.h"

#include <math.h>

#include "base/float_text.h"
#include "base/vec.h"

struct bucket_text {
    double *counts;
    uint32_t count;
    int32_t offset;
};

struct notation {
    struct arena *arena;
    struct notated_histogram *out;
    struct bucket_text positive;
    struct bucket_text negative;
};

static bool parse_number(struct slice text, double *out)
{
    return text.len > 0 && float_text_parse(text, out, NULL);
}

/* [1 2 3] */
static bool parse_list(struct notation *notation, struct slice text, double **out,
                       uint32_t *out_count)
{
    if (text.len < 2 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    struct slice rest = slice_trim(slice_sub(text, 1, text.len - 2));
    *out = arena_alloc_array(notation->arena, text.len, sizeof(**out));
    *out_count = 0;
    while (rest.len > 0) {
        size_t end = slice_index(rest, ' ');
        end = end == SLICE_NONE ? rest.len : end;
        if (!parse_number(slice_sub(rest, 0, end), &(*out)[(*out_count)++]))
            return false;
        rest = slice_trim(slice_from_index(rest, end));
    }
    return true;
}

static bool parse_hint(struct notation *notation, struct slice value)
{
    static const char *const names[] = {
        [HISTOGRAM_RESET_UNKNOWN] = "unknown",
        [HISTOGRAM_RESET_YES] = "reset",
        [HISTOGRAM_RESET_NO] = "not_reset",
        [HISTOGRAM_RESET_GAUGE] = "gauge",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!slice_eq_str(value, names[i]))
            continue;
        notation->out->has_hint = true;
        notation->out->histogram->reset_hint = (enum histogram_reset_hint)i;
        return true;
    }
    return false;
}

static bool parse_integer(struct slice value, int32_t *out)
{
    double number;
    if (!parse_number(value, &number) || number != (double)(int32_t)number)
        return false;
    *out = (int32_t)number;
    return true;
}

static bool parse_item(struct notation *notation, struct slice key, struct slice value)
{
    struct histogram *histogram = notation->out->histogram;
    if (slice_eq_str(key, "schema"))
        return parse_integer(value, &histogram->schema);
    if (slice_eq_str(key, "sum"))
        return parse_number(value, &histogram->sum);
    if (slice_eq_str(key, "count"))
        return parse_number(value, &histogram->count);
    if (slice_eq_str(key, "z_bucket"))
        return parse_number(value, &histogram->zero_count);
    if (slice_eq_str(key, "z_bucket_w"))
        return parse_number(value, &histogram->zero_threshold);
    if (slice_eq_str(key, "custom_values"))
        return parse_list(notation, value, &histogram->custom_bounds,
                          &histogram->custom_bound_count);
    if (slice_eq_str(key, "counter_reset_hint"))
        return parse_hint(notation, value);
    if (slice_eq_str(key, "buckets"))
        return parse_list(notation, value, &notation->positive.counts, &notation->positive.count);
    if (slice_eq_str(key, "offset"))
        return parse_integer(value, &notation->positive.offset);
    if (slice_eq_str(key, "n_buckets"))
        return parse_list(notation, value, &notation->negative.counts, &notation->negative.count);
    if (slice_eq_str(key, "n_offset"))
        return parse_integer(value, &notation->negative.offset);
    return false;
}

static void set_buckets(struct notation *notation, const struct bucket_text *side,
                        struct histogram_span **spans, uint32_t *span_count, double **buckets,
                        uint32_t *bucket_count)
{
    if (side->count == 0)
        return;
    *spans = arena_alloc(notation->arena, sizeof(**spans));
    **spans = (struct histogram_span){side->offset, side->count};
    *span_count = 1;
    *buckets = side->counts;
    *bucket_count = side->count;
}

bool histogram_notation_take(struct slice *text, struct arena *arena, struct notated_histogram *out)
{
    size_t end = slice_find(*text, SLICE("}}"));
    if (!slice_has_prefix(*text, SLICE("{{")) || end == SLICE_NONE)
        return false;
    struct notation notation = {.arena = arena, .out = out};
    struct slice rest = slice_trim(slice_sub(*text, 2, end - 2));
    *text = slice_from_index(*text, end + 2);
    *out = (struct notated_histogram){arena_zalloc(arena, sizeof(*out->histogram)), false};
    struct histogram *histogram = out->histogram;
    histogram->is_float = true;
    while (rest.len > 0) {
        size_t colon = slice_index(rest, ':');
        if (colon == SLICE_NONE)
            return false;
        struct slice key = slice_trim(slice_sub(rest, 0, colon));
        rest = slice_from_index(rest, colon + 1);
        bool list = rest.len > 0 && rest.ptr[0] == '[';
        size_t len = slice_index(rest, list ? ']' : ' ');
        len = len == SLICE_NONE ? rest.len : len + list;
        if (!parse_item(&notation, key, slice_sub(rest, 0, len)))
            return false;
        rest = slice_trim(slice_from_index(rest, len));
    }
    set_buckets(&notation, &notation.positive, &histogram->positive_spans,
                &histogram->positive_span_count, &histogram->positive_buckets,
                &histogram->positive_bucket_count);
    set_buckets(&notation, &notation.negative, &histogram->negative_spans,
                &histogram->negative_span_count, &histogram->negative_buckets,
                &histogram->negative_bucket_count);
    return true;
}
