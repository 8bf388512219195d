/* How the outside sees this server. */
#include "server/external_url.h"

#include "net/url.h"

#include <string.h>

const char *external_url_listen_port(const char *listen_address)
{
    const char *colon = strrchr(listen_address, ':');
    return colon == NULL ? "9090" : colon + 1;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static void append_prefix(struct buf *out, struct slice path)
{
    while (path.len > 0 && path.ptr[0] == '/')
        path = slice_from_index(path, 1);
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    buf_append_byte(out, '/');
    buf_append_slice(out, path);
}

enum err external_url_compute(const char *given, const char *prefix, const char *listen_address,
                              const char *hostname, struct buf *out_url, struct buf *out_prefix,
                              struct errbuf *err)
{
    struct slice text = slice_str(given);
    if (text.len > 0 && (is_quote(text.ptr[0]) || is_quote(text.ptr[text.len - 1])))
        return errbuf_set(err, ERR_INVALID,
                          "--web.external-url: URL must not begin or end with quotes: write %.*s",
                          (int)(text.len > 2 ? text.len - 2 : 0), text.ptr + 1);
    struct url url = {.path = SLICE("/")};
    if (text.len == 0) {
        buf_printf(out_url, "http://%s:%s/", hostname, external_url_listen_port(listen_address));
    } else {
        enum err code = url_parse(text, &url, err);
        if (code != ERR_NONE) {
            errbuf_prefix(err, "--web.external-url: ");
            return code;
        }
        /* what follows the authority is the path; a query or fragment has no place here */
        struct slice tail = slice_from_index(text, (size_t)(url.host.ptr + url.host.len - text.ptr));
        size_t authority_len = text.len - tail.len + strcspn(tail.ptr, "/?#");
        buf_append(out_url, text.ptr, authority_len);
        struct buf path CLEANUP(buf_release);
        buf_init(&path, 4096);
        append_prefix(&path, url.path);
        if (path.len > 1)
            buf_append_slice(out_url, buf_slice(&path));
    }
    append_prefix(out_prefix, prefix[0] != '\0' ? slice_str(prefix) : url.path);
    return ERR_NONE;
}
