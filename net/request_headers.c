/* Values come from configuration and secret files: a line break in one of them must not become a
 * header. */
#include "net/request_headers.h"

#include <strings.h>

#include "net/http_auth.h"

#define LINES_SIZE_MAX (4 * HTTP_SECRET_SIZE_MAX)

void request_headers_init(struct request_headers *headers)
{
    buf_init(&headers->own, LINES_SIZE_MAX);
    buf_init(&headers->profile, LINES_SIZE_MAX);
    buf_init(&headers->proxy, LINES_SIZE_MAX);
}

void request_headers_release(struct request_headers *headers)
{
    buf_release(&headers->own);
    buf_release(&headers->profile);
    buf_release(&headers->proxy);
}

void request_headers_reset(struct request_headers *headers)
{
    buf_reset(&headers->own);
    buf_reset(&headers->profile);
    buf_reset(&headers->proxy);
}

static enum err add_line(struct buf *lines, struct slice name, struct slice value,
                         struct errbuf *err)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\r' || c == '\n' || c == '\0')
            return errbuf_set(err, ERR_INVALID, "net/http: invalid header field value for \"%.*s\"",
                              SLICE_ARG(name));
    }
    buf_append_slice(lines, name);
    buf_append_str(lines, value.len == 0 ? ";" : ": ");
    buf_append_slice(lines, value);
    if (!buf_append_byte(lines, '\0'))
        return errbuf_set(err, ERR_LIMIT, "the headers are too large");
    return ERR_NONE;
}

static enum err add_header(struct buf *lines, const struct http_client_header *header,
                           struct errbuf *err)
{
    if (header->value_file.len == 0)
        return add_line(lines, header->name, header->value, err);
    struct buf secret CLEANUP(buf_release);
    buf_init(&secret, HTTP_SECRET_SIZE_MAX);
    enum err failed = http_auth_read_file(header->value_file, &secret, err);
    return failed != ERR_NONE ? failed : add_line(lines, header->name, buf_slice(&secret), err);
}

static enum err add_headers(struct buf *lines, const struct http_client_header *headers,
                            size_t count, struct errbuf *err)
{
    enum err failed = ERR_NONE;
    for (size_t i = 0; i < count && failed == ERR_NONE; i++)
        failed = add_header(lines, &headers[i], err);
    return failed;
}

enum err request_headers_make(struct request_headers *headers, const struct http_client_header *own,
                              size_t own_count, const struct http_client_profile *profile,
                              struct errbuf *err)
{
    request_headers_reset(headers);
    enum err failed = add_headers(&headers->own, own, own_count, err);
    if (failed != ERR_NONE || profile == NULL)
        return failed;
    failed = add_headers(&headers->profile, profile->headers, profile->header_count, err);
    if (failed != ERR_NONE)
        return failed;
    failed = add_headers(&headers->proxy, profile->proxy_headers, profile->proxy_header_count, err);
    if (failed != ERR_NONE)
        return failed;
    struct buf credentials CLEANUP(buf_release);
    buf_init(&credentials, LINES_SIZE_MAX);
    failed = http_auth_header(profile, &credentials, err);
    if (failed == ERR_NONE && credentials.len > 0)
        failed = add_line(&headers->profile, SLICE("Authorization"), buf_slice(&credentials), err);
    return failed;
}

const char *request_headers_next(const struct buf *lines, const char *line)
{
    const char *next = line == NULL ? lines->data : line + strlen(line) + 1;
    return lines->len == 0 || next >= lines->data + lines->len ? NULL : next;
}

bool request_headers_have(const struct buf *lines, const char *name)
{
    size_t len = strlen(name);
    const char *line = NULL;
    while ((line = request_headers_next(lines, line)) != NULL)
        if (strncasecmp(line, name, len) == 0 && (line[len] == ':' || line[len] == ';'))
            return true;
    return false;
}
