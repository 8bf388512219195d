/*
 * What the user may have meant by a key that is not known here: a key of this place that is spelled
 * nearly so, or the place where a key of this name belongs.
 */
#include <ctype.h>
#include <stdlib.h>

#include "config/binding.h"

/* Longer words are not compared. */
#define WORD_LENGTH_MAX 64
/* How deep keys are looked for below a schema. */
#define SEARCH_DEPTH_MAX 5
#define PLACES_MAX 2
#define KEYS_LISTED_MAX 12

static char folded(char byte)
{
    return byte == '-' || byte == ' ' ? '_' : (char)tolower((unsigned char)byte);
}

/* Insertions, deletions, changes and swaps of neighbours that turn one into the other; case and the
 * difference of - and _ are free. */
static unsigned word_distance(struct slice a, struct slice b)
{
    unsigned rows[3][WORD_LENGTH_MAX + 1];
    if (a.len > WORD_LENGTH_MAX || b.len > WORD_LENGTH_MAX)
        return WORD_LENGTH_MAX;
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *above2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = folded(a.ptr[i - 1]) == folded(b.ptr[j - 1]);
            unsigned best = above[j - 1] + (same ? 0 : 1);
            unsigned gap = MIN(above[j], row[j - 1]) + 1;
            best = MIN(best, gap);
            if (i > 1 && j > 1 && folded(a.ptr[i - 1]) == folded(b.ptr[j - 2]) &&
                folded(a.ptr[i - 2]) == folded(b.ptr[j - 1]))
                best = MIN(best, above2[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}

static size_t common_prefix(struct slice a, struct slice b)
{
    size_t len = 0;
    while (len < a.len && len < b.len && folded(a.ptr[len]) == folded(b.ptr[len]))
        len++;
    return len;
}

/* The best candidate so far. */
struct candidate {
    const char *word;
    unsigned distance;
};

static void consider(struct candidate *best, struct slice word, const char *with)
{
    struct slice other = slice_str(with);
    unsigned distance = word_distance(word, other);
    unsigned allowed = word.len <= 3 ? 1 : word.len <= 7 ? 2 : 3;
    /* interval for scrape_interval, user for username, skip_verification for skip_verify */
    bool tail = word.len >= 3 && other.len > word.len && other.ptr[other.len - word.len - 1] == '_' &&
                slice_has_suffix(other, word);
    bool alike = tail || (word.len >= 3 && slice_has_prefix(other, word)) ||
                 common_prefix(word, other) * 3 >= MAX(word.len, other.len) * 2;
    if (alike)
        distance = MIN(distance, 3u);
    if ((distance <= allowed || alike) && (best->word == NULL || distance < best->distance))
        *best = (struct candidate){with, distance};
}

const char *binding_nearest(struct slice word, const char *const *words)
{
    struct candidate best = {0};
    for (; *words != NULL; words++)
        consider(&best, word, *words);
    return best.word;
}

static void consider_schema(struct candidate *best, const struct binding_schema *schema,
                            struct slice key)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE)
            consider_schema(best, field->schema, key);
        else if (field->kind != BINDING_REFUSED && !(field->flags & BINDING_NOT_PRINTED))
            consider(best, key, field->key);
    }
}

/* The places below a schema where a key exists, as paths such as scrape_configs[].static_configs[] */
struct places {
    struct arena *arena;
    struct slice key;
    const char *found[PLACES_MAX];
    size_t count;
};

static void find_places(struct places *places, const struct binding_schema *schema,
                        const char *path, unsigned depth)
{
    if (depth > SEARCH_DEPTH_MAX)
        return;
    for (size_t i = 0; i < schema->field_count && places->count < PLACES_MAX; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE)
            find_places(places, field->schema, path, depth);
        else if (slice_eq_str(places->key, field->key) && !(field->flags & BINDING_NOT_PRINTED))
            places->found[places->count++] = path;
    }
    for (size_t i = 0; i < schema->field_count && places->count < PLACES_MAX; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE || field->schema == NULL)
            continue;
        const char *deeper =
            arena_printf(places->arena, "%s%s%s%s", path, path[0] == '\0' ? "" : ".", field->key,
                         field->kind == BINDING_STRUCT_LIST ? "[]" : "");
        find_places(places, field->schema, deeper, depth + 1);
    }
}

static const char *describe_places(struct binding *binding, const struct places *places)
{
    const char *first = places->found[0];
    if (first[0] == '\0')
        return "; it belongs at the top level, without indentation";
    if (places->count == 2 && places->found[1][0] != '\0')
        return arena_printf(binding->arena, "; it belongs under %s or %s", first,
                            places->found[1]);
    return arena_printf(binding->arena, "; it belongs under %s", first);
}

static bool schema_has(const struct binding_schema *schema, struct slice key)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE ? schema_has(field->schema, key)
                                          : slice_eq_str(key, field->key))
            return true;
    }
    return false;
}

/* retention_time for time below retention; NULL when it is nothing of that kind. */
static const char *suggest_split(struct binding *binding, const struct binding_schema *schema,
                                 struct slice key)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct binding_field *field = &schema->fields[i];
        struct slice front = slice_str(field->key);
        if (field->kind == BINDING_INLINE || field->schema == NULL || key.len < front.len + 2 ||
            !slice_has_prefix(key, front) || key.ptr[front.len] != '_')
            continue;
        struct slice rest = slice_from_index(key, front.len + 1);
        if (schema_has(field->schema, rest))
            return arena_printf(binding->arena, "; write %s: and, indented below it, %.*s:",
                                field->key, SLICE_ARG(rest));
    }
    return NULL;
}

static size_t list_keys(const struct binding_schema *schema, struct buf *out)
{
    size_t count = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct binding_field *field = &schema->fields[i];
        if (field->kind == BINDING_INLINE) {
            count += list_keys(field->schema, out);
        } else if (field->kind != BINDING_REFUSED && !(field->flags & BINDING_NOT_PRINTED)) {
            buf_printf(out, "%s%s", out->len == 0 ? "" : ", ", field->key);
            count++;
        }
    }
    return count;
}

/* What there is in this place, where it is little. */
static const char *describe_schema(struct binding *binding, const struct binding_schema *schema)
{
    struct buf keys CLEANUP(buf_release);
    buf_init(&keys, BUF_SIZE_ANY);
    size_t count = list_keys(schema, &keys);
    if (count == 0 || count > KEYS_LISTED_MAX)
        return "";
    return arena_printf(binding->arena, "; known here: %s", buf_cstr(&keys));
}

const char *binding_suggest(struct binding *binding, const struct binding_schema *schema,
                            struct slice key)
{
    const char *split = suggest_split(binding, schema, key);
    if (split != NULL)
        return split;
    struct places places = {.arena = binding->arena, .key = key};
    find_places(&places, schema, "", 1);
    if (places.count > 0)
        return describe_places(binding, &places);
    struct candidate best = {0};
    consider_schema(&best, schema, key);
    /* a slip of the pen goes before the same word in some other place */
    if (best.word != NULL && best.distance < 3)
        return arena_printf(binding->arena, "; did you mean %s?", best.word);
    if (binding->root != NULL)
        find_places(&places, binding->root, "", 1);
    if (places.count > 0)
        return describe_places(binding, &places);
    if (best.word != NULL)
        return arena_printf(binding->arena, "; did you mean %s?", best.word);
    return schema->if_unknown != NULL ? schema->if_unknown : describe_schema(binding, schema);
}
