#include "tests/support/start_notation.h"

#include "base/compiler.h"
#include "model/duration.h"

#define REPEAT_MAX 1000000

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What comes before the blank; the rest stays without blanks. */
static struct slice take_word(struct slice *text)
{
    size_t end = 0;
    while (end < text->len && !is_blank(text->ptr[end]))
        end++;
    struct slice word = slice_sub(*text, 0, end);
    *text = slice_trim(slice_from_index(*text, end));
    return word;
}

bool start_line_is(struct slice line, struct slice *out_offsets)
{
    struct slice rest = slice_trim(line);
    bool is = slice_has_suffix(take_word(&rest), SLICE("@st"));
    if (is)
        *out_offsets = rest;
    return is;
}

/* A duration with a sign or without. */
static bool take_offset(struct slice *item, int64_t *out_ms)
{
    bool negative = item->len > 0 && item->ptr[0] == '-';
    size_t from = negative || (item->len > 0 && item->ptr[0] == '+') ? 1 : 0, end = from;
    while (end < item->len && is_digit(item->ptr[end]))
        end++;
    while (end < item->len && item->ptr[end] >= 'a' && item->ptr[end] <= 'z' &&
           item->ptr[end] != 'x')
        end++;
    if (duration_parse(slice_sub(*item, from, end - from), out_ms, NULL) != ERR_NONE)
        return false;
    *out_ms = negative ? -*out_ms : *out_ms;
    *item = slice_from_index(*item, end);
    return true;
}

/* x3 at the end of an item; nothing is once. */
static bool take_times(struct slice item, size_t *out)
{
    *out = 0;
    if (item.len == 0)
        return true;
    if (item.ptr[0] != 'x' || item.len == 1)
        return false;
    for (size_t i = 1; i < item.len; i++) {
        if (!is_digit(item.ptr[i]) || *out > REPEAT_MAX)
            return false;
        *out = *out * 10 + (size_t)(item.ptr[i] - '0');
    }
    return true;
}

static bool start_item_parse(struct slice item, struct start_line *out)
{
    size_t times;
    if (slice_has_prefix(item, SLICE("_"))) {
        if (!take_times(slice_from_index(item, 1), &times))
            return false;
        for (size_t i = 0; i < MAX(times, (size_t)1); i++)
            vec_push(&out->items, (struct start_offset){.is_omitted = true});
        return true;
    }
    int64_t offset_ms, step_ms = 0;
    if (!take_offset(&item, &offset_ms) ||
        (item.len > 0 && item.ptr[0] != 'x' && !take_offset(&item, &step_ms)) ||
        !take_times(item, &times))
        return false;
    for (size_t i = 0; i <= times; i++)
        vec_push(&out->items, (struct start_offset){.offset_ms = offset_ms + (int64_t)i * step_ms});
    return true;
}

bool start_line_parse(struct slice offsets, struct start_line *out)
{
    offsets = slice_trim(offsets);
    while (offsets.len > 0) {
        if (!start_item_parse(take_word(&offsets), out))
            return false;
    }
    return true;
}

void start_line_release(struct start_line *line)
{
    vec_release(&line->items);
}
