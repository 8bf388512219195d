/*
 * The text formats: 0.0.4 and 1.0.0 (https://prometheus.io/docs/instrumenting/exposition_formats/)
 * and OpenMetrics 0.0.1 and 1.0.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/). The
 * loops are the hot path of a scrape: a sample line takes three scans, of series, number and end of
 * line, and goes token by token only where one of them is not sure.
 */
#include "exposition/text.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/utf8.h"
#include "exposition/created.h"
#include "exposition/entry.h"
#include "exposition/scan.h"
#include "exposition/unescape.h"

struct text_parser {
    const struct exposition_sink *sink;
    const char *end;
    struct exposition_lexer lexer; /* of the slow path */
    struct exposition_series series;
    double value;
    bool has_timestamp;
    int64_t timestamp_ms;
    struct created_lines created; /* where the sink wants them */
};

static inline bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The body ends with a newline, so there is always a byte that is no blank. */
static inline const char *skip_blanks(const char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

/* The series text at `at`, from memory where the sink knows it; NULL where it is not plain. */
static inline const char *take_series(struct text_parser *parser, const char *at, bool blanks)
{
    const struct exposition_sink *sink = parser->sink;
    if (sink->recognise != NULL) {
        size_t len = sink->recognise(sink->context, slice_from(at, (size_t)(parser->end - at)));
        ASSERT(len == 0 || len < (size_t)(parser->end - at));
        /* a known name may be the beginning of a longer one */
        if (len > 0 && (at[len - 1] == '}' || is_blank(at[len])))
            return at + len;
    }
    return scan_series(at, parser->end, blanks);
}

/* A sample line in its usual form: the next line, NULL where the slow path has to look. */
static inline const char *take_sample(struct text_parser *parser, const char *at)
{
    const char *series_end = take_series(parser, at, true);
    if (series_end == NULL)
        return NULL;
    parser->series.text = slice_from(at, (size_t)(series_end - at));
    at = scan_number(skip_blanks(series_end), parser->end, &parser->value);
    if (at == NULL)
        return NULL;
    parser->has_timestamp = false;
    if (LIKELY(*at == '\n'))
        return at + 1;
    at = skip_blanks(at);
    if (*at != '\n') {
        at = scan_integer(at, parser->end, &parser->timestamp_ms);
        if (at == NULL)
            return NULL;
        parser->has_timestamp = true;
        at = skip_blanks(at);
    }
    return *at == '\n' ? at + 1 : NULL;
}

static enum exposition_answer give_help(struct text_parser *parser, const struct entry *entry)
{
    const struct exposition_sink *sink = parser->sink;
    if (sink->help == NULL)
        return EXPOSITION_GO_ON;
    if (slice_index(entry->text, '\\') == SLICE_NONE)
        return sink->help(sink->context, entry->family, entry->text);
    char *memory = mem_alloc(entry->text.len);
    struct slice text = {memory, unescape(entry->text, parser->lexer.openmetrics, memory)};
    enum exposition_answer answer = sink->help(sink->context, entry->family, text);
    mem_free(memory);
    return answer;
}

/* The sink has had enough, mostly because of labels that it could not take: what series_labels said
 * of the place is relative to the series. */
static enum err stopped(const struct text_parser *parser, struct errbuf *err)
{
    if (err == NULL || parser->series.text.ptr == NULL)
        return ERR_CANCELED;
    struct slice body = parser->lexer.body;
    size_t start = (size_t)(parser->series.text.ptr - body.ptr);
    err->line = 1;
    for (size_t i = 0; i < start; i++)
        err->line += body.ptr[i] == '\n';
    err->column = MAX(err->column, 1u);
    err->position += start;
    return ERR_CANCELED;
}

static enum exposition_answer give_sample(struct text_parser *parser)
{
    return parser->sink->sample(parser->sink->context, &parser->series, parser->value,
                                parser->has_timestamp, parser->timestamp_ms);
}

/* With its start timestamp where that is wanted; `next` is the line behind it. */
static enum exposition_answer give_started(struct text_parser *parser, const char *next)
{
    if (LIKELY(!parser->sink->created_lines))
        return give_sample(parser);
    struct exposition_lexer lexer = parser->lexer;
    lexer.at = (size_t)(next - lexer.body.ptr);
    if (created_lines_is(&parser->created, &parser->series))
        return EXPOSITION_GO_ON;
    parser->series.start_ms = created_lines_find(&parser->created, &lexer, &parser->series);
    return give_sample(parser);
}

static enum exposition_answer give_sample_with_exemplar(struct text_parser *parser,
                                                        const struct entry *entry)
{
    const char *next = parser->lexer.body.ptr + parser->lexer.at;
    enum exposition_answer answer =
        parser->series.openmetrics ? give_started(parser, next) : give_sample(parser);
    if (answer == EXPOSITION_GO_ON && entry->has_exemplar && parser->sink->exemplar != NULL)
        answer = entry_give_exemplar(entry, parser->sink);
    return answer;
}

static enum exposition_answer give_entry(struct text_parser *parser, const struct entry *entry)
{
    const struct exposition_sink *sink = parser->sink;
    switch (entry->kind) {
    case ENTRY_SAMPLE:
        parser->series.text = entry->series;
        parser->value = entry->value;
        parser->has_timestamp = entry->has_timestamp;
        parser->timestamp_ms = entry->timestamp_ms;
        return give_sample_with_exemplar(parser, entry);
    case ENTRY_HELP:
        return give_help(parser, entry);
    case ENTRY_TYPE:
        parser->series.type = entry->type;
        parser->created.family = entry->family;
        return sink->type == NULL ? EXPOSITION_GO_ON
                                  : sink->type(sink->context, entry->family, entry->type);
    case ENTRY_UNIT:
        parser->series.unit = entry->text;
        return sink->unit == NULL ? EXPOSITION_GO_ON
                                  : sink->unit(sink->context, entry->family, entry->text);
    case ENTRY_COMMENT:
    case ENTRY_END:
        break;
    }
    return EXPOSITION_GO_ON;
}

/* The types that both formats have. */
static bool plain_type(struct slice text, enum metric_type *out)
{
    return metric_type_parse(text, out) && (*out == METRIC_COUNTER || *out == METRIC_GAUGE ||
                                            *out == METRIC_HISTOGRAM || *out == METRIC_SUMMARY);
}

/* A HELP or TYPE line in its usual form; the next line, NULL where the slow path has to look. */
static const char *take_metadata(const struct text_parser *parser, const char *at,
                                 struct entry *out)
{
    static const char help[] = "# HELP ";
    static const char type[] = "# TYPE ";
    enum { WORD_SIZE = sizeof(help) - 1 };
    if (parser->end - at < WORD_SIZE)
        return NULL;
    bool is_help = memcmp(at, help, WORD_SIZE) == 0;
    if (!is_help && memcmp(at, type, WORD_SIZE) != 0)
        return NULL;
    const char *name = at + WORD_SIZE;
    const char *name_end = scan_name(name, parser->end);
    if (name_end == NULL || parser->end - name_end < 2 || *name_end != ' ' || is_blank(name_end[1]))
        return NULL;
    const char *text = name_end + 1;
    const char *text_end = memchr(text, '\n', (size_t)(parser->end - text));
    if (text_end == NULL || text_end == text)
        return NULL;
    out->kind = is_help ? ENTRY_HELP : ENTRY_TYPE;
    out->family = slice_from(name, (size_t)(name_end - name));
    out->text = slice_from(text, (size_t)(text_end - text));
    bool good = is_help ? utf8_valid(out->text) : plain_type(out->text, &out->type);
    return good ? text_end + 1 : NULL;
}

/* One entry that is no usual sample; *at becomes the next line, or NULL behind the last entry. */
static enum err take_entry(struct text_parser *parser, const char **at, struct errbuf *err)
{
    struct entry entry;
    const char *next = take_metadata(parser, *at, &entry);
    if (next == NULL) {
        parser->lexer.at = (size_t)(*at - parser->lexer.body.ptr);
        enum err code = entry_read(&parser->lexer, &entry, err);
        if (code != ERR_NONE)
            return code;
        if (entry.kind != ENTRY_END)
            next = parser->lexer.body.ptr + parser->lexer.at;
    }
    *at = next;
    return give_entry(parser, &entry) == EXPOSITION_STOP ? stopped(parser, err) : ERR_NONE;
}

/* A body that was cut short may end within a number, which would then be stored as another one. */
static enum err refuse_cut_body(struct slice body, struct errbuf *err)
{
    size_t start = body.len;
    while (start > 0 && body.ptr[start - 1] != '\n')
        start--;
    struct exposition_lexer lexer = {.body = body, .start = start};
    return entry_refuse(
        &lexer, slice_from_index(body, start), err,
        "the last line does not end with a newline, so it may have been cut short: ");
}

static struct text_parser text_parser(struct slice body, bool openmetrics,
                                      const struct exposition_sink *sink)
{
    return (struct text_parser){
        .sink = sink,
        .end = body.ptr + body.len,
        .lexer = {.body = body, .openmetrics = openmetrics},
        .series = {.type = METRIC_UNKNOWN, .openmetrics = openmetrics},
    };
}

enum err text_parse(struct slice body, const struct exposition_sink *sink, struct errbuf *err)
{
    if (body.len > 0 && body.ptr[body.len - 1] != '\n')
        return refuse_cut_body(body, err);
    struct text_parser parser = text_parser(body, false, sink);
    const char *at = body.ptr;
    while (at < parser.end) {
        const char *next = *at == '#' ? NULL : take_sample(&parser, at);
        if (LIKELY(next != NULL)) {
            at = next;
            if (give_sample(&parser) == EXPOSITION_STOP)
                return stopped(&parser, err);
            continue;
        }
        enum err code = take_entry(&parser, &at, err);
        if (code != ERR_NONE)
            return code;
        if (at == NULL)
            break;
    }
    return ERR_NONE;
}

/* As take_sample: one space between the parts, the time in seconds with a fraction. */
static inline const char *take_openmetrics_sample(struct text_parser *parser, const char *at)
{
    const char *series_end = take_series(parser, at, false);
    if (series_end == NULL || series_end == parser->end || *series_end != ' ')
        return NULL;
    parser->series.text = slice_from(at, (size_t)(series_end - at));
    at = scan_number(series_end + 1, parser->end, &parser->value);
    if (at == NULL)
        return NULL;
    parser->has_timestamp = false;
    if (LIKELY(*at == '\n'))
        return at + 1;
    double seconds;
    at = *at == ' ' ? scan_number(at + 1, parser->end, &seconds) : NULL;
    if (at == NULL || *at != '\n' || !(seconds > -1e15 && seconds < 1e15))
        return NULL;
    parser->has_timestamp = true;
    parser->timestamp_ms = (int64_t)(seconds * 1000);
    return at + 1;
}

static enum err openmetrics_run(struct text_parser *parser, struct errbuf *err)
{
    const char *at = parser->lexer.body.ptr;
    for (;;) {
        const char *next =
            at == parser->end || *at == '#' ? NULL : take_openmetrics_sample(parser, at);
        if (LIKELY(next != NULL)) {
            at = next;
            if (give_started(parser, at) == EXPOSITION_STOP)
                return stopped(parser, err);
            continue;
        }
        enum err code = take_entry(parser, &at, err);
        if (code != ERR_NONE)
            return code;
        if (at == NULL)
            return ERR_NONE;
    }
}

enum err openmetrics_parse(struct slice body, const struct exposition_sink *sink,
                           struct errbuf *err)
{
    struct text_parser parser = text_parser(body, true, sink);
    if (sink->created_lines)
        created_lines_init(&parser.created);
    enum err code = openmetrics_run(&parser, err);
    if (sink->created_lines)
        created_lines_release(&parser.created);
    return code;
}
