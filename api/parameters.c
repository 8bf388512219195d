/*
 * Parameters of requests, with the reference's words for what is wrong with them. Durations come as
 * float seconds or in the form 5m, times as Unix seconds or RFC 3339.
 */
#include "api/api_internal.h"
#include "base/float_text.h"
#include "model/duration.h"
#include "model/quote.h"
#include "model/timestamp.h"

#include <math.h>
#include <stdlib.h>

struct slice parameter_text(const struct http_request *request, const char *name)
{
    struct slice value = SLICE_EMPTY;
    http_request_parameter(request, name, &value);
    return value;
}

const char *parameter_quoted(struct http_request *request, struct slice text)
{
    struct buf quoted CLEANUP(buf_release);
    buf_init(&quoted, BUF_SIZE_ANY);
    quote_go(text, &quoted);
    return arena_slice(request->arena, buf_slice(&quoted)).ptr;
}

bool parameter_time(struct http_request *request, struct http_response *response, const char *name,
                    int64_t default_ms, int64_t *out_ms)
{
    struct slice text = parameter_text(request, name);
    if (text.len == 0) {
        *out_ms = default_ms;
        return true;
    }
    if (timestamp_parse(text, out_ms))
        return true;
    answer_error(response, API_ERROR_BAD_DATA,
                 "invalid parameter \"%s\": invalid time value for '%s': cannot parse %s to a valid "
                 "timestamp",
                 name, name, parameter_quoted(request, text));
    return false;
}

bool parameter_time_required(struct http_request *request, struct http_response *response,
                             const char *name, int64_t *out_ms)
{
    struct slice text = parameter_text(request, name);
    if (timestamp_parse(text, out_ms))
        return true;
    answer_error(response, API_ERROR_BAD_DATA,
                 "invalid parameter \"%s\": cannot parse %s to a valid timestamp", name,
                 parameter_quoted(request, text));
    return false;
}

bool parameter_duration(struct http_request *request, struct http_response *response,
                        const char *name, bool required, double *out_seconds, bool *out_given)
{
    struct slice text = parameter_text(request, name);
    *out_given = text.len > 0;
    if (!*out_given && !required)
        return true;
    double seconds;
    if (text.len > 0 && float_text_parse(text, &seconds, NULL)) {
        if (fabs(seconds) * 1e9 > 0x1p63) {
            answer_error(response, API_ERROR_BAD_DATA,
                         "invalid parameter \"%s\": cannot parse %s to a valid duration. It "
                         "overflows int64",
                         name, parameter_quoted(request, text));
            return false;
        }
        *out_seconds = isnan(seconds) ? 0 : seconds;
        return true;
    }
    int64_t duration_ms;
    if (duration_parse(text, &duration_ms, NULL) == ERR_NONE) {
        *out_seconds = (double)duration_ms / 1000;
        return true;
    }
    answer_error(response, API_ERROR_BAD_DATA,
                 "invalid parameter \"%s\": cannot parse %s to a valid duration", name,
                 parameter_quoted(request, text));
    return false;
}

bool parameter_limit(struct http_request *request, struct http_response *response, size_t *out)
{
    struct slice text = parameter_text(request, "limit");
    *out = 0;
    if (text.len == 0)
        return true;
    char *end;
    long long limit = strtoll(arena_slice(request->arena, text).ptr, &end, 10);
    bool sign_only = text.len == 1 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    if (*end != '\0' || sign_only || slice_trim(text).len != text.len) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"limit\": strconv.Atoi: parsing %s: invalid syntax",
                     parameter_quoted(request, text));
        return false;
    }
    if (limit < 0) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"limit\": limit must be non-negative");
        return false;
    }
    *out = (size_t)limit;
    return true;
}

static bool match_set_selects(const struct promql_matchers *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (!matcher_matches_empty(set->items[i]))
            return true;
    }
    return false;
}

/* Selectors as they are, or only those that have a matcher of a value. */
static bool parse_match_sets(struct http_request *request, struct http_response *response,
                             const char *prefix, bool selecting, struct match_sets *out)
{
    *out = (struct match_sets){0};
    for (size_t i = 0; i < request->parameter_count; i++) {
        if (!slice_eq_str(request->parameters[i].name, "match[]"))
            continue;
        struct promql_matchers set;
        struct errbuf err = ERRBUF_INIT;
        if (promql_parse_selector(request->parameters[i].value, &set, &err) != ERR_NONE) {
            struct buf text CLEANUP(buf_release);
            buf_init(&text, BUF_SIZE_ANY);
            promql_error_text(&err, &text);
            answer_error(response, API_ERROR_BAD_DATA, "%s%s", prefix, buf_cstr(&text));
            match_sets_release(out);
            return false;
        }
        vec_push(&out->items, set);
        if (selecting && !match_set_selects(&set)) {
            answer_error(response, API_ERROR_BAD_DATA,
                         "%smatch[] must contain at least one non-empty matcher", prefix);
            match_sets_release(out);
            return false;
        }
    }
    return true;
}

#define PARAMETER_MATCH "invalid parameter \"match[]\": "

bool parameter_match_sets(struct http_request *request, struct http_response *response,
                          bool name_parameter, struct match_sets *out)
{
    return parse_match_sets(request, response, name_parameter ? PARAMETER_MATCH : "", true, out);
}

bool parameter_selectors(struct http_request *request, struct http_response *response,
                         struct match_sets *out)
{
    return parse_match_sets(request, response, PARAMETER_MATCH, false, out);
}

void match_sets_release(struct match_sets *sets)
{
    for (size_t i = 0; i < sets->items.len; i++)
        promql_matchers_free(&sets->items.items[i]);
    vec_release(&sets->items);
}
