/* Parameters come from the body first, then from the URL, so that the first of a name is Go's
 * FormValue. */
#include "net/http_request.h"

#include <strings.h>

#include "base/arena.h"

bool http_request_parameter(const struct http_request *request, const char *name, struct slice *out)
{
    for (size_t i = 0; i < request->parameter_count; i++) {
        if (slice_eq_str(request->parameters[i].name, name)) {
            *out = request->parameters[i].value;
            return true;
        }
    }
    return false;
}

struct slice http_request_header(const struct http_request *request, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice other = request->headers[i].name;
        if (other.len == len && strncasecmp(other.ptr, name, len) == 0)
            return request->headers[i].value;
    }
    return SLICE_EMPTY;
}

static bool has_form(const struct http_request *request)
{
    if (request->body.len == 0 || (request->method & (HTTP_GET | HTTP_HEAD | HTTP_DELETE)) != 0)
        return false;
    static const struct slice form_type = {"application/x-www-form-urlencoded", 33};
    struct slice type = http_request_header(request, "Content-Type");
    size_t semicolon = slice_index(type, ';');
    if (semicolon != SLICE_NONE)
        type = slice_sub(type, 0, semicolon);
    type = slice_trim(type);
    return type.len == form_type.len && strncasecmp(type.ptr, form_type.ptr, type.len) == 0;
}

/* Keeps the first error. */
static void error_keep(struct http_request *request, const char *text)
{
    if (request->parameters_error == NULL)
        request->parameters_error = arena_strdup(request->arena, text);
}

void http_request_parse_parameters(struct http_request *request)
{
    struct errbuf err = ERRBUF_INIT;
    struct url_parameter *of_body = NULL;
    struct url_parameter *of_url = NULL;
    size_t of_body_count = 0;
    size_t of_url_count = 0;
    if (has_form(request)) {
        if (request->body.len > HTTP_FORM_BYTES_MAX)
            error_keep(request, "http: POST too large");
        else if (url_parse_query(request->body, request->arena, &of_body, &of_body_count, &err) !=
                 ERR_NONE)
            error_keep(request, err.text);
    }
    if (url_parse_query(request->query, request->arena, &of_url, &of_url_count, &err) != ERR_NONE)
        error_keep(request, err.text);
    request->parameters = of_body_count > 0 ? of_body : of_url;
    request->parameter_count = of_body_count + of_url_count;
    if (of_body_count == 0 || of_url_count == 0)
        return;
    struct url_parameter *all =
        arena_alloc_array(request->arena, request->parameter_count, sizeof(*all));
    memcpy(all, of_body, of_body_count * sizeof(*all));
    memcpy(all + of_body_count, of_url, of_url_count * sizeof(*all));
    request->parameters = all;
}
