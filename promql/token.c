/* Keywords, and the names of tokens in messages. */
#include "promql/token.h"

#include "base/compiler.h"
#include "base/utf8.h"
#include "model/quote.h"

#include <stddef.h>
#include <strings.h>

/* Longer texts are cut in messages, at this many code points. */
#define DESCRIBED_RUNES_MAX 10

struct keyword {
    const char *word;
    enum token_kind kind;
};

/* sorted by word, for the binary search */
static const struct keyword keywords[] = {
    {"anchored", TOKEN_ANCHORED},
    {"and", TOKEN_AND},
    {"atan2", TOKEN_ATAN2},
    {"avg", TOKEN_AVG},
    {"bool", TOKEN_BOOL},
    {"bottomk", TOKEN_BOTTOMK},
    {"by", TOKEN_BY},
    {"count", TOKEN_COUNT},
    {"count_values", TOKEN_COUNT_VALUES},
    {"end", TOKEN_END},
    {"fill", TOKEN_FILL},
    {"fill_left", TOKEN_FILL_LEFT},
    {"fill_right", TOKEN_FILL_RIGHT},
    {"group", TOKEN_GROUP},
    {"group_left", TOKEN_GROUP_LEFT},
    {"group_right", TOKEN_GROUP_RIGHT},
    {"ignoring", TOKEN_IGNORING},
    {"inf", TOKEN_NUMBER},
    {"limit_ratio", TOKEN_LIMIT_RATIO},
    {"limitk", TOKEN_LIMITK},
    {"max", TOKEN_MAX},
    {"max_of", TOKEN_MAX_OF},
    {"min", TOKEN_MIN},
    {"min_of", TOKEN_MIN_OF},
    {"nan", TOKEN_NUMBER},
    {"offset", TOKEN_OFFSET},
    {"on", TOKEN_ON},
    {"or", TOKEN_OR},
    {"quantile", TOKEN_QUANTILE},
    {"range", TOKEN_RANGE},
    {"smoothed", TOKEN_SMOOTHED},
    {"start", TOKEN_START},
    {"stddev", TOKEN_STDDEV},
    {"stdvar", TOKEN_STDVAR},
    {"step", TOKEN_STEP},
    {"sum", TOKEN_SUM},
    {"topk", TOKEN_TOPK},
    {"unless", TOKEN_UNLESS},
    {"without", TOKEN_WITHOUT},
};

#define KEYWORD_LEN_MAX 12

static int keyword_compare(const struct keyword *keyword, struct slice word)
{
    size_t len = strlen(keyword->word);
    int order = strncasecmp(keyword->word, word.ptr, MIN(len, word.len));
    if (order != 0)
        return order;
    return len < word.len ? -1 : len > word.len;
}

enum token_kind token_word(struct slice word)
{
    size_t low = 0;
    size_t high = word.len > KEYWORD_LEN_MAX ? 0 : ARRAY_SIZE(keywords);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = keyword_compare(&keywords[middle], word);
        if (order == 0)
            return keywords[middle].kind;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return slice_index(word, ':') == SLICE_NONE ? TOKEN_IDENTIFIER : TOKEN_METRIC_IDENTIFIER;
}

enum token_kind token_duration_word(struct slice word)
{
    enum token_kind kind = token_word(word);
    return kind >= TOKEN_STEP && kind <= TOKEN_MIN_OF ? kind : TOKEN_EOF;
}

bool token_is_metric_name(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_METRIC_IDENTIFIER:
    case TOKEN_AND:
    case TOKEN_OR:
    case TOKEN_UNLESS:
        return true;
    case TOKEN_BOOL:
    case TOKEN_GROUP_LEFT:
    case TOKEN_GROUP_RIGHT:
    case TOKEN_IGNORING:
    case TOKEN_ON:
        return false;
    default:
        return kind >= TOKEN_SUM;
    }
}

bool token_is_label_name(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_METRIC_IDENTIFIER:
    case TOKEN_AND:
    case TOKEN_OR:
    case TOKEN_UNLESS:
    case TOKEN_ATAN2:
        return true;
    case TOKEN_WITHOUT:
        return false;
    default:
        return kind >= TOKEN_SUM;
    }
}

static void describe_quoted(struct slice text, struct buf *out)
{
    if (text.len <= DESCRIBED_RUNES_MAX) {
        quote_go(text, out);
        return;
    }
    size_t cut = 0;
    for (size_t i = 0; i < DESCRIBED_RUNES_MAX && cut < text.len; i++) {
        uint32_t rune;
        cut += utf8_decode(slice_from_index(text, cut), &rune);
    }
    quote_go(slice_sub(text, 0, cut), out);
    buf_append_str(out, "...");
}

void token_describe(const struct token *token, struct buf *out)
{
    switch (token->kind) {
    case TOKEN_EOF:
        buf_append_str(out, "end of input");
        return;
    case TOKEN_IDENTIFIER:
        buf_append_str(out, "identifier ");
        quote_go(token->text, out);
        return;
    case TOKEN_METRIC_IDENTIFIER:
        buf_append_str(out, "metric identifier ");
        quote_go(token->text, out);
        return;
    case TOKEN_STRING:
        buf_append_str(out, "string ");
        break;
    case TOKEN_NUMBER:
        buf_append_str(out, "number ");
        break;
    case TOKEN_DURATION:
        buf_append_str(out, "duration ");
        break;
    default:
        if (token_is_keyword(token->kind) || token_is_operator(token->kind) ||
            token_is_aggregator(token->kind)) {
            buf_printf(out, "<%s%.*s>",
                       token_is_operator(token->kind)     ? "op:"
                       : token_is_aggregator(token->kind) ? "aggr:"
                                                          : "",
                       SLICE_ARG(token->text));
            return;
        }
        break;
    }
    describe_quoted(token->text, out);
}
