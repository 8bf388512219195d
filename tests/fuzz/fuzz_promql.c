/* PromQL: whatever parses, prints; and what was printed parses again and prints the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FEATURES                                                                                   \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS |                                 \
     PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_FILL_MODIFIERS)

static void check_round_trip(const struct promql_expression *expression,
                             void (*print)(const struct promql_expression *, struct buf *))
{
    struct buf first CLEANUP(buf_release);
    struct buf second CLEANUP(buf_release);
    buf_init(&first, BUF_SIZE_ANY);
    buf_init(&second, BUF_SIZE_ANY);
    print(expression, &first);
    if (first.len > PROMQL_TEXT_BYTES_MAX)
        return;
    struct promql_expression *again;
    struct errbuf err = ERRBUF_INIT;
    enum err code = promql_parse(buf_slice(&first), FEATURES, &again, &err);
    ASSERT(code == ERR_NONE);
    print(again, &second);
    ASSERT(slice_eq(buf_slice(&first), buf_slice(&second)));
    ASSERT(promql_expression_type(again) == promql_expression_type(expression));
    promql_expression_free(again);
}

static void check_tree(const struct promql_expression *expression)
{
    struct buf json CLEANUP(buf_release);
    buf_init(&json, BUF_SIZE_ANY);
    promql_tree_json(expression, &json);
    ASSERT(json.len > 2 && json.data[0] == '{' && json.data[json.len - 1] == '}');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_from((const char *)data, size);
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    if (promql_parse(text, FEATURES, &expression, &err) == ERR_NONE) {
        check_round_trip(expression, promql_print);
        check_round_trip(expression, promql_format);
        check_tree(expression);
        promql_expression_free(expression);
    } else {
        ASSERT(err.text[0] != '\0');
        ASSERT(err.position <= size);
    }
    struct promql_matchers matchers;
    if (promql_parse_selector(text, &matchers, NULL) == ERR_NONE)
        promql_matchers_free(&matchers);
    return 0;
}
