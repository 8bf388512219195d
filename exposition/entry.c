#include "exposition/entry.h"

#include <math.h>
#include <stdio.h>

#include "base/float_text.h"
#include "base/utf8.h"
#include "model/quote.h"
#include "model/sample.h"

/* Sets the place where the last token started. */
static void set_place(const struct exposition_lexer *lexer, struct errbuf *err)
{
    if (err == NULL)
        return;
    size_t line_start = 0;
    err->line = 1;
    for (size_t i = 0; i < lexer->start; i++) {
        if (lexer->body.ptr[i] == '\n') {
            err->line++;
            line_start = i + 1;
        }
    }
    err->column = (uint32_t)(lexer->start - line_start + 1);
    err->position = lexer->start;
}

enum err entry_refuse(const struct exposition_lexer *lexer, struct slice quoted, struct errbuf *err,
                      const char *text)
{
    struct buf message;
    buf_init(&message, ERRBUF_TEXT_SIZE);
    quote_go(quoted, &message);
    errbuf_set(err, ERR_INVALID, "%s%s", text, buf_cstr(&message));
    buf_release(&message);
    set_place(lexer, err);
    return ERR_INVALID;
}

/* From `start` to the byte behind the last token, which the reference shows too. */
static struct slice shown(const struct exposition_lexer *lexer, size_t start)
{
    size_t end = MIN(lexer->body.len, lexer->at + 1);
    return slice_sub(lexer->body, start, end - start);
}

enum err entry_unexpected(const struct exposition_lexer *lexer, size_t start, const char *expected,
                          enum token got, struct errbuf *err)
{
    struct buf message;
    buf_init(&message, ERRBUF_TEXT_SIZE);
    buf_printf(&message, "%s, got ", expected);
    quote_go(shown(lexer, lexer->start), &message);
    buf_printf(&message, " (\"%s\") while parsing: ", token_name(got));
    quote_go(shown(lexer, start), &message);
    errbuf_set(err, ERR_INVALID, "%s", buf_cstr(&message));
    buf_release(&message);
    set_place(lexer, err);
    return ERR_INVALID;
}

/* What was read of the entry. */
static struct slice so_far(const struct exposition_lexer *lexer, size_t start)
{
    return slice_sub(lexer->body, start, lexer->at - start);
}

enum err entry_number(const struct exposition_lexer *lexer, size_t start, struct slice text,
                      double *out, struct errbuf *err)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == 'p' || text.ptr[i] == 'P' || text.ptr[i] == '_')
            return entry_refuse(lexer, so_far(lexer, start), err,
                                "unsupported character in float while parsing: ");
    }
    bool out_of_range = false;
    if (!float_text_parse(text, out, &out_of_range)) {
        struct buf message;
        buf_init(&message, ERRBUF_TEXT_SIZE);
        buf_append_str(&message, "strconv.ParseFloat: parsing ");
        quote_go(text, &message);
        buf_printf(&message,
                   ": %s while parsing: ", out_of_range ? "value out of range" : "invalid syntax");
        enum err code = entry_refuse(lexer, so_far(lexer, start), err, buf_cstr(&message));
        buf_release(&message);
        return code;
    }
    if (isnan(*out))
        *out = codec_bits_double(SAMPLE_NAN_BITS);
    return ERR_NONE;
}

/* A token without its quotes. */
static struct slice unquoted(struct slice token)
{
    return token.ptr[0] == '"' ? slice_sub(token, 1, token.len - 2) : token;
}

/* name="value" whose name is read; `token` is what follows it, and becomes what follows the value.
 */
static enum err entry_label_value(struct exposition_lexer *lexer, size_t start, enum token *token,
                                  struct slice *out_value, struct errbuf *err)
{
    if (*token != TOKEN_EQUAL)
        return entry_unexpected(lexer, start, "expected equal", *token, err);
    enum token value = exposition_lexer_next(lexer);
    if (value != TOKEN_LABEL_VALUE)
        return entry_unexpected(lexer, start, "expected label value", value, err);
    if (!utf8_valid(exposition_lexer_token(lexer)))
        return entry_refuse(lexer, exposition_lexer_token(lexer), err,
                            "invalid UTF-8 label value: ");
    *out_value = unquoted(exposition_lexer_token(lexer));
    *token = exposition_lexer_next(lexer);
    if (*token == TOKEN_COMMA)
        *token = exposition_lexer_next(lexer);
    else if (lexer->openmetrics && *token != TOKEN_BRACE_CLOSE)
        return entry_unexpected(lexer, start, "expected comma or brace close", *token, err);
    return ERR_NONE;
}

enum err entry_labels(struct exposition_lexer *lexer, size_t start, bool exemplar, bool name_set,
                      struct slice *out_name, struct exposition_label *labels, size_t *out_count,
                      struct errbuf *err)
{
    size_t count = 0;
    enum token token = exposition_lexer_next(lexer);
    while (token != TOKEN_BRACE_CLOSE) {
        if (token != TOKEN_LABEL_NAME && token != TOKEN_QUOTED)
            return entry_unexpected(lexer, start, "expected label name", token, err);
        bool quoted = token == TOKEN_QUOTED;
        struct slice name = unquoted(exposition_lexer_token(lexer));
        token = exposition_lexer_next(lexer);
        if (quoted && (token == TOKEN_COMMA || token == TOKEN_BRACE_CLOSE)) {
            /* a quoted text alone is the metric name */
            if (exemplar)
                return entry_unexpected(lexer, start, "expected label name", token, err);
            if (name_set)
                return entry_refuse(lexer, so_far(lexer, start), err,
                                    "metric name already set while parsing: ");
            *out_name = name;
            name_set = true;
            if (token == TOKEN_COMMA)
                token = exposition_lexer_next(lexer);
            continue;
        }
        struct slice value;
        enum err code = entry_label_value(lexer, start, &token, &value, err);
        if (code != ERR_NONE)
            return code;
        if (labels != NULL)
            labels[count] = (struct exposition_label){name, value};
        count++;
    }
    *out_count = count;
    return ERR_NONE;
}

static enum err not_ended(const struct exposition_lexer *lexer, struct errbuf *err)
{
    errbuf_set(err, ERR_INVALID, "data does not end with # EOF");
    set_place(lexer, err);
    return ERR_INVALID;
}

/* Seconds as a float to milliseconds, cut. */
static enum err entry_seconds(const struct exposition_lexer *lexer, size_t start, const char *what,
                              int64_t *out_ms, struct errbuf *err)
{
    double seconds;
    enum err code = entry_number(lexer, start, slice_from_index(exposition_lexer_token(lexer), 1),
                                 &seconds, err);
    if (code != ERR_NONE)
        return code;
    if (!isfinite(seconds)) {
        errbuf_set(err, ERR_INVALID, "invalid %s %s", what,
                   isnan(seconds) ? "NaN" : (seconds > 0 ? "+Inf" : "-Inf"));
        set_place(lexer, err);
        return ERR_INVALID;
    }
    double ms = seconds * 1000;
    *out_ms = ms >= -0x1p63 && ms < 0x1p63 ? (int64_t)ms : INT64_MIN;
    return ERR_NONE;
}

/* # {labels} value [timestamp]; the labels are checked, and read again where they are wanted. */
static enum err entry_exemplar(struct exposition_lexer *lexer, size_t start, struct entry *entry,
                               struct errbuf *err)
{
    struct slice no_name;
    struct entry_exemplar *out = &entry->exemplar;
    entry->has_exemplar = true;
    out->labels = *lexer;
    out->start = start;
    enum err code = entry_labels(lexer, start, true, true, &no_name, NULL, &out->label_count, err);
    if (code != ERR_NONE)
        return code;
    enum token token = exposition_lexer_next(lexer);
    if (token != TOKEN_VALUE)
        return entry_unexpected(lexer, start, "expected value after exemplar labels", token, err);
    code = entry_number(lexer, start, slice_from_index(exposition_lexer_token(lexer), 1),
                        &out->value, err);
    if (code != ERR_NONE)
        return code;
    token = exposition_lexer_next(lexer);
    if (token == TOKEN_LINEBREAK)
        return ERR_NONE;
    if (token == TOKEN_EOF)
        return not_ended(lexer, err);
    if (token != TOKEN_TIMESTAMP)
        return entry_unexpected(lexer, start, "expected timestamp or comment", token, err);
    out->has_timestamp = true;
    code = entry_seconds(lexer, start, "exemplar timestamp", &out->timestamp_ms, err);
    if (code != ERR_NONE)
        return code;
    token = exposition_lexer_next(lexer);
    if (token != TOKEN_LINEBREAK)
        return entry_unexpected(lexer, start, "expected next entry after exemplar timestamp", token,
                                err);
    return ERR_NONE;
}

static enum err entry_openmetrics_end(struct exposition_lexer *lexer, size_t start,
                                      struct entry *out, struct errbuf *err)
{
    enum token token = exposition_lexer_next(lexer);
    if (token == TOKEN_TIMESTAMP) {
        out->has_timestamp = true;
        enum err code = entry_seconds(lexer, start, "timestamp", &out->timestamp_ms, err);
        if (code != ERR_NONE)
            return code;
        token = exposition_lexer_next(lexer);
        if (token != TOKEN_LINEBREAK && token != TOKEN_COMMENT)
            return entry_unexpected(lexer, start, "expected next entry after timestamp", token,
                                    err);
    }
    switch (token) {
    case TOKEN_LINEBREAK:
        return ERR_NONE;
    case TOKEN_EOF:
        return not_ended(lexer, err);
    case TOKEN_COMMENT:
        return entry_exemplar(lexer, start, out, err);
    default:
        return entry_unexpected(lexer, start, "expected timestamp or new record", token, err);
    }
}

static enum err entry_text_end(struct exposition_lexer *lexer, size_t start, struct entry *out,
                               struct errbuf *err)
{
    enum token token = exposition_lexer_next(lexer);
    if (token == TOKEN_LINEBREAK)
        return ERR_NONE;
    if (token != TOKEN_TIMESTAMP)
        return entry_unexpected(lexer, start, "expected timestamp or new record", token, err);
    struct slice digits = exposition_lexer_token(lexer);
    int64_t timestamp_ms = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (__builtin_mul_overflow(timestamp_ms, INT64_C(10), &timestamp_ms) ||
            __builtin_add_overflow(timestamp_ms, digits.ptr[i] - '0', &timestamp_ms)) {
            struct buf message;
            buf_init(&message, ERRBUF_TEXT_SIZE);
            buf_append_str(&message, "strconv.ParseInt: parsing ");
            quote_go(digits, &message);
            buf_append_str(&message, ": value out of range while parsing: ");
            enum err code = entry_refuse(lexer, so_far(lexer, start), err, buf_cstr(&message));
            buf_release(&message);
            return code;
        }
    }
    out->has_timestamp = true;
    out->timestamp_ms = timestamp_ms;
    token = exposition_lexer_next(lexer);
    if (token != TOKEN_LINEBREAK)
        return entry_unexpected(lexer, start, "expected next entry after timestamp", token, err);
    return ERR_NONE;
}

/* A sample line whose first token is read. */
static enum err entry_sample(struct exposition_lexer *lexer, size_t start, enum token token,
                             struct entry *out, struct errbuf *err)
{
    out->kind = ENTRY_SAMPLE;
    bool named = token == TOKEN_METRIC_NAME;
    size_t end = lexer->at;
    if (named)
        token = exposition_lexer_next(lexer);
    if (token == TOKEN_BRACE_OPEN) {
        struct slice name = {0};
        size_t count;
        enum err code = entry_labels(lexer, start, false, named, &name, NULL, &count, err);
        if (code != ERR_NONE)
            return code;
        named = named || name.ptr != NULL;
        end = lexer->at;
        token = exposition_lexer_next(lexer);
    }
    out->series = slice_sub(lexer->body, start, end - start);
    if (!named)
        return entry_refuse(lexer, so_far(lexer, start), err,
                            "metric name not set while parsing: ");
    if (token != TOKEN_VALUE)
        return entry_unexpected(lexer, start, "expected value after metric", token, err);
    struct slice number = exposition_lexer_token(lexer);
    if (lexer->openmetrics)
        number = slice_from_index(number, 1);
    enum err code = entry_number(lexer, start, number, &out->value, err);
    if (code != ERR_NONE)
        return code;
    return lexer->openmetrics ? entry_openmetrics_end(lexer, start, out, err)
                              : entry_text_end(lexer, start, out, err);
}

static enum err entry_type(const struct exposition_lexer *lexer, struct entry *out,
                           struct errbuf *err)
{
    bool known = metric_type_parse(out->text, &out->type);
    bool untyped = slice_eq_str(out->text, "untyped");
    if (lexer->openmetrics)
        known = known && !untyped;
    else
        known = known && (untyped || out->type == METRIC_COUNTER || out->type == METRIC_GAUGE ||
                          out->type == METRIC_HISTOGRAM || out->type == METRIC_SUMMARY);
    return known ? ERR_NONE : entry_refuse(lexer, out->text, err, "invalid metric type ");
}

static enum err entry_unit(const struct exposition_lexer *lexer, const struct entry *out,
                           struct errbuf *err)
{
    struct slice unit = out->text;
    struct slice family = out->family;
    if (unit.len == 0 || (slice_has_suffix(family, unit) && family.len > unit.len &&
                          family.ptr[family.len - unit.len - 1] == '_'))
        return ERR_NONE;
    struct buf message;
    buf_init(&message, ERRBUF_TEXT_SIZE);
    buf_append_str(&message, "unit ");
    quote_go(unit, &message);
    buf_append_str(&message, " not a suffix of metric ");
    enum err code = entry_refuse(lexer, family, err, buf_cstr(&message));
    buf_release(&message);
    return code;
}

static enum err entry_refuse_help(const struct exposition_lexer *lexer, struct slice text,
                                  struct errbuf *err)
{
    struct buf quoted;
    buf_init(&quoted, ERRBUF_TEXT_SIZE);
    quote_go(text, &quoted);
    errbuf_set(err, ERR_INVALID, "help text %s is not a valid utf8 string", buf_cstr(&quoted));
    buf_release(&quoted);
    set_place(lexer, err);
    return ERR_INVALID;
}

/* HELP, TYPE and UNIT lines. */
static enum err entry_metadata(struct exposition_lexer *lexer, size_t start, enum token word,
                               struct entry *out, struct errbuf *err)
{
    char expected[64];
    enum token token = exposition_lexer_next(lexer);
    if (token != TOKEN_METRIC_NAME) {
        snprintf(expected, sizeof(expected), "expected metric name after %s", token_name(word));
        return entry_unexpected(lexer, start, expected, token, err);
    }
    out->family = unquoted(exposition_lexer_token(lexer));
    if (exposition_lexer_next(lexer) != TOKEN_TEXT) {
        errbuf_set(err, ERR_INVALID, "expected text in %s", token_name(word));
        set_place(lexer, err);
        return ERR_INVALID;
    }
    struct slice text = exposition_lexer_token(lexer);
    if (lexer->openmetrics)
        text.len--; /* the newline */
    out->text = text.len > 0 ? slice_from_index(text, 1) : SLICE_EMPTY;
    enum err code = ERR_NONE;
    if (word == TOKEN_TYPE) {
        out->kind = ENTRY_TYPE;
        code = entry_type(lexer, out, err);
    } else if (word == TOKEN_UNIT) {
        out->kind = ENTRY_UNIT;
        code = entry_unit(lexer, out, err);
    } else {
        out->kind = ENTRY_HELP;
        if (!utf8_valid(out->text))
            code = entry_refuse_help(lexer, out->text, err);
    }
    if (code != ERR_NONE || lexer->openmetrics)
        return code;
    token = exposition_lexer_next(lexer);
    if (token != TOKEN_LINEBREAK)
        return entry_unexpected(lexer, start, "linebreak expected after metadata", token, err);
    return ERR_NONE;
}

static enum err entry_eof(struct exposition_lexer *lexer, struct entry *out, struct errbuf *err)
{
    if (exposition_lexer_next(lexer) != TOKEN_EOF) {
        errbuf_set(err, ERR_INVALID, "unexpected data after # EOF");
        set_place(lexer, err);
        return ERR_INVALID;
    }
    out->kind = ENTRY_END;
    return ERR_NONE;
}

enum err entry_read(struct exposition_lexer *lexer, struct entry *out, struct errbuf *err)
{
    *out = (struct entry){0};
    lexer->state = LEXER_INIT;
    enum token token = exposition_lexer_next(lexer);
    size_t start = lexer->start;
    switch (token) {
    case TOKEN_HELP:
    case TOKEN_TYPE:
    case TOKEN_UNIT:
        return entry_metadata(lexer, start, token, out, err);
    case TOKEN_METRIC_NAME:
    case TOKEN_BRACE_OPEN:
        return entry_sample(lexer, start, token, out, err);
    case TOKEN_COMMENT:
        token = exposition_lexer_next(lexer);
        if (token != TOKEN_LINEBREAK)
            return entry_unexpected(lexer, start, "linebreak expected after comment", token, err);
        out->kind = ENTRY_COMMENT;
        return ERR_NONE;
    case TOKEN_LINEBREAK:
        out->kind = ENTRY_COMMENT;
        return ERR_NONE;
    case TOKEN_EOF:
        out->kind = ENTRY_END;
        return lexer->openmetrics ? not_ended(lexer, err) : ERR_NONE;
    case TOKEN_EOF_WORD:
        return entry_eof(lexer, out, err);
    default:
        return entry_unexpected(lexer, start, "expected a valid start token", token, err);
    }
}
