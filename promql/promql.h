/*
 * PromQL: text to result (https://prometheus.io/docs/prometheus/latest/querying/basics/). Parsing
 * is apart from evaluating: rules parse once and evaluate often.
 *
 * Errors: ERR_INVALID for what is wrong with the text (errbuf has line, column and byte position;
 * the text is the reference's without "line:col: "), ERR_EXECUTION, ERR_LIMIT (max samples,
 * memory), ERR_TIMEOUT, ERR_CANCELED and ERR_UNSUPPORTED when evaluating.
 *
 * Thread-safety: an engine and a parsed expression may be used from any number of threads.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/memory_budget.h"
#include "base/slice.h"
#include "model/series_source.h"
#include "promql/value.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A parsed and type-checked expression; immutable. */
struct promql_expression;

enum promql_feature {
    PROMQL_EXPERIMENTAL_FUNCTIONS = 1 << 0,
    PROMQL_DURATION_EXPRESSIONS = 1 << 1,
    PROMQL_EXTENDED_RANGE_SELECTORS = 1 << 2,
    PROMQL_FILL_MODIFIERS = 1 << 3,
    PROMQL_DELAYED_NAME_REMOVAL = 1 << 4,
    PROMQL_PER_STEP_STATS = 1 << 5,
    PROMQL_START_TIMESTAMPS = 1 << 6,     /* rate and its kin look at start timestamps */
    PROMQL_TYPE_AND_UNIT_LABELS = 1 << 7, /* __type__ tells what a counter is */
};

#define PROMQL_TEXT_BYTES_MAX (1024 * 1024)
/* Of parentheses, arguments and signs in each other. */
#define PROMQL_DEPTH_MAX 512
/* Of the tree, in which a chain a + b + c goes down a level with every operator. */
#define PROMQL_HEIGHT_MAX 10000

enum err promql_parse(struct slice text, unsigned features, struct promql_expression **out,
                      struct errbuf *err) MUST_CHECK;
void promql_expression_free(struct promql_expression *expression);
/* Calls `each` with the matchers of every selector in the expression. */
void promql_each_selector(const struct promql_expression *expression,
                          void (*each)(void *context, const struct matcher *const *matchers,
                                       size_t count),
                          void *context);
enum promql_type promql_expression_type(const struct promql_expression *expression);
/* These three end early when `out` is full, or when there is no stack for a very high tree; it says
 * `overflow` then. */
/* The reference's String(): one line. */
void promql_print(const struct promql_expression *expression, struct buf *out);
/* The reference's Prettify, as format_query answers: broken into lines where it is long. */
void promql_format(const struct promql_expression *expression, struct buf *out);
/* The tree as JSON, as parse_query answers it. */
void promql_tree_json(const struct promql_expression *expression, struct buf *out);

/* "line:col: parse error: text", as the API and rule files say it. */
void promql_error_text(const struct errbuf *err, struct buf *out);

/* A selector such as up{job="x"} for match[] parameters: its matchers, to be freed by
 * promql_matchers_free. Whether all of them may match the empty value is the caller's business:
 * series and labels refuse that, federation does not. */
struct promql_matchers {
    struct matcher **items;
    size_t count;
};
enum err promql_parse_selector(struct slice text, struct promql_matchers *out,
                               struct errbuf *err) MUST_CHECK;
void promql_matchers_free(struct promql_matchers *matchers);

struct promql_engine;

struct promql_engine_options {
    const struct clock *clock;        /* NULL = clock_system */
    int64_t timeout_ms;               /* 0 = 2 m */
    uint64_t samples_max;             /* 0 = 50,000,000 */
    size_t concurrency_max;           /* 0 = 20; further queries wait */
    size_t turns_max;                 /* 0 = the processors; how many of them compute at once */
    int64_t lookback_delta_ms;        /* 0 = 5 m */
    int64_t default_subquery_step_ms; /* 0 = 1 m */
    uint64_t query_bytes_max;         /* memory of one query; 0 = 1 GiB */
    struct memory_budget *memory;     /* which all queries share; NULL = no limit but that */
    size_t threads;                   /* that one query may use where processors are free; 0 = 1 */
    size_t threads_series_min;        /* for so many series, fewer where steps are many; 0 = 1,024 */
    unsigned features;
};

struct promql_engine *promql_engine_new(const struct promql_engine_options *options) MUST_CHECK;
void promql_engine_free(struct promql_engine *engine); /* no query may run */
/* global.evaluation_interval may change at a reload. */
void promql_engine_set_subquery_step(struct promql_engine *engine, int64_t step_ms);

/* One evaluation. Zero = default. */
struct promql_query {
    const struct promql_expression *expression;
    struct series_source *source;
    int64_t start_ms; /* an instant query has its time here and in end_ms, and step_ms 0 */
    int64_t end_ms;
    int64_t step_ms;
    int64_t timeout_ms;        /* capped by the engine's */
    int64_t lookback_delta_ms; /* 0 = the engine's */
    bool statistics_by_step;   /* where the engine's features have it */
    bool explain;              /* the result tells what every operator did */
    /* Looked at while evaluating: set to true to cancel. May be NULL. */
    const atomic_bool *canceled;
};

enum err promql_evaluate(struct promql_engine *engine, const struct promql_query *query,
                         struct promql_result **out, struct errbuf *err) MUST_CHECK;
