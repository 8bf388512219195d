#include "model/matcher_shape.h"

#include <string.h>

#include "base/utf8.h"
#include "base/vec.h"

/* Products of groups beyond this are left to the engine; plain alternatives may be as many as fit.
 */
#define PRODUCT_COUNT_MAX 1024
#define DEPTH_MAX 16

/* Literals of a part of the expression, in the arena of the parser. */
struct literal_set {
    struct slice *items;
    size_t len;
    size_t cap;
};

struct shape_parser {
    struct slice left;
    struct arena *arena;
    char *text; /* where the next run is written: room for all that is left */
    unsigned depth;
};

static bool parser_init(struct shape_parser *parser, struct slice pattern, unsigned depth,
                        struct arena *arena)
{
    char *text = arena_try_alloc(arena, pattern.len);
    *parser = (struct shape_parser){pattern, arena, text, depth};
    return text != NULL;
}

static bool set_add(struct shape_parser *parser, struct literal_set *set, struct slice literal)
{
    if (set->len == set->cap) {
        size_t cap = vec_capacity(set->cap, set->len + 1);
        struct slice *items = arena_try_alloc(parser->arena, cap * sizeof(*items));
        if (items == NULL)
            return false;
        if (set->len > 0)
            memcpy(items, set->items, set->len * sizeof(*items));
        set->items = items;
        set->cap = cap;
    }
    set->items[set->len++] = literal;
    return true;
}

static bool join(struct shape_parser *parser, struct slice a, struct slice b, struct slice *out)
{
    if (a.len == 0 || b.len == 0) {
        *out = a.len == 0 ? b : a;
        return true;
    }
    char *text = arena_try_alloc(parser->arena, a.len + b.len);
    if (text == NULL)
        return false;
    memcpy(text, a.ptr, a.len);
    memcpy(text + a.len, b.ptr, b.len);
    *out = (struct slice){text, a.len + b.len};
    return true;
}

/* Every literal of `set` followed by every one of `next`. */
static bool set_multiply(struct shape_parser *parser, struct literal_set *set,
                         const struct literal_set *next)
{
    if (set->len == 1 && set->items[0].len == 0) {
        *set = *next;
        return true;
    }
    if (set->len > 1 && next->len > 1 && set->len * next->len > PRODUCT_COUNT_MAX)
        return false;
    struct literal_set product = {0};
    for (size_t i = 0; i < set->len; i++) {
        for (size_t k = 0; k < next->len; k++) {
            struct slice joined;
            if (!join(parser, set->items[i], next->items[k], &joined) ||
                !set_add(parser, &product, joined))
                return false;
        }
    }
    *set = product;
    return true;
}

static bool is_special(char byte)
{
    return strchr("\\.+*?()|[]{}^$", byte) != NULL;
}

static bool is_ascii_punctuation(char byte)
{
    return (byte >= '!' && byte <= '/') || (byte >= ':' && byte <= '@') ||
           (byte >= '[' && byte <= '`') || (byte >= '{' && byte <= '~');
}

static bool at_quantifier(const struct shape_parser *parser)
{
    return parser->left.len > 0 && strchr("*+?{", parser->left.ptr[0]) != NULL &&
           parser->left.ptr[0] != '\0';
}

/* A run of literal bytes, escapes resolved. A quantifier behind it would bind its last code point
 * only: not understood. */
static bool parse_run(struct shape_parser *parser, struct slice *out)
{
    char *text = parser->text;
    struct slice *left = &parser->left;
    size_t len = 0;
    while (left->len > 0) {
        char byte = left->ptr[0];
        if (byte == '\\') {
            if (left->len < 2 || !is_ascii_punctuation(left->ptr[1]))
                return false;
            text[len++] = left->ptr[1];
            *left = slice_from_index(*left, 2);
        } else if (byte == '\0' || is_special(byte)) {
            break;
        } else {
            text[len++] = byte;
            *left = slice_from_index(*left, 1);
        }
    }
    *out = (struct slice){text, len};
    parser->text += len;
    return len > 0 && !at_quantifier(parser);
}

static bool parse_alternatives(struct shape_parser *parser, struct literal_set *out);

static bool parse_group(struct shape_parser *parser, struct literal_set *out)
{
    parser->left = slice_from_index(parser->left, 1);
    if (slice_has_prefix(parser->left, SLICE("?:")))
        parser->left = slice_from_index(parser->left, 2);
    if (parser->depth == DEPTH_MAX)
        return false;
    parser->depth++;
    if (!parse_alternatives(parser, out))
        return false;
    parser->depth--;
    if (parser->left.len == 0 || parser->left.ptr[0] != ')')
        return false;
    parser->left = slice_from_index(parser->left, 1);
    return !at_quantifier(parser);
}

/* What stands between two |. Anchors at the ends of an alternative that is not in a group say what
 * is so anyway. */
static bool parse_alternative(struct shape_parser *parser, struct literal_set *out)
{
    bool outer = parser->depth == 0;
    *out = (struct literal_set){0};
    if (!set_add(parser, out, SLICE_EMPTY))
        return false;
    if (outer && slice_has_prefix(parser->left, SLICE("^")))
        parser->left = slice_from_index(parser->left, 1);
    while (parser->left.len > 0 && parser->left.ptr[0] != '|' && parser->left.ptr[0] != ')') {
        struct literal_set next = {0};
        if (parser->left.ptr[0] == '(') {
            if (!parse_group(parser, &next))
                return false;
        } else if (outer && (slice_eq_str(parser->left, "$") ||
                             slice_has_prefix(parser->left, SLICE("$|")))) {
            parser->left = slice_from_index(parser->left, 1);
            continue;
        } else {
            struct slice run;
            if (!parse_run(parser, &run) || !set_add(parser, &next, run))
                return false;
        }
        if (!set_multiply(parser, out, &next))
            return false;
    }
    return true;
}

static bool parse_alternatives(struct shape_parser *parser, struct literal_set *out)
{
    *out = (struct literal_set){0};
    for (;;) {
        struct literal_set one;
        if (!parse_alternative(parser, &one))
            return false;
        for (size_t i = 0; i < one.len; i++) {
            if (!set_add(parser, out, one.items[i]))
                return false;
        }
        if (parser->left.len == 0 || parser->left.ptr[0] != '|')
            return true;
        parser->left = slice_from_index(parser->left, 1);
    }
}

/* The whole of `text` as one literal; no alternatives. */
static bool parse_single(struct slice text, struct arena *arena, struct slice *out)
{
    struct shape_parser parser;
    struct literal_set set;
    if (!parser_init(&parser, text, 1, arena) || !parse_alternative(&parser, &set) ||
        parser.left.len > 0 || set.len != 1)
        return false;
    *out = set.items[0];
    return true;
}

/* Is the last byte preceded by an odd number of backslashes? */
static bool last_is_escaped(struct slice text)
{
    size_t count = 0;
    while (count + 1 < text.len && text.ptr[text.len - 2 - count] == '\\')
        count++;
    return count % 2 == 1;
}

/* (X) is X where the first parenthesis closes at the end; classes and escapes are not looked into.
 */
static struct slice strip_outer(struct slice text)
{
    if (slice_has_prefix(text, SLICE("^")))
        text = slice_from_index(text, 1);
    if (text.len > 0 && text.ptr[text.len - 1] == '$' && !last_is_escaped(text))
        text.len--;
    if (text.len < 2 || text.ptr[0] != '(' || text.ptr[text.len - 1] != ')')
        return text;
    struct slice inner = slice_sub(text, 1, text.len - 2);
    if (slice_has_prefix(inner, SLICE("?:")))
        inner = slice_from_index(inner, 2);
    for (size_t i = 0; i < inner.len; i++) {
        if (strchr("()[\\|", inner.ptr[i]) != NULL)
            return text;
    }
    return inner;
}

/* The shapes with a dot. */
static bool dotted_form(struct slice pattern, struct arena *arena, struct matcher_form *out)
{
    struct slice text = strip_outer(pattern);
    if (slice_eq_str(text, ".*") || slice_eq_str(text, ".+")) {
        out->shape = text.ptr[1] == '*' ? MATCHER_SHAPE_ALL : MATCHER_SHAPE_NOT_EMPTY;
        return true;
    }
    bool more = slice_has_suffix(text, SLICE(".+"));
    if (!more && !slice_has_suffix(text, SLICE(".*")))
        return false;
    text.len -= 2;
    bool contains = !more && slice_has_prefix(text, SLICE(".*"));
    if (contains)
        text = slice_from_index(text, 2);
    struct slice literal;
    if (!parse_single(text, arena, &literal))
        return false;
    out->literals = arena_try_alloc(arena, sizeof(literal));
    if (out->literals == NULL)
        return false;
    out->literals[0] = literal;
    out->literal_count = 1;
    out->shape = contains ? MATCHER_SHAPE_CONTAINS
                          : (more ? MATCHER_SHAPE_PREFIX_MORE : MATCHER_SHAPE_PREFIX);
    return true;
}

struct matcher_form matcher_form_of(struct slice pattern, struct arena *arena)
{
    struct matcher_form form = {.shape = MATCHER_SHAPE_REGEX};
    if (!utf8_valid(pattern))
        return form;
    if (dotted_form(pattern, arena, &form))
        return form;
    struct shape_parser parser;
    struct literal_set set;
    if (!parser_init(&parser, pattern, 0, arena) || !parse_alternatives(&parser, &set) ||
        parser.left.len > 0)
        return (struct matcher_form){.shape = MATCHER_SHAPE_REGEX};
    form.shape = MATCHER_SHAPE_LITERALS;
    form.literals = set.items;
    form.literal_count = set.len;
    return form;
}
