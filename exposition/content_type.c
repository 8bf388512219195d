/*
 * Which format a body has, by its Content-Type, and which one a client wants, by its Accept header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "exposition/exposition.h"
#include "model/quote.h"

#define PARAMETERS_MAX 16

struct media_parameter {
    struct slice name;
    struct slice value; /* without quotes; escapes in it are kept */
};

struct media_type {
    struct slice type; /* "text/plain", as written */
    struct media_parameter parameters[PARAMETERS_MAX];
    size_t parameter_count;
};

static bool is_token_byte(char byte)
{
    return byte > ' ' && byte < 0x7f && strchr("()<>@,;:\\\"/[]?=", byte) == NULL;
}

static size_t token_length(struct slice text)
{
    size_t len = 0;
    while (len < text.len && is_token_byte(text.ptr[len]))
        len++;
    return len;
}

static bool equal_fold(struct slice a, const char *text)
{
    return a.len == strlen(text) && strncasecmp(a.ptr, text, a.len) == 0;
}

/* type/subtype; the complaint is that of the reference's library. */
static const char *check_type(struct slice type)
{
    size_t len = token_length(type);
    if (len == 0)
        return "mime: no media type";
    if (len == type.len)
        return NULL;
    if (type.ptr[len] != '/')
        return "mime: expected slash after first token";
    struct slice subtype = slice_from_index(type, len + 1);
    len = token_length(subtype);
    if (len == 0)
        return "mime: expected token after slash";
    return len < subtype.len ? "mime: unexpected content after media subtype" : NULL;
}

/* "..." or a token, from the front of `left`. */
static bool take_parameter_value(struct slice *left, struct slice *out)
{
    if (left->len == 0 || left->ptr[0] != '"') {
        *out = slice_sub(*left, 0, token_length(*left));
        *left = slice_from_index(*left, out->len);
        return out->len > 0;
    }
    for (size_t i = 1; i < left->len; i++) {
        if (left->ptr[i] == '\\') {
            i++;
        } else if (left->ptr[i] == '"') {
            *out = slice_sub(*left, 1, i - 1);
            *left = slice_from_index(*left, i + 1);
            return true;
        }
    }
    return false;
}

/* ; name = value */
static bool take_parameter(struct slice *left, struct media_parameter *out)
{
    *left = slice_trim(*left);
    if (left->len == 0 || left->ptr[0] != ';')
        return false;
    *left = slice_trim(slice_from_index(*left, 1));
    size_t len = token_length(*left);
    out->name = slice_sub(*left, 0, len);
    *left = slice_trim(slice_from_index(*left, len));
    if (len == 0 || left->len == 0 || left->ptr[0] != '=')
        return false;
    *left = slice_trim(slice_from_index(*left, 1));
    return take_parameter_value(left, &out->value);
}

/* NULL, or what is wrong with it. */
static const char *media_type_parse(struct slice text, struct media_type *out)
{
    size_t semicolon = slice_index(text, ';');
    struct slice left = {"", 0};
    if (semicolon != SLICE_NONE) {
        left = slice_from_index(text, semicolon);
        text.len = semicolon;
    }
    out->type = slice_trim(text);
    out->parameter_count = 0;
    const char *complaint = check_type(out->type);
    if (complaint != NULL)
        return complaint;
    while (left.len > 0) {
        struct slice before = slice_trim(left);
        struct media_parameter parameter;
        if (before.len == 0 || slice_eq_str(before, ";"))
            break;
        if (out->parameter_count == PARAMETERS_MAX || !take_parameter(&left, &parameter))
            return "mime: invalid media parameter";
        for (size_t i = 0; i < out->parameter_count; i++) {
            if (slice_eq(out->parameters[i].name, parameter.name))
                return "mime: duplicate parameter name";
        }
        out->parameters[out->parameter_count++] = parameter;
    }
    return NULL;
}

static bool format_of_type(struct slice type, enum exposition_format *out)
{
    if (equal_fold(type, "text/plain"))
        *out = EXPOSITION_TEXT;
    else if (equal_fold(type, "application/openmetrics-text"))
        *out = EXPOSITION_OPENMETRICS;
    else if (equal_fold(type, "application/vnd.google.protobuf"))
        *out = EXPOSITION_PROTOBUF;
    else
        return false;
    return true;
}

/* BEFORE "content type" AFTER */
static enum err refuse_type(const char *before, struct slice content_type, const char *after,
                            struct errbuf *err)
{
    struct buf quoted;
    buf_init(&quoted, ERRBUF_TEXT_SIZE);
    quote_go(content_type, &quoted);
    errbuf_set(err, ERR_INVALID, "%s%s%s", before, buf_cstr(&quoted), after);
    buf_release(&quoted);
    return ERR_INVALID;
}

enum err exposition_format_of(struct slice content_type, struct slice fallback,
                              enum exposition_format *out, bool *out_used_fallback,
                              struct errbuf *err)
{
    struct media_type media;
    const char *complaint = content_type.len == 0 ? NULL : media_type_parse(content_type, &media);
    if (content_type.len > 0 && complaint == NULL && format_of_type(media.type, out)) {
        *out_used_fallback = false;
        return ERR_NONE;
    }
    if (fallback.len > 0 && format_of_type(fallback, out)) {
        *out_used_fallback = true;
        return ERR_NONE;
    }
    if (content_type.len == 0)
        return errbuf_set(err, ERR_INVALID,
                          "non-compliant scrape target sending blank Content-Type and no "
                          "fallback_scrape_protocol specified for target");
    if (complaint == NULL)
        return refuse_type("received unsupported Content-Type ", content_type,
                           " and no fallback_scrape_protocol specified for target", err);
    char after[128];
    snprintf(after, sizeof(after), " and no fallback_scrape_protocol for target\n%s", complaint);
    return refuse_type("cannot parse Content-Type ", content_type, after, err);
}

static struct slice media_parameter(const struct media_type *media, const char *name)
{
    for (size_t i = 0; i < media->parameter_count; i++) {
        if (equal_fold(media->parameters[i].name, name))
            return media->parameters[i].value;
    }
    return SLICE_EMPTY;
}

enum offer {
    OFFER_OPENMETRICS_1_0_0,
    OFFER_OPENMETRICS_0_0_1,
    OFFER_TEXT,
    OFFER_NONE,
};

static enum offer offer_of(const struct media_type *media)
{
    struct slice version = media_parameter(media, "version");
    if (equal_fold(media->type, "application/openmetrics-text")) {
        if (slice_eq_str(version, "1.0.0"))
            return OFFER_OPENMETRICS_1_0_0;
        return version.len == 0 || slice_eq_str(version, "0.0.1") ? OFFER_OPENMETRICS_0_0_1
                                                                  : OFFER_NONE;
    }
    if (equal_fold(media->type, "text/plain"))
        return version.len == 0 || slice_eq_str(version, "0.0.4") ? OFFER_TEXT : OFFER_NONE;
    return equal_fold(media->type, "*/*") || equal_fold(media->type, "text/*") ? OFFER_TEXT
                                                                               : OFFER_NONE;
}

/* Weight of a clause in thousandths. */
static int weight_of(const struct media_type *media)
{
    struct slice text = media_parameter(media, "q");
    char digits[16] = "1";
    if (text.len > 0 && text.len < sizeof(digits)) {
        memcpy(digits, text.ptr, text.len);
        digits[text.len] = '\0';
    }
    double weight = strtod(digits, NULL);
    return weight > 0 && weight <= 1 ? (int)(weight * 1000) : 0;
}

/* How names that are not of the legacy form are to be written; ours all are, so it is only said. */
static const char *const escapings[] = {"underscores", "allow-utf-8", "dots", "values"};
static const char *const content_types[OFFER_NONE][ARRAY_SIZE(escapings)] = {
#define CONTENT_TYPES(type)                                                                        \
    {                                                                                              \
        type "; charset=utf-8; escaping=underscores",                                              \
            type "; charset=utf-8; escaping=allow-utf-8", type "; charset=utf-8; escaping=dots",   \
            type "; charset=utf-8; escaping=values"                                                \
    }
    CONTENT_TYPES("application/openmetrics-text; version=1.0.0"),
    CONTENT_TYPES("application/openmetrics-text; version=0.0.1"),
    CONTENT_TYPES("text/plain; version=0.0.4"),
#undef CONTENT_TYPES
};

/* The next clause of an Accept header; commas in quotes do not end it. */
static struct slice take_clause(struct slice *left)
{
    bool quoted = false;
    size_t len = 0;
    for (; len < left->len && (quoted || left->ptr[len] != ','); len++)
        quoted ^= left->ptr[len] == '"';
    struct slice clause = slice_sub(*left, 0, len);
    *left = slice_from_index(*left, len < left->len ? len + 1 : len);
    return slice_trim(clause);
}

const char *exposition_negotiate(struct slice accept, enum exposition_format *out)
{
    enum offer best = OFFER_TEXT;
    size_t escaping = 0;
    int best_weight = 0;
    while (accept.len > 0) {
        struct media_type media;
        struct slice clause = take_clause(&accept);
        if (clause.len == 0 || media_type_parse(clause, &media) != NULL)
            continue;
        enum offer offer = offer_of(&media);
        int weight = weight_of(&media);
        if (offer == OFFER_NONE || weight <= best_weight)
            continue;
        best = offer;
        best_weight = weight;
        escaping = 0;
        for (size_t i = 0; i < ARRAY_SIZE(escapings); i++) {
            if (slice_eq_str(media_parameter(&media, "escaping"), escapings[i]))
                escaping = i;
        }
    }
    *out = best == OFFER_TEXT ? EXPOSITION_TEXT : EXPOSITION_OPENMETRICS;
    return content_types[best][escaping];
}
