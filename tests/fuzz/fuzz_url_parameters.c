/* URLs, forms and escapes from the network: no read outside of the text, and escaping can be
 * undone. */
#include <stdint.h>
#include <stdlib.h>

#include "net/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void check_inside(struct slice part, struct slice text)
{
    check(part.len == 0 || (part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len));
}

static void check_url(struct slice text)
{
    struct url url;
    struct errbuf err;
    if (url_parse(text, &url, &err) != ERR_NONE)
        return;
    check_inside(url.scheme, text);
    check_inside(url.user_info, text);
    check_inside(url.host, text);
    check_inside(url.port, text);
    check_inside(url.path, text);
    check_inside(url.query, text);
    check_inside(url.fragment, text);
}

static void check_round_trip(struct slice text)
{
    struct buf escaped;
    struct buf plain;
    buf_init(&escaped, BUF_SIZE_ANY);
    buf_init(&plain, BUF_SIZE_ANY);
    url_query_escape(text, &escaped);
    check(url_query_unescape(buf_slice(&escaped), &plain));
    check(slice_eq(buf_slice(&plain), text));
    buf_reset(&plain);
    if (url_path_unescape(text, &plain))
        check(plain.len <= text.len);
    buf_release(&escaped);
    buf_release(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_from((const char *)data, size);
    check_url(text);
    check_round_trip(text);
    struct arena arena;
    arena_init(&arena, 1 << 22);
    struct url_parameter *parameters;
    size_t count;
    struct errbuf err;
    enum err failed = url_parse_query(text, &arena, &parameters, &count, &err);
    check(failed == ERR_NONE || failed == ERR_INVALID || failed == ERR_LIMIT);
    check(count <= URL_PARAMETERS_MAX);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parameters[i].name.len + parameters[i].value.len;
    check(bytes <= size);
    arena_release(&arena);
    return 0;
}
