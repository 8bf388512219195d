#include "model/matcher.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "model/labels.h"
#include "model/matcher_shape.h"
#include "model/quote.h"

/* Memory for recognising a shape; beyond it the engine does the work. */
#define SHAPE_ARENA_BYTES_MAX ((size_t)8 << 20)

static int compare_literals(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* One allocation: the array, then the texts. */
static void matcher_set_literals(struct matcher *matcher, struct slice *literals, size_t count)
{
    if (count > 1)
        qsort(literals, count, sizeof(*literals), compare_literals);
    size_t kept = 0;
    size_t text_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && slice_eq(literals[kept - 1], literals[i]))
            continue;
        literals[kept++] = literals[i];
        text_bytes += literals[i].len + 1;
    }
    matcher->literals = mem_alloc(kept * sizeof(*literals) + text_bytes);
    matcher->literal_count = kept;
    char *text = (char *)&matcher->literals[kept];
    for (size_t i = 0; i < kept; i++) {
        matcher->literals[i] = (struct slice){text, literals[i].len};
        memcpy(text, literals[i].ptr, literals[i].len);
        text[literals[i].len] = '\0';
        text += literals[i].len + 1;
    }
}

static enum err matcher_compile(struct matcher *matcher, struct errbuf *err)
{
    struct arena arena;
    arena_init(&arena, SHAPE_ARENA_BYTES_MAX);
    struct matcher_form form = matcher_form_of(matcher->value, &arena);
    matcher->shape = form.shape;
    if (form.literal_count > 0)
        matcher_set_literals(matcher, form.literals, form.literal_count);
    arena_release(&arena);
    if (matcher->shape == MATCHER_SHAPE_REGEX)
        return regex_new(matcher->value, &matcher->regex, err);
    return ERR_NONE;
}

enum err matcher_new(enum matcher_type type, struct slice name, struct slice value,
                     struct matcher **out, struct errbuf *err)
{
    struct matcher *matcher = mem_zalloc(sizeof(*matcher));
    matcher->type = type;
    matcher->name = (struct slice){mem_strndup(name.ptr, name.len), name.len};
    matcher->value = (struct slice){mem_strndup(value.ptr, value.len), value.len};
    if (type == MATCHER_EQUAL || type == MATCHER_NOT_EQUAL) {
        matcher->shape = MATCHER_SHAPE_LITERALS;
        matcher_set_literals(matcher, &matcher->value, 1);
    } else {
        enum err code = matcher_compile(matcher, err);
        if (code != ERR_NONE) {
            matcher_free(matcher);
            return code;
        }
    }
    *out = matcher;
    return ERR_NONE;
}

void matcher_free(struct matcher *matcher)
{
    if (matcher == NULL)
        return;
    mem_free((char *)matcher->name.ptr);
    mem_free((char *)matcher->value.ptr);
    mem_free(matcher->literals);
    regex_free(matcher->regex);
    mem_free(matcher);
}

static bool is_among_literals(const struct matcher *matcher, struct slice value)
{
    if (matcher->literal_count == 1)
        return slice_eq(matcher->literals[0], value);
    size_t low = 0;
    size_t high = matcher->literal_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_cmp(matcher->literals[middle], value);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool shape_matches(const struct matcher *matcher, struct slice value)
{
    switch (matcher->shape) {
    case MATCHER_SHAPE_ALL:
        return true;
    case MATCHER_SHAPE_NOT_EMPTY:
        return value.len > 0;
    case MATCHER_SHAPE_LITERALS:
        return is_among_literals(matcher, value);
    case MATCHER_SHAPE_PREFIX:
        return slice_has_prefix(value, matcher->literals[0]);
    case MATCHER_SHAPE_PREFIX_MORE:
        return value.len > matcher->literals[0].len &&
               slice_has_prefix(value, matcher->literals[0]);
    case MATCHER_SHAPE_CONTAINS:
        return slice_find(value, matcher->literals[0]) != SLICE_NONE;
    case MATCHER_SHAPE_REGEX:
        break;
    }
    return regex_match(matcher->regex, value);
}

bool matcher_matches(const struct matcher *matcher, struct slice value)
{
    bool negated = matcher->type == MATCHER_NOT_EQUAL || matcher->type == MATCHER_NOT_REGEX;
    return shape_matches(matcher, value) != negated;
}

bool matcher_matches_empty(const struct matcher *matcher)
{
    return matcher_matches(matcher, SLICE_EMPTY);
}

const char *matcher_type_text(enum matcher_type type)
{
    switch (type) {
    case MATCHER_EQUAL:
        return "=";
    case MATCHER_NOT_EQUAL:
        return "!=";
    case MATCHER_REGEX:
        return "=~";
    case MATCHER_NOT_REGEX:
        break;
    }
    return "!~";
}

void matcher_print(const struct matcher *matcher, struct buf *out)
{
    if (labels_name_valid_legacy(matcher->name))
        buf_append_slice(out, matcher->name);
    else
        quote_go(matcher->name, out);
    buf_append_str(out, matcher_type_text(matcher->type));
    quote_go(matcher->value, out);
}
