/*
 * What a user is told when a text is no YAML: the parser's words, the line as it stands there, and what
 * is mostly the cause.
 */
#include <string.h>

#include "config/binding.h"

/* What to do about a byte that begins nothing. */
static const char *hint_for_byte(struct slice text, uint32_t line, uint32_t column)
{
    for (uint32_t at = 1; at < line && text.len > 0; at++) {
        size_t end = slice_index(text, '\n');
        text = slice_from_index(text, end == SLICE_NONE ? text.len : end + 1);
    }
    /* columns are characters, but what is before a tab of indentation is not more than a byte each */
    if (column <= text.len && text.ptr[column - 1] == '\t')
        return "; YAML is indented with spaces, not tabs";
    return "; a text that begins with this character needs quotes";
}

/* Messages go to logs, so what looks like the key of a secret is shown without its value. */
static bool names_a_secret(struct slice key)
{
    static const char *const words[] = {"password", "secret", "token", "credential", "key", "auth"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (slice_find(key, slice_str(words[i])) != SLICE_NONE)
            return true;
    }
    return false;
}

/* The line of the text that an error is in, shortened. */
static const char *line_of(struct arena *arena, struct slice text, uint32_t line)
{
    for (uint32_t at = 1; at < line && text.len > 0; at++) {
        size_t end = slice_index(text, '\n');
        text = slice_from_index(text, end == SLICE_NONE ? text.len : end + 1);
    }
    size_t end = slice_index(text, '\n');
    struct slice found = slice_trim(slice_sub(text, 0, end == SLICE_NONE ? text.len : end));
    if (found.len == 0)
        return slice_trim(text).len == 0 ? "the end of the file" : "an empty line";
    size_t shown = MIN(found.len, (size_t)60);
    size_t colon = slice_index(found, ':');
    if (colon != SLICE_NONE && (names_a_secret(slice_sub(found, 0, colon)) ||
                                slice_index(found, '@') != SLICE_NONE))
        shown = MIN(shown, colon + 1);
    return arena_printf(arena, "\"%.*s%s\"", (int)shown, found.ptr,
                        found.len > shown ? "..." : "");
}

static bool has_control_character(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' && *text != '\t')
            return true;
    }
    return false;
}

/* What to do about an error of the parser. */
static const char *hint_for(struct slice text, uint32_t line, uint32_t column, const char *problem)
{
    static const struct {
        const char *problem;
        const char *hint;
    } hints[] = {
        {"did not find expected", "; compare the indentation with the lines above, items of one "
                                  "list begin in the same column"},
        {"mapping values are not allowed", "; a text with \": \" in it needs quotes, keys of one "
                                           "block begin in the same column, and a colon needs a "
                                           "space behind it"},
        {"could not find expected ':'", "; a key needs a colon and a space behind it"},
        {"quoted scalar", "; the quote at its beginning has no counterpart"},
        {"tab character", "; YAML is indented with spaces, not tabs"},
        {"UTF-8", "; save the file in the encoding UTF-8"},
        {"control characters", "; delete the character, or is this no text file?"},
    };
    if (strstr(problem, "cannot start any token") != NULL)
        return hint_for_byte(text, line, column);
    for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
        if (strstr(problem, hints[i].problem) != NULL)
            return hints[i].hint;
    }
    return "";
}

void binding_problem_syntax(struct binding *binding, struct slice text, const struct errbuf *err)
{
    uint32_t line = MAX(err->line, 1u);
    uint32_t column = MAX(err->column, 1u);
    const char *shown = line_of(binding->arena, text, line);
    /* what is no text is not shown as one */
    bool is_text = strstr(err->text, "UTF-8") == NULL && !has_control_character(shown) &&
                   strstr(err->text, "control characters") == NULL;
    binding_problem_at(binding, line, column, "%s%s%s%s", err->text, is_text ? ", at " : "",
                       is_text ? shown : "", hint_for(text, line, column, err->text));
}
