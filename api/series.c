/* series, labels and label/<name>/values: what a metric browser asks. */
#include "api/api_internal.h"
#include "base/arena.h"
#include "base/table.h"
#include "base/utf8.h"
#include "model/timestamp.h"

#include <stdlib.h>

/* What the three endpoints have in common. */
struct series_request {
    int64_t start_ms;
    int64_t end_ms;
    size_t limit;
    struct match_sets sets;
    struct series_view *view;
    struct memory_hold memory;
};

static bool series_request_parse(struct http_request *request, struct http_response *response,
                                 bool name_parameter, struct series_request *out)
{
    *out = (struct series_request){0};
    return parameter_limit(request, response, &out->limit) &&
           parameter_time(request, response, "start", API_TIME_MIN, &out->start_ms) &&
           parameter_time(request, response, "end", API_TIME_MAX, &out->end_ms) &&
           parameter_match_sets(request, response, name_parameter, &out->sets);
}

static bool series_request_open(struct api *api, struct http_response *response,
                                struct series_request *out)
{
    memory_hold_init(&out->memory, api->options.memory, MEMORY_ANSWERS);
    struct errbuf err = ERRBUF_INIT;
    if (series_source_open(tsdb_source(api->db), out->start_ms, out->end_ms, &out->view, &err) ==
        ERR_NONE)
        return true;
    answer_error_from(response, &err);
    return false;
}

static void series_request_release(struct series_request *parsed)
{
    series_view_close(parsed->view);
    match_sets_release(&parsed->sets);
    memory_hold_release(&parsed->memory);
}

/* What storage left out of the answer; the arena has to stay until its end. */
static void series_request_warn(const struct series_request *parsed, struct arena *arena,
                                struct answer *answer)
{
    struct text_list left_out;
    series_view_warnings(parsed->view, arena, &left_out);
    for (size_t i = 0; i < left_out.count; i++)
        answer_warn(answer, left_out.items[i]);
}

/* The query of one set of match[]; one more than the limit, so that cutting is seen. */
static struct series_query series_request_query(struct series_request *parsed, size_t set)
{
    struct series_query query = {
        .min_ms = parsed->start_ms,
        .max_ms = parsed->end_ms,
        .limit = parsed->limit == 0 ? 0 : parsed->limit + 1,
        .memory = &parsed->memory,
    };
    if (set < parsed->sets.items.len) {
        query.matchers = (const struct matcher *const *)parsed->sets.items.items[set].items;
        query.matcher_count = parsed->sets.items.items[set].count;
    }
    return query;
}

static int series_entry_compare(const void *a, const void *b)
{
    const struct series_entry *left = a;
    const struct series_entry *right = b;
    return labels_compare(left->labels, right->labels);
}

/* Several sets may select the same series: sort and keep one of each. */
static void series_list_merge(struct series_list *list)
{
    if (list->entries.len < 2)
        return;
    qsort(list->entries.items, list->entries.len, sizeof(*list->entries.items),
          series_entry_compare);
    size_t kept = 1;
    for (size_t i = 1; i < list->entries.len; i++) {
        if (!labels_equal(list->entries.items[i].labels, list->entries.items[kept - 1].labels))
            list->entries.items[kept++] = list->entries.items[i];
    }
    list->entries.len = kept;
}

static bool series_select_all(struct http_response *response, struct series_request *parsed,
                              struct series_list *out)
{
    for (size_t i = 0; i < parsed->sets.items.len; i++) {
        struct series_query query = series_request_query(parsed, i);
        struct series_list part = {0};
        struct errbuf err = ERRBUF_INIT;
        query.sorted = true;
        if (series_view_select(parsed->view, &query, &part, &err) != ERR_NONE) {
            answer_error_from(response, &err);
            series_list_release(&part);
            return false;
        }
        vec_reserve(&out->entries, part.entries.len);
        for (size_t at = 0; at < part.entries.len; at++)
            out->entries.items[out->entries.len++] = part.entries.items[at];
        series_list_release(&part);
    }
    if (parsed->sets.items.len > 1)
        series_list_merge(out);
    return true;
}

void series_list_handler(struct http_request *request, struct http_response *response,
                         void *context)
{
    struct api *api = context;
    struct slice ignored;
    if (request->parameters_error != NULL) {
        answer_error(response, API_ERROR_BAD_DATA, "error parsing form values: %s",
                     request->parameters_error);
        return;
    }
    if (!http_request_parameter(request, "match[]", &ignored)) {
        answer_error(response, API_ERROR_BAD_DATA, "no match[] parameter provided");
        return;
    }
    struct series_request parsed;
    struct series_list list = {0};
    if (series_request_parse(request, response, true, &parsed) &&
        series_request_open(api, response, &parsed) &&
        series_select_all(response, &parsed, &list)) {
        size_t count = list.entries.len;
        struct answer answer;
        answer_begin(&answer, response);
        series_request_warn(&parsed, request->arena, &answer);
        if (parsed.limit > 0 && count > parsed.limit) {
            count = parsed.limit;
            answer_warn(&answer, SLICE("results truncated due to limit"));
        }
        json_array_begin(&answer.json);
        for (size_t i = 0; i < count && answer_flush(&answer); i++)
            json_labels(&answer.json, list.entries.items[i].labels);
        json_array_end(&answer.json);
        answer_end(&answer);
    }
    series_list_release(&list);
    series_request_release(&parsed);
}

static int text_compare(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

typedef enum err (*series_texts)(struct series_view *view, struct slice name,
                                 const struct series_query *query, struct arena *arena,
                                 struct text_list *out, struct errbuf *err);

static enum err series_names_of(struct series_view *view, struct slice name,
                                const struct series_query *query, struct arena *arena,
                                struct text_list *out, struct errbuf *err)
{
    return series_view_label_names(view, query, arena, out, err);
}

/* The texts of all sets, sorted, each once. */
static enum err series_texts_of_sets(struct series_request *parsed, series_texts get,
                                     struct slice name, struct arena *arena,
                                     struct text_list *out, struct errbuf *err)
{
    size_t set_count = parsed->sets.items.len;
    if (set_count <= 1) {
        struct series_query query = series_request_query(parsed, 0);
        return get(parsed->view, name, &query, arena, out, err);
    }
    VEC(struct slice) all = {0};
    for (size_t i = 0; i < set_count; i++) {
        struct series_query query = series_request_query(parsed, i);
        struct text_list part = {0};
        enum err code = get(parsed->view, name, &query, arena, &part, err);
        if (code != ERR_NONE) {
            vec_release(&all);
            return code;
        }
        for (size_t at = 0; at < part.count; at++)
            vec_push(&all, part.items[at]);
    }
    if (all.len > 0)
        qsort(all.items, all.len, sizeof(*all.items), text_compare);
    out->items = arena_alloc_array(arena, all.len, sizeof(*out->items));
    out->count = 0;
    for (size_t i = 0; i < all.len; i++) {
        if (out->count == 0 || !slice_eq(out->items[out->count - 1], all.items[i]))
            out->items[out->count++] = all.items[i];
    }
    vec_release(&all);
    return ERR_NONE;
}

static void series_answer_texts(struct api *api, struct http_request *request,
                                struct http_response *response, series_texts get,
                                struct slice name)
{
    struct series_request parsed;
    if (!series_request_parse(request, response, false, &parsed) ||
        !series_request_open(api, response, &parsed)) {
        series_request_release(&parsed);
        return;
    }
    struct arena arena CLEANUP(arena_release);
    arena_init(&arena, SIZE_MAX); /* what goes in is asked of the budget */
    struct text_list texts = {0};
    struct errbuf err = ERRBUF_INIT;
    if (series_texts_of_sets(&parsed, get, name, &arena, &texts, &err) != ERR_NONE) {
        answer_error_from(response, &err);
    } else {
        struct answer answer;
        answer_begin(&answer, response);
        series_request_warn(&parsed, &arena, &answer);
        size_t count = texts.count;
        if (parsed.limit > 0 && count > parsed.limit) {
            count = parsed.limit;
            answer_warn(&answer, SLICE("results truncated due to limit"));
        }
        json_array_begin(&answer.json);
        for (size_t i = 0; i < count && answer_flush(&answer); i++)
            json_string(&answer.json, texts.items[i]);
        json_array_end(&answer.json);
        answer_end(&answer);
    }
    series_request_release(&parsed);
}

void series_label_names(struct http_request *request, struct http_response *response,
                        void *context)
{
    series_answer_texts(context, request, response, series_names_of, SLICE_EMPTY);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* U__http_2e_status is http.status: _XX_ is a code point, __ is an underscore. A text that breaks the
 * rules stays as it is. */
static struct slice series_unescape_name(struct arena *arena, struct slice name)
{
    if (!slice_has_prefix(name, SLICE("U__")))
        return name;
    char *text = arena_alloc(arena, name.len + 4);
    size_t len = 0;
    for (size_t i = 3; i < name.len; i++) {
        if (name.ptr[i] != '_') {
            text[len++] = name.ptr[i];
            continue;
        }
        if (i + 1 < name.len && name.ptr[i + 1] == '_') {
            text[len++] = '_';
            i++;
            continue;
        }
        uint32_t rune = 0;
        size_t at = i + 1;
        while (at < name.len && at - i <= 6 && hex_digit(name.ptr[at]) >= 0)
            rune = rune * 16 + (uint32_t)hex_digit(name.ptr[at++]);
        if (at == i + 1 || at >= name.len || name.ptr[at] != '_' || rune > 0x10ffff)
            return name;
        /* never longer than its escape: _X_ is three bytes for one below 0x80, and so on */
        len += utf8_encode(rune, text + len);
        i = at;
    }
    return slice_from(text, len);
}

void series_label_values(struct http_request *request, struct http_response *response,
                         void *context)
{
    struct slice name = series_unescape_name(request->arena, request->route_tail);
    if (!labels_name_valid_utf8(name)) {
        answer_error(response, API_ERROR_BAD_DATA, "invalid label name: \"%.*s\"",
                     SLICE_ARG(name));
        return;
    }
    series_answer_texts(context, request, response, series_view_label_values, name);
}
