#include "tsdb/index_select.h"

#include "base/assert.h"

/* A walk through the values of a name. */
struct value_filter {
    struct index_cursor *cursor;
    const struct matcher *matcher;
    bool wanted; /* values that match, or those that do not */
    series_ids *out;
};

static enum err value_filter_each(void *context, const struct index_value *value,
                                  struct errbuf *err)
{
    struct value_filter *filter = context;
    struct slice text;
    enum err code = index_cursor_symbol(filter->cursor, value->symbol, &text, err);
    if (code != ERR_NONE || matcher_matches(filter->matcher, text) != filter->wanted)
        return code;
    code = index_postings_read(value->postings, value->series_count,
                               filter->cursor->index->series_count, filter->out);
    if (code != ERR_NONE)
        return errbuf_set(err, code, "%s: a list of series makes no sense",
                          filter->cursor->index->file.path);
    return ERR_NONE;
}

/* The series that have one of a few known values. */
static enum err select_literals(struct index_cursor *cursor, uint32_t name,
                                const struct matcher *matcher, series_ids *out, struct errbuf *err)
{
    size_t count = matcher->type == MATCHER_EQUAL ? 1 : matcher->literal_count;
    enum err code = ERR_NONE;
    for (size_t i = 0; i < count && code == ERR_NONE; i++) {
        uint32_t symbol;
        struct slice text = matcher->type == MATCHER_EQUAL ? matcher->value : matcher->literals[i];
        code = index_cursor_find_symbol(cursor, text, &symbol, err);
        if (code == ERR_NONE && symbol != INDEX_NONE)
            code = index_cursor_postings(cursor, name, symbol, out, err);
    }
    return code;
}

/* The series whose value of the label is `wanted`, or is not. */
static enum err select_values(struct index_cursor *cursor, const struct matcher *matcher,
                              bool wanted, series_ids *out, struct errbuf *err)
{
    uint32_t name;
    vec_reset(out);
    enum err code = index_cursor_find_name(cursor, matcher->name, &name, err);
    if (code != ERR_NONE || name == INDEX_NONE)
        return code;
    bool is_positive = matcher->type == MATCHER_EQUAL || matcher->type == MATCHER_REGEX;
    bool has_literals = matcher->type == MATCHER_EQUAL || matcher->shape == MATCHER_SHAPE_LITERALS;
    if (has_literals && is_positive == wanted) {
        code = select_literals(cursor, name, matcher, out, err);
    } else {
        struct value_filter filter = {cursor, matcher, wanted, out};
        code = index_cursor_values(cursor, name, value_filter_each, &filter, err);
    }
    if (code == ERR_NONE)
        series_ids_sort(out);
    return code;
}

static void select_all(const struct index_reader *index, series_ids *out)
{
    vec_reset(out);
    vec_reserve(out, index->series_count);
    for (uint32_t i = 0; i < index->series_count; i++)
        out->items[out->len++] = i;
}

/* Matchers that need their label to be there, equality first as it leaves least. */
static enum err select_positive(struct index_cursor *cursor, const struct matcher *const *matchers,
                                size_t count, series_ids *out, bool *out_any, struct errbuf *err)
{
    series_ids list = {0};
    enum err code = ERR_NONE;
    *out_any = false;
    for (size_t i = 0; i < 2 * count && code == ERR_NONE; i++) {
        const struct matcher *matcher = matchers[i % count];
        bool now = (matcher->type == MATCHER_EQUAL) == (i < count);
        if (!now || matcher_matches_empty(matcher) || (*out_any && out->len == 0))
            continue;
        code = select_values(cursor, matcher, true, *out_any ? &list : out, err);
        if (code == ERR_NONE && *out_any)
            series_ids_intersect(out, &list);
        *out_any = true;
    }
    vec_release(&list);
    return code;
}

enum err index_select(struct index_cursor *cursor, const struct matcher *const *matchers,
                      size_t count, series_ids *out, struct errbuf *err)
{
    bool any;
    vec_reset(out);
    enum err code = select_positive(cursor, matchers, count, out, &any, err);
    if (code == ERR_NONE && !any)
        select_all(cursor->index, out);
    series_ids list = {0};
    for (size_t i = 0; i < count && code == ERR_NONE && out->len > 0; i++) {
        if (!matcher_matches_empty(matchers[i]))
            continue;
        code = select_values(cursor, matchers[i], false, &list, err);
        if (code == ERR_NONE)
            series_ids_subtract(out, &list);
    }
    vec_release(&list);
    return code;
}
