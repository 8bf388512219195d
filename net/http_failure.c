/* One sentence for every kind of failure. */
#include "net/http_failure.h"

#include <ctype.h>
#include <errno.h>

#include "net/url.h"

#define REDIRECTS_TEXT "10"

/* A URL as Go shows it in errors: the password is not. */
static void print_url(const char *text, struct buf *out)
{
    struct slice whole = slice_str(text);
    struct url url;
    size_t colon = SLICE_NONE;
    if (url_parse(whole, &url, NULL) == ERR_NONE)
        colon = slice_index(url.user_info, ':');
    if (colon == SLICE_NONE) {
        buf_append_slice(out, whole);
        return;
    }
    size_t password = (size_t)(url.user_info.ptr - whole.ptr) + colon + 1;
    size_t at_sign = (size_t)(url.user_info.ptr - whole.ptr) + url.user_info.len;
    buf_append_slice(out, slice_sub(whole, 0, password));
    buf_append_str(out, "***");
    buf_append_slice(out, slice_from_index(whole, at_sign));
}

/* Get "URL":  */
static void print_request(const struct http_failure *failure, struct buf *out)
{
    const char *method = failure->method;
    buf_append_byte(out, (char)toupper((unsigned char)method[0]));
    for (size_t i = 1; method[0] != '\0' && method[i] != '\0'; i++)
        buf_append_byte(out, (char)tolower((unsigned char)method[i]));
    buf_append_str(out, " \"");
    print_url(failure->url, out);
    buf_append_str(out, "\": ");
}

/* The system's words with a small first letter, as Go has them. */
static void print_system_error(int number, struct buf *out)
{
    const char *text = strerror(number == 0 ? ECONNREFUSED : number);
    buf_append_byte(out, (char)tolower((unsigned char)text[0]));
    buf_append_str(out, text + 1);
}

static void print_dial(const struct http_failure *failure, struct buf *out)
{
    if (failure->proxied)
        buf_append_str(out, "proxyconnect tcp: ");
    if (failure->kind == HTTP_FAILURE_RESOLVE) {
        buf_printf(out, "dial tcp: lookup %s: no such host", failure->host);
        return;
    }
    buf_printf(out, "dial %s %s: connect: ", failure->is_unix ? "unix" : "tcp", failure->address);
    print_system_error(failure->system_error, out);
}

static void print_reason(const struct http_failure *failure, struct buf *out)
{
    switch (failure->kind) {
    case HTTP_FAILURE_RESOLVE:
    case HTTP_FAILURE_DIAL:
        print_dial(failure, out);
        break;
    case HTTP_FAILURE_TIMEOUT:
        buf_append_str(out, "context deadline exceeded");
        break;
    case HTTP_FAILURE_NO_ANSWER:
        buf_append_str(out, "EOF");
        break;
    case HTTP_FAILURE_SHORT_BODY:
        buf_append_str(out, "unexpected EOF");
        break;
    case HTTP_FAILURE_RESET:
        buf_printf(out, "read tcp %s->%s: read: connection reset by peer", failure->local_address,
                   failure->address);
        break;
    case HTTP_FAILURE_MALFORMED:
        buf_append_str(out,
                       "net/http: HTTP/1.x transport connection broken: malformed HTTP response");
        break;
    case HTTP_FAILURE_NOT_TLS:
        buf_append_str(out, "http: server gave HTTP response to HTTPS client");
        break;
    case HTTP_FAILURE_CERTIFICATE:
        buf_printf(out, "tls: failed to verify certificate: x509: %s", failure->detail);
        break;
    case HTTP_FAILURE_TLS:
        buf_printf(out, "tls: %s", failure->detail);
        break;
    case HTTP_FAILURE_REDIRECTS:
        buf_append_str(out, "stopped after " REDIRECTS_TEXT " redirects");
        break;
    case HTTP_FAILURE_BODY_LIMIT:
        buf_append_str(out, "body size limit exceeded");
        break;
    case HTTP_FAILURE_MEMORY:
        buf_append_str(out, "no memory for the body: the bodies that are on their way hold all that "
                            "they may");
        break;
    case HTTP_FAILURE_OTHER:
        buf_append_str(out, failure->detail);
        break;
    }
}

void http_failure_print(const struct http_failure *failure, struct buf *out)
{
    if (!failure->answered)
        print_request(failure, out);
    print_reason(failure, out);
}

void http_status_print(long status, struct buf *out)
{
    static const struct {
        long status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Request Entity Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    buf_append_int(out, status);
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].status == status)
            buf_printf(out, " %s", reasons[i].reason);
}
