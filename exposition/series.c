/*
 * Series texts taken apart into name and labels. The usual form is read directly; whatever else
 * there is goes through the lexer, which also words the errors.
 */
#include <string.h>

#include "base/float_text.h"
#include "base/utf8.h"
#include "exposition/entry.h"
#include "exposition/exposition.h"
#include "exposition/unescape.h"

struct series_reader {
    const char *at;
    const char *end;
    bool blanks; /* white space is allowed between tokens */
};

static void skip_blanks(struct series_reader *reader)
{
    while (reader->blanks && reader->at < reader->end &&
           (*reader->at == ' ' || *reader->at == '\t'))
        reader->at++;
}

static bool take_byte(struct series_reader *reader, char byte)
{
    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at != byte)
        return false;
    reader->at++;
    return true;
}

static bool take_name(struct series_reader *reader, bool colons, struct slice *out)
{
    const char *start = reader->at;
    for (; reader->at < reader->end; reader->at++) {
        char byte = *reader->at;
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
                      (colons && byte == ':');
        if (!letter && !(reader->at > start && byte >= '0' && byte <= '9'))
            break;
    }
    *out = slice_from(start, (size_t)(reader->at - start));
    return out->len > 0;
}

/* Between quotes, escapes kept. */
static bool take_quoted(struct series_reader *reader, struct slice *out)
{
    if (!take_byte(reader, '"'))
        return false;
    const char *start = reader->at;
    while (reader->at < reader->end && *reader->at != '"')
        reader->at += *reader->at == '\\' ? 2 : 1;
    if (reader->at >= reader->end)
        return false;
    *out = slice_from(start, (size_t)(reader->at - start));
    reader->at++;
    return memchr(out->ptr, '\n', out->len) == NULL && utf8_valid(*out);
}

/* name{label="value",...} in its usual form; false = look closer. */
static bool read_plain(const struct exposition_series *series, struct slice *out_name,
                       struct exposition_label *labels, size_t *out_count)
{
    struct series_reader reader = {series->text.ptr, series->text.ptr + series->text.len,
                                   !series->openmetrics};
    *out_count = 0;
    if (!take_name(&reader, true, out_name))
        return false;
    if (reader.at == reader.end)
        return true;
    if (!take_byte(&reader, '{'))
        return false;
    while (!take_byte(&reader, '}')) {
        struct exposition_label *label = &labels[*out_count];
        if (!take_name(&reader, false, &label->name) || !take_byte(&reader, '=') ||
            !take_quoted(&reader, &label->value))
            return false;
        (*out_count)++;
        if (!take_byte(&reader, ',') && !(take_byte(&reader, '}') && reader.at == reader.end))
            return false;
        if (reader.at == reader.end)
            return reader.at[-1] == '}';
    }
    return reader.at == reader.end;
}

/* Any legal form, or the error. */
static enum err read_tokens(const struct exposition_series *series, struct slice *out_name,
                            struct exposition_label *labels, size_t *out_count, struct errbuf *err)
{
    struct exposition_lexer lexer = {.body = series->text, .openmetrics = series->openmetrics};
    enum token token = exposition_lexer_next(&lexer);
    *out_name = SLICE_EMPTY;
    *out_count = 0;
    bool named = token == TOKEN_METRIC_NAME;
    if (named) {
        *out_name = exposition_lexer_token(&lexer);
        token = exposition_lexer_next(&lexer);
    }
    if (token == TOKEN_BRACE_OPEN) {
        struct slice name = {0};
        enum err code = entry_labels(&lexer, 0, false, named, &name, labels, out_count, err);
        if (code != ERR_NONE)
            return code;
        if (name.ptr != NULL)
            *out_name = name;
        named = named || name.ptr != NULL;
        token = exposition_lexer_next(&lexer);
    }
    if (token != TOKEN_EOF)
        return entry_unexpected(&lexer, 0, "expected value after metric", token, err);
    if (!named)
        return entry_refuse(&lexer, series->text, err, "metric name not set while parsing: ");
    return ERR_NONE;
}

/* false where the arena is full. */
static bool resolve_escapes(struct arena *arena, struct slice *text)
{
    if (slice_index(*text, '\\') == SLICE_NONE)
        return true;
    char *memory = arena_try_alloc(arena, text->len);
    if (memory == NULL)
        return false;
    *text = slice_from(memory, unescape(*text, true, memory));
    return true;
}

/* le of histograms and quantile of summaries as OpenMetrics prints floats, so that buckets keep
 * their identity whatever format they came in. */
static bool normalise(enum metric_type type, struct arena *arena, struct exposition_label *label)
{
    bool bound = (type == METRIC_HISTOGRAM && slice_eq_str(label->name, "le")) ||
                 (type == METRIC_SUMMARY && slice_eq_str(label->name, "quantile"));
    double value;
    if (!bound || !float_text_parse(label->value, &value, NULL))
        return true;
    char text[FLOAT_TEXT_SHORT_SIZE];
    size_t len = float_text_openmetrics(value, text);
    if (slice_eq(label->value, slice_from(text, len)))
        return true;
    char *memory = arena_try_alloc(arena, len);
    if (memory == NULL)
        return false;
    memcpy(memory, text, len);
    label->value = slice_from(memory, len);
    return true;
}

/* Each label has a quoted value, and that takes two quotes. */
static size_t label_count_max(struct slice text)
{
    size_t quotes = 0;
    for (size_t i = 0; i < text.len; i++)
        quotes += text.ptr[i] == '"';
    return quotes / 2 + 1;
}

enum err exposition_series_labels(const struct exposition_series *series, struct arena *arena,
                                  struct slice *out_name, struct exposition_label **out_labels,
                                  size_t *out_count, struct errbuf *err)
{
    struct exposition_label *labels =
        arena_try_alloc(arena, label_count_max(series->text) * sizeof(*labels));
    if (labels == NULL)
        return errbuf_set(err, ERR_LIMIT, "series with too many labels");
    struct slice name;
    size_t count;
    if (!read_plain(series, &name, labels, &count)) {
        enum err code = read_tokens(series, &name, labels, &count, err);
        if (code != ERR_NONE)
            return code;
    }
    bool fits = resolve_escapes(arena, &name);
    for (size_t i = 0; i < count && fits; i++) {
        fits = resolve_escapes(arena, &labels[i].name) &&
               resolve_escapes(arena, &labels[i].value) &&
               normalise(series->type, arena, &labels[i]);
    }
    if (!fits)
        return errbuf_set(err, ERR_LIMIT, "series with labels of too many bytes");
    *out_name = name;
    *out_labels = labels;
    *out_count = count;
    return ERR_NONE;
}
