#include "tests/support/promql_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/regex.h"
#include "model/duration.h"
#include "model/histogram_arithmetic.h"
#include "model/sample.h"
#include "tests/support/at_variant.h"
#include "tests/support/fake_source.h"
#include "tests/support/nhcb_notation.h"
#include "tests/support/series_notation.h"
#include "tests/support/start_notation.h"
#include "tests/support/value_agreement.h"

#define MINUTE_MS 60000

enum expect_kind {
    EXPECT_ORDERED,
    EXPECT_FAIL,
    EXPECT_WARN,
    EXPECT_NO_WARN,
    EXPECT_INFO,
    EXPECT_NO_INFO,
};

struct expect {
    enum expect_kind kind;
    struct slice message; /* exact, where there is no pattern */
    struct slice pattern;
    bool any;
};

struct eval {
    size_t line;
    struct slice text;
    bool is_range;
    int64_t start_ms;
    int64_t end_ms;
    int64_t step_ms;
    bool is_ordered;
    bool fails;
    bool warns;
    bool informs;
    bool is_scalar;
    double scalar;
    bool is_string;
    struct slice string;
    bool is_points; /* expect range vector */
    VEC(struct expect) expects;
    VEC(struct series_line) series;
};

struct script {
    const char *name;
    bool verbose;
    struct promql_engine *engine;
    unsigned features;
    struct fake_source *source;
    const struct script_storage *storage; /* may be NULL */
    struct series_source *stored;         /* NULL = samples changed */
    VEC(struct slice) lines;
    size_t at;
    struct script_counts counts;
    char reason[2048];
};

/* Why the present eval fails; false, for `return script_miss(...)`. */
PRINTF_LIKE(2, 3) static bool script_miss(struct script *script, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(script->reason, sizeof(script->reason), format, arguments);
    va_end(arguments);
    return false;
}

static const struct histogram *row_histogram(const struct promql_row *row, size_t step)
{
    return row->histograms == NULL || !promql_bitmap_get(row->present, step)
               ? NULL
               : row->histograms[step];
}

/* The word in front; the rest stays without blanks. */
static struct slice take_word(struct slice *text)
{
    size_t end = 0;
    while (end < text->len && text->ptr[end] != ' ' && text->ptr[end] != '\t')
        end++;
    struct slice word = slice_sub(*text, 0, end);
    *text = slice_trim(slice_from_index(*text, end));
    return word;
}

static bool take_duration(struct slice *text, int64_t *out_ms)
{
    struct slice word = take_word(text);
    if (slice_eq_str(word, "0")) {
        *out_ms = 0;
        return true;
    }
    return duration_parse(word, out_ms, NULL) == ERR_NONE;
}

static void script_split(struct script *script, struct slice text)
{
    while (text.len > 0) {
        size_t end = slice_index(text, '\n');
        size_t len = end == SLICE_NONE ? text.len : end;
        struct slice line = slice_trim(slice_sub(text, 0, len));
        if (line.len > 0 && line.ptr[0] == '#')
            line = SLICE_EMPTY;
        vec_push(&script->lines, line);
        text = slice_from_index(text, end == SLICE_NONE ? text.len : len + 1);
    }
}

static void script_load_line(struct script *script, struct slice text, int64_t gap_ms,
                             const struct start_line *starts, struct nhcb_collection *classic)
{
    struct series_line line;
    if (!series_line_parse(text, &line)) {
        if (script->verbose)
            printf("%s:%zu: cannot read series %.*s\n", script->name, script->at + 1,
                   SLICE_ARG(text));
        return;
    }
    struct fake_series *series = fake_source_series(script->source, line.labels);
    for (size_t i = 0; i < line.values.len; i++) {
        const struct series_value *value = &line.values.items[i];
        if (value->is_omitted)
            continue;
        if (value->histogram != NULL)
            fake_series_add_histogram(series, (int64_t)i * gap_ms, value->histogram);
        else
            fake_series_add(series, (int64_t)i * gap_ms, value->value);
        if (classic != NULL && value->histogram == NULL)
            nhcb_collection_add(classic, line.labels, (int64_t)i * gap_ms, value->value);
        if (i < starts->items.len && !starts->items.items[i].is_omitted)
            fake_series_set_start(series, (int64_t)i * gap_ms + starts->items.items[i].offset_ms);
    }
    series_line_release(&line);
}

static void script_load(struct script *script, struct slice rest, bool with_nhcb)
{
    struct nhcb_collection CLEANUP(nhcb_collection_release) classic = {0};
    int64_t gap_ms = 0;
    struct start_line CLEANUP(start_line_release) starts = {0};
    if (!take_duration(&rest, &gap_ms))
        printf("%s:%zu: bad interval\n", script->name, script->at + 1);
    for (script->at++; script->at < script->lines.len; script->at++) {
        struct slice line = script->lines.items[script->at];
        if (line.len == 0)
            break;
        struct slice offsets;
        if (start_line_is(line, &offsets)) {
            if (!start_line_parse(offsets, &starts))
                printf("%s:%zu: bad start timestamps\n", script->name, script->at + 1);
            continue;
        }
        script_load_line(script, line, gap_ms, &starts, with_nhcb ? &classic : NULL);
        vec_reset(&starts.items);
    }
    nhcb_collection_load(&classic, script->source);
}

/* The series in the result's text forms, for messages. */
static void print_labels(const struct labels *labels, char *out, size_t size)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, size - 1);
    labels_print_metric(labels, &text);
    snprintf(out, size, "%s", buf_cstr(&text));
}

static const struct series_line *eval_find(const struct eval *eval, const struct labels *labels,
                                           size_t *out_index)
{
    for (size_t i = eval->series.len; i > 0; i--) {
        if (labels_equal(eval->series.items[i - 1].labels, labels)) {
            *out_index = i - 1;
            return &eval->series.items[i - 1];
        }
    }
    return NULL;
}

static bool script_miss_histogram(struct script *script, const char *name,
                                  const struct histogram *expected, const struct histogram *actual)
{
    struct buf texts[2];
    const struct histogram *histograms[2] = {expected, actual};
    for (size_t i = 0; i < 2; i++) {
        buf_init(&texts[i], 4096);
        if (histograms[i] == NULL)
            buf_append_str(&texts[i], "no histogram");
        else
            histogram_print_notation(histograms[i], &texts[i]);
    }
    script_miss(script, "%s: expected %s, got %s", name, buf_cstr(&texts[0]), buf_cstr(&texts[1]));
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    return false;
}

static bool eval_is_expected(struct script *script, const struct labels *labels,
                             const struct series_value *expected, bool present, double value,
                             const struct histogram *histogram)
{
    char name[512];
    print_labels(labels, name, sizeof(name));
    bool wanted = expected != NULL && !expected->is_omitted;
    if (wanted != present)
        return script_miss(script, wanted ? "%s: a value is missing" : "%s: a value too much",
                           name);
    if (present && (expected->histogram != NULL || histogram != NULL))
        return histograms_agree(expected->histogram, histogram, expected->has_hint) ||
               script_miss_histogram(script, name, expected->histogram, histogram);
    if (present && !values_agree(expected->value, value))
        return script_miss(script, "%s: expected %.17g, got %.17g", name, expected->value, value);
    return true;
}

static bool rows_are_sorted(struct script *script, const struct promql_result *result)
{
    for (size_t i = 1; i < result->row_count; i++) {
        if (labels_compare(result->rows[i - 1].labels, result->rows[i].labels) > 0)
            return script_miss(script, "series %zu is not at its place", i);
    }
    return true;
}

/* An expected series is found in the result by its labels; `seen` counts them. */
static bool eval_check_rows(struct script *script, const struct eval *eval,
                            const struct promql_result *result)
{
    size_t seen = 0;
    char name[512];
    if (eval->is_range && !rows_are_sorted(script, result))
        return false;
    for (size_t i = 0; i < result->row_count; i++) {
        const struct promql_row *row = &result->rows[i];
        size_t index;
        const struct series_line *line = eval_find(eval, row->labels, &index);
        print_labels(row->labels, name, sizeof(name));
        if (line == NULL)
            return script_miss(script, "unexpected series %s = %.17g", name, row->values[0]);
        if (eval->is_ordered && index != i)
            return script_miss(script, "%s is at place %zu, expected %zu", name, i, index);
        if (line->values.len > result->steps.count)
            return script_miss(script, "%s: more values expected than there are steps", name);
        for (size_t step = 0; step < result->steps.count; step++) {
            const struct series_value *value =
                step < line->values.len ? &line->values.items[step] : NULL;
            if (!eval_is_expected(script, row->labels, value, promql_bitmap_get(row->present, step),
                                  row->values[step], row_histogram(row, step)))
                return false;
        }
        seen++;
    }
    for (size_t i = 0; i < eval->series.len && seen < eval->series.len; i++) {
        size_t index, found = 0;
        for (size_t r = 0; r < result->row_count && !found; r++)
            found = eval_find(eval, result->rows[r].labels, &index) == &eval->series.items[i];
        print_labels(eval->series.items[i].labels, name, sizeof(name));
        if (!found)
            return script_miss(script, "series %s is missing", name);
    }
    return true;
}

static bool eval_check_points(struct script *script, const struct eval *eval,
                              const struct promql_result *result)
{
    for (size_t i = 0; i < result->points_count; i++) {
        const struct promql_points *points = &result->points[i];
        size_t index, at = 0;
        const struct series_line *line = eval_find(eval, points->labels, &index);
        if (line == NULL)
            return script_miss(script, "unexpected range vector");
        for (size_t v = 0; v < line->values.len; v++) {
            if (line->values.items[v].is_omitted)
                continue;
            int64_t time_ms = eval->start_ms + (int64_t)v * eval->step_ms;
            bool there = at < points->count && points->timestamps_ms[at] == time_ms;
            if (!eval_is_expected(script, points->labels, &line->values.items[v], there,
                                  there ? points->values[at] : 0,
                                  there && points->histograms != NULL ? points->histograms[at]
                                                                      : NULL))
                return false;
            at++;
        }
        if (at != points->count)
            return script_miss(script, "a range vector has %zu points, expected %zu", points->count,
                               at);
    }
    if (result->points_count != eval->series.len)
        return script_miss(script, "%zu range vectors, expected %zu", result->points_count,
                           eval->series.len);
    return true;
}

/* The middle step of the range query has to be the instant query's answer. */
static bool eval_check_middle(struct script *script, const struct eval *eval,
                              const struct promql_result *result)
{
    size_t found = 0;
    const size_t middle = 1;
    if (!rows_are_sorted(script, result))
        return false;
    for (size_t i = 0; i < result->row_count; i++) {
        const struct promql_row *row = &result->rows[i];
        if (!promql_bitmap_get(row->present, middle))
            continue;
        size_t index;
        if (eval->is_scalar)
            return values_agree(eval->scalar, row->values[middle]) ||
                   script_miss(script, "range mode: got scalar %.17g", row->values[middle]);
        const struct series_line *line = eval_find(eval, row->labels, &index);
        if (line == NULL)
            return script_miss(script, "range mode: unexpected series");
        if (!eval_is_expected(script, row->labels, &line->values.items[0], true,
                              row->values[middle], row_histogram(row, middle)))
            return false;
        found++;
    }
    if (found != eval->series.len)
        return script_miss(script, "range mode: %zu series, expected %zu", found, eval->series.len);
    return true;
}

static bool expect_matches(const struct expect *expect, struct slice text)
{
    if (expect->any)
        return true;
    if (expect->pattern.len == 0)
        return slice_eq(expect->message, text);
    struct regex *regex;
    if (regex_new_unanchored(expect->pattern, &regex, NULL) != ERR_NONE)
        return false;
    bool matches = regex_match(regex, text);
    regex_free(regex);
    return matches;
}

/* Every expectation has an annotation, and every annotation an expectation where there is one. */
static bool eval_check_level(struct script *script, const struct eval *eval,
                             const struct promql_result *result, enum promql_annotation_level level,
                             enum expect_kind kind, enum expect_kind no_kind)
{
    size_t expected = 0;
    for (size_t i = 0; i < eval->expects.len; i++) {
        const struct expect *expect = &eval->expects.items[i];
        bool found = false;
        for (size_t a = 0; a < result->annotation_count; a++) {
            const struct promql_annotation *annotation = &result->annotations[a];
            if (annotation->level == level && expect->kind == no_kind)
                return script_miss(script, "unexpected annotation %.*s",
                                   SLICE_ARG(annotation->text));
            found |= annotation->level == level && expect_matches(expect, annotation->text);
        }
        expected += expect->kind == kind;
        if (expect->kind == kind && !found)
            return script_miss(script, "an expected annotation is missing: %.*s%.*s",
                               SLICE_ARG(expect->message), SLICE_ARG(expect->pattern));
    }
    for (size_t a = 0; a < result->annotation_count && expected > 0; a++) {
        const struct promql_annotation *annotation = &result->annotations[a];
        bool found = annotation->level != level;
        for (size_t i = 0; i < eval->expects.len; i++)
            found |= eval->expects.items[i].kind == kind &&
                     expect_matches(&eval->expects.items[i], annotation->text);
        if (!found)
            return script_miss(script, "unexpected annotation %.*s", SLICE_ARG(annotation->text));
    }
    return true;
}

static bool eval_check_annotations(struct script *script, const struct eval *eval,
                                   const struct promql_result *result)
{
    bool warned = false, informed = false;
    for (size_t i = 0; i < result->annotation_count; i++) {
        warned |= result->annotations[i].level == PROMQL_WARNING;
        informed |= result->annotations[i].level == PROMQL_INFO;
    }
    if ((eval->warns && !warned) || (eval->informs && !informed))
        return script_miss(script, "a warning or info is missing");
    return eval_check_level(script, eval, result, PROMQL_WARNING, EXPECT_WARN, EXPECT_NO_WARN) &&
           eval_check_level(script, eval, result, PROMQL_INFO, EXPECT_INFO, EXPECT_NO_INFO);
}

static bool eval_check_failure(struct script *script, const struct eval *eval,
                               const struct errbuf *err)
{
    for (size_t i = 0; i < eval->expects.len; i++) {
        const struct expect *expect = &eval->expects.items[i];
        if (expect->kind == EXPECT_FAIL && !expect_matches(expect, slice_str(err->text)))
            return script_miss(script, "another error is expected; got: %s", err->text);
    }
    if (err->code == ERR_UNSUPPORTED)
        return script_miss(script, "%s", err->text);
    return true;
}

static bool eval_check_result(struct script *script, const struct eval *eval,
                              const struct promql_result *result)
{
    switch (result->type) {
    case PROMQL_SCALAR:
        if (!eval->is_scalar)
            return script_miss(script, "a scalar was not expected");
        return values_agree(eval->scalar, result->rows[0].values[0]) ||
               script_miss(script, "expected %.17g, got %.17g", eval->scalar,
                           result->rows[0].values[0]);
    case PROMQL_STRING:
        return slice_eq(eval->string, result->text) || script_miss(script, "another string");
    case PROMQL_MATRIX:
        if (!result->is_range_query)
            return eval_check_points(script, eval, result);
        break;
    default:
        break;
    }
    if (eval->is_scalar)
        return script_miss(script, "a scalar was expected");
    return eval_check_rows(script, eval, result);
}

static enum err eval_query(struct script *script, const struct promql_expression *expression,
                           int64_t start_ms, int64_t end_ms, int64_t step_ms,
                           struct promql_result **out, struct errbuf *err)
{
    if (script->storage != NULL && script->stored == NULL)
        script->stored = script->storage->store(script->storage->context, script->source);
    struct promql_query query = {
        .expression = expression,
        .source = script->storage == NULL ? &script->source->source : script->stored,
        .start_ms = start_ms,
        .end_ms = end_ms,
        .step_ms = step_ms,
    };
    return promql_evaluate(script->engine, &query, out, err);
}

/* Functions that mean something else in the range query. */
static bool has_context_function(struct slice text)
{
    static const char *const calls[] = {"start()", "end()", "range()", "step()"};
    for (size_t i = 0; i < ARRAY_SIZE(calls) && text.len > 0 && text.ptr != NULL; i++) {
        if (slice_find(text, slice_str(calls[i])) != SLICE_NONE)
            return true;
    }
    return false;
}

static bool eval_again_as_range(struct script *script, const struct eval *eval,
                                const struct promql_expression *expression, int64_t at_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct promql_result *result = NULL;
    if (eval_query(script, expression, at_ms - MINUTE_MS, at_ms + MINUTE_MS, MINUTE_MS, &result,
                   &err) != ERR_NONE)
        return script_miss(script, "range mode: %s", err.text);
    bool good = eval->is_ordered || eval_check_middle(script, eval, result);
    promql_result_free(result);
    return good;
}

static bool eval_run_expression(struct script *script, const struct eval *eval,
                                const struct promql_expression *expression, int64_t at_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct promql_result *result = NULL;
    enum err code = eval->is_range ? eval_query(script, expression, eval->start_ms, eval->end_ms,
                                                eval->step_ms, &result, &err)
                                   : eval_query(script, expression, at_ms, at_ms, 0, &result, &err);
    if (code != ERR_NONE)
        return eval->fails ? eval_check_failure(script, eval, &err)
                           : script_miss(script, "%s", err.text);
    bool good = eval->fails ? script_miss(script, "a failure was expected")
                            : eval_check_annotations(script, eval, result) &&
                                  eval_check_result(script, eval, result);
    promql_result_free(result);
    return good;
}

static bool eval_run_text(struct script *script, const struct eval *eval, struct slice text,
                          int64_t at_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct promql_expression *expression;
    if (promql_parse(text, script->features, &expression, &err) != ERR_NONE)
        return eval->fails ? eval_check_failure(script, eval, &err)
                           : script_miss(script, "parse error: %s", err.text);
    bool good = eval_run_expression(script, eval, expression, at_ms);
    bool again = !eval->fails && !eval->is_range && !eval->is_string && !eval->is_points &&
                 !has_context_function(text);
    if (good && again)
        good = eval_again_as_range(script, eval, expression, at_ms);
    promql_expression_free(expression);
    return good;
}

/* Instant queries are asked again with their time fixed by @, at other times. */
static bool eval_run(struct script *script, const struct eval *eval)
{
    int64_t at_ms = eval->is_points ? eval->end_ms : eval->start_ms;
    if (!eval_run_text(script, eval, eval->text, at_ms))
        return false;
    struct buf CLEANUP(buf_release) variant;
    buf_init(&variant, 1 << 20);
    if (eval->is_range || !at_variant_print(eval->text, script->features, at_ms, &variant))
        return true;
    const int64_t later[] = {-10 * at_ms, 0, at_ms / 5, at_ms, 10 * at_ms};
    const int64_t around[] = {-1000, 0, 1000};
    const int64_t *times = at_ms == 0 ? around : later;
    struct eval again = *eval;
    if (!eval->fails)
        again.expects.len = 0; /* annotations tell places, which are others now */
    for (size_t i = 0; i < (at_ms == 0 ? ARRAY_SIZE(around) : ARRAY_SIZE(later)); i++) {
        if (eval_run_text(script, &again, buf_slice(&variant), times[i]))
            continue;
        char reason[sizeof(script->reason)];
        memcpy(reason, script->reason, sizeof(reason));
        return script_miss(script, "%s at %lld ms: %.1500s", buf_cstr(&variant),
                           (long long)times[i], reason);
    }
    return true;
}

static void eval_release(struct eval *eval)
{
    for (size_t i = 0; i < eval->series.len; i++)
        series_line_release(&eval->series.items[i]);
    vec_release(&eval->series);
    vec_release(&eval->expects);
}

static bool expect_kind_of(struct slice word, enum expect_kind *out)
{
    static const char *const names[] = {
        [EXPECT_ORDERED] = "ordered", [EXPECT_FAIL] = "fail", [EXPECT_WARN] = "warn",
        [EXPECT_NO_WARN] = "no_warn", [EXPECT_INFO] = "info", [EXPECT_NO_INFO] = "no_info",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (slice_eq_str(word, names[i])) {
            *out = (enum expect_kind)i;
            return true;
        }
    }
    return false;
}

/* expect fail|warn|info|no_warn|no_info|ordered [msg: text | regex: pattern] */
static void eval_add_expect(struct eval *eval, struct slice rest)
{
    struct expect expect = {.any = true};
    if (!expect_kind_of(take_word(&rest), &expect.kind))
        return;
    if (slice_has_prefix(rest, SLICE("msg:"))) {
        expect.any = false;
        expect.message = slice_trim(slice_from_index(rest, 4));
    } else if (slice_has_prefix(rest, SLICE("regex:"))) {
        expect.any = false;
        expect.pattern = slice_trim(slice_from_index(rest, 6));
    }
    eval->is_ordered |= expect.kind == EXPECT_ORDERED;
    eval->fails |= expect.kind == EXPECT_FAIL;
    vec_push(&eval->expects, expect);
}

/* expect range vector from A to B step C */
static void eval_expect_points(struct eval *eval, struct slice rest)
{
    eval->is_points = true;
    take_word(&rest);
    take_duration(&rest, &eval->start_ms);
    take_word(&rest);
    take_duration(&rest, &eval->end_ms);
    take_word(&rest);
    take_duration(&rest, &eval->step_ms);
}

/* false when the line was the last of the eval. */
static bool eval_add_line(struct script *script, struct eval *eval, struct slice line)
{
    struct slice rest = line;
    struct slice word = take_word(&rest);
    if (eval->fails && slice_has_prefix(word, SLICE("expected_fail_"))) {
        bool is_pattern = slice_eq_str(word, "expected_fail_regexp");
        vec_push(&eval->expects, ((struct expect){.kind = EXPECT_FAIL,
                                                  .message = is_pattern ? SLICE_EMPTY : rest,
                                                  .pattern = is_pattern ? rest : SLICE_EMPTY}));
        return false;
    }
    if (slice_eq_str(word, "expect")) {
        if (slice_has_prefix(rest, SLICE("range vector"))) {
            eval_expect_points(eval, slice_trim(slice_from_index(rest, 12)));
        } else if (slice_has_prefix(rest, SLICE("string"))) {
            struct slice text = slice_trim(slice_from_index(rest, 6));
            eval->is_string = true;
            eval->string = text.len >= 2 ? slice_sub(text, 1, text.len - 2) : text;
        } else {
            eval_add_expect(eval, rest);
        }
        return true;
    }
    if (series_number_parse(line, &eval->scalar)) {
        eval->is_scalar = true;
        return false;
    }
    struct series_line series;
    if (series_line_parse(line, &series))
        vec_push(&eval->series, series);
    else if (script->verbose)
        printf("%s:%zu: cannot read %.*s\n", script->name, script->at + 1, SLICE_ARG(line));
    return true;
}

/* eval[_fail|_warn|_ordered|_info] instant [at T] Q | eval[...] range from A to B step C Q */
static void script_eval(struct script *script, struct slice command, struct slice rest)
{
    struct eval CLEANUP(eval_release) eval = {.line = script->at + 1};
    eval.fails = slice_eq_str(command, "eval_fail");
    eval.is_ordered = slice_eq_str(command, "eval_ordered");
    eval.warns = slice_eq_str(command, "eval_warn");
    eval.informs = slice_eq_str(command, "eval_info");
    eval.is_range = slice_eq_str(take_word(&rest), "range");
    struct slice copy = rest;
    if (eval.is_range) {
        take_word(&rest);
        take_duration(&rest, &eval.start_ms);
        take_word(&rest);
        take_duration(&rest, &eval.end_ms);
        take_word(&rest);
        take_duration(&rest, &eval.step_ms);
    } else if (slice_eq_str(take_word(&copy), "at")) {
        take_word(&rest);
        take_duration(&rest, &eval.start_ms);
    }
    eval.text = rest;
    for (script->at++; script->at < script->lines.len; script->at++) {
        struct slice line = script->lines.items[script->at];
        if (line.len == 0)
            break;
        if (!eval_add_line(script, &eval, line)) {
            script->at++;
            break;
        }
    }
    script->counts.evals++;
    script->reason[0] = '\0';
    if (eval_run(script, &eval))
        script->counts.passed++;
    else if (script->verbose)
        printf("%s:%zu: %.*s\n    %s\n", script->name, eval.line, SLICE_ARG(eval.text),
               script->reason);
}

struct promql_engine *script_engine_new(unsigned features)
{
    struct promql_engine_options options = {.features = features};
    const char *threads = getenv("FERULA_QUERY_THREADS");
    if (threads != NULL) {
        options.threads = strtoul(threads, NULL, 10);
        options.threads_series_min = 1;
        options.turns_max = 8;
    }
    return promql_engine_new(&options);
}

struct script_counts promql_script_run(const char *name, struct slice text,
                                       struct promql_engine *engine, unsigned features,
                                       bool verbose)
{
    return promql_script_run_on(NULL, name, text, engine, features, verbose);
}

struct script_counts promql_script_run_on(const struct script_storage *storage, const char *name,
                                          struct slice text, struct promql_engine *engine,
                                          unsigned features, bool verbose)
{
    struct script script = {.name = name,
                            .storage = storage,
                            .verbose = verbose,
                            .engine = engine,
                            .features = features,
                            .source = fake_source_new()};
    script_split(&script, text);
    while (script.at < script.lines.len) {
        struct slice rest = script.lines.items[script.at];
        struct slice command = take_word(&rest);
        if (slice_has_prefix(command, SLICE("load"))) {
            script.stored = NULL;
            script_load(&script, rest, slice_eq_str(command, "load_with_nhcb"));
        } else if (slice_has_prefix(command, SLICE("eval"))) {
            script_eval(&script, command, rest);
        } else {
            if (slice_eq_str(command, "clear")) {
                script.stored = NULL;
                fake_source_clear(script.source);
            }
            script.at++;
        }
    }
    vec_release(&script.lines);
    fake_source_free(script.source);
    return script.counts;
}
