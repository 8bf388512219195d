/* Splitting of URLs and percent coding. One pass each; nothing is copied but decoded text. */
#include "net/url.h"

#include <stdint.h>
#include <string.h>

static const char hex_digits[] = "0123456789ABCDEF";

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What stays as it is in a query: RFC 3986 "unreserved". */
static bool is_unreserved(char c)
{
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

/* The escape at `at` (its '%'), cut to what is there, for the error text; empty when it is sound.
 */
static struct slice escape_broken(struct slice text, size_t at)
{
    if (at + 2 < text.len && hex_value(text.ptr[at + 1]) >= 0 && hex_value(text.ptr[at + 2]) >= 0)
        return SLICE_EMPTY;
    return slice_sub(text, at, MIN((size_t)3, text.len - at));
}

/* The first broken escape of a text, empty if there is none. */
static struct slice escapes_check(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%')
            continue;
        struct slice broken = escape_broken(text, i);
        if (broken.len > 0)
            return broken;
    }
    return SLICE_EMPTY;
}

/* "scheme:" at the start, as RFC 3986 has it. False when the text starts with a colon. */
static bool scheme_split(struct slice text, struct slice *out_scheme, struct slice *out_rest)
{
    *out_scheme = SLICE_EMPTY;
    *out_rest = text;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_letter(c))
            continue;
        if (c == ':') {
            if (i == 0)
                return false;
            *out_scheme = slice_sub(text, 0, i);
            *out_rest = slice_from_index(text, i + 1);
            return true;
        }
        if (i == 0 || !(is_digit(c) || c == '+' || c == '-' || c == '.'))
            return true;
    }
    return true;
}

/* The colon before a port, SLICE_NONE if there is none. Looks behind the brackets of an IPv6 host.
 */
static size_t port_colon(struct slice host)
{
    size_t start = 0;
    if (host.len > 0 && host.ptr[0] == '[') {
        const char *bracket = memrchr(host.ptr, ']', host.len);
        start = bracket == NULL ? host.len : (size_t)(bracket - host.ptr) + 1;
    }
    for (size_t i = start; i < host.len; i++)
        if (host.ptr[i] == ':')
            return i;
    return SLICE_NONE;
}

static const char *host_error(struct slice host, size_t colon, struct slice *out_at)
{
    *out_at = host;
    if (host.len > 0 && host.ptr[0] == '[') {
        const char *bracket = memrchr(host.ptr, ']', host.len);
        if (bracket == NULL)
            return "missing ']' in host";
        size_t after = (size_t)(bracket - host.ptr) + 1;
        if (after < host.len && host.ptr[after] != ':') {
            *out_at = slice_from_index(host, after);
            return "invalid port";
        }
    }
    size_t name_len = colon == SLICE_NONE ? host.len : colon;
    for (size_t i = 0; i < name_len; i++) {
        if (host.ptr[i] == ' ' || strchr("\"<>\\^`{|}#?@/", host.ptr[i]) != NULL) {
            *out_at = slice_sub(host, i, 1);
            return "invalid character";
        }
    }
    for (size_t i = name_len + 1; colon != SLICE_NONE && i < host.len; i++) {
        if (!is_digit(host.ptr[i])) {
            *out_at = slice_from_index(host, colon);
            return "invalid port";
        }
    }
    return NULL;
}

/* user@host:port */
static enum err authority_split(struct slice text, struct slice authority, struct url *out,
                                struct errbuf *err)
{
    const char *at_sign = authority.len == 0 ? NULL : memrchr(authority.ptr, '@', authority.len);
    struct slice host = authority;
    if (at_sign != NULL) {
        size_t len = (size_t)(at_sign - authority.ptr);
        out->user_info = slice_sub(authority, 0, len);
        host = slice_from_index(authority, len + 1);
    }
    size_t colon = port_colon(host);
    struct slice at;
    const char *problem = host_error(host, colon, &at);
    if (problem != NULL) {
        if (problem[0] == 'm')
            return errbuf_set(err, ERR_INVALID, "parse \"%.*s\": %s", SLICE_ARG(text), problem);
        if (strcmp(problem, "invalid port") == 0)
            return errbuf_set(err, ERR_INVALID, "parse \"%.*s\": invalid port \"%.*s\" after host",
                              SLICE_ARG(text), SLICE_ARG(at));
        return errbuf_set(err, ERR_INVALID,
                          "parse \"%.*s\": invalid character \"%.*s\" in host name",
                          SLICE_ARG(text), SLICE_ARG(at));
    }
    out->host = colon == SLICE_NONE ? host : slice_sub(host, 0, colon);
    out->port = colon == SLICE_NONE ? SLICE_EMPTY : slice_from_index(host, colon + 1);
    return ERR_NONE;
}

static enum err text_check(struct slice text, struct errbuf *err)
{
    if (text.len == 0)
        return errbuf_set(err, ERR_INVALID, "parse \"\": empty url");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return errbuf_set(err, ERR_INVALID,
                              "parse \"%.*s\": net/url: invalid control character in URL",
                              SLICE_ARG(text));
    }
    return ERR_NONE;
}

enum err url_parse(struct slice text, struct url *out, struct errbuf *err)
{
    enum err failed = text_check(text, err);
    if (failed != ERR_NONE)
        return failed;
    struct url url = {SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY,
                      SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY};
    struct slice rest = text;
    size_t mark = slice_index(rest, '#');
    if (mark != SLICE_NONE) {
        url.fragment = slice_from_index(rest, mark + 1);
        rest = slice_sub(rest, 0, mark);
    }
    if (!scheme_split(rest, &url.scheme, &rest))
        return errbuf_set(err, ERR_INVALID, "parse \"%.*s\": missing protocol scheme",
                          SLICE_ARG(text));
    mark = slice_index(rest, '?');
    if (mark != SLICE_NONE) {
        url.query = slice_from_index(rest, mark + 1);
        rest = slice_sub(rest, 0, mark);
    }
    if (slice_has_prefix(rest, SLICE("//"))) {
        struct slice authority = slice_from_index(rest, 2);
        size_t slash = slice_index(authority, '/');
        rest = slash == SLICE_NONE ? SLICE_EMPTY : slice_from_index(authority, slash);
        if (slash != SLICE_NONE)
            authority = slice_sub(authority, 0, slash);
        failed = authority_split(text, authority, &url, err);
        if (failed != ERR_NONE)
            return failed;
    } else if (url.scheme.len == 0) {
        size_t slash = slice_index(rest, '/');
        size_t colon = slice_index(rest, ':');
        if (colon != SLICE_NONE && (slash == SLICE_NONE || colon < slash))
            return errbuf_set(err, ERR_INVALID,
                              "parse \"%.*s\": first path segment in URL cannot contain colon",
                              SLICE_ARG(text));
    }
    struct slice broken = escapes_check(rest);
    if (broken.len > 0)
        return errbuf_set(err, ERR_INVALID, "parse \"%.*s\": invalid URL escape \"%.*s\"",
                          SLICE_ARG(text), SLICE_ARG(broken));
    url.path = rest;
    *out = url;
    return ERR_NONE;
}

void url_query_escape(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_unreserved(c)) {
            buf_append_byte(out, c);
        } else if (c == ' ') {
            buf_append_byte(out, '+');
        } else {
            unsigned char byte = (unsigned char)c;
            char escape[3] = {'%', hex_digits[byte >> 4], hex_digits[byte & 15]};
            buf_append(out, escape, sizeof(escape));
        }
    }
}

/* `kept`: bytes beside letters and digits that stay as they are. */
static void escape_except(struct slice text, const char *kept, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (is_unreserved((char)byte) || (byte != '\0' && strchr(kept, byte) != NULL)) {
            buf_append_byte(out, (char)byte);
        } else {
            char escape[3] = {'%', hex_digits[byte >> 4], hex_digits[byte & 15]};
            buf_append(out, escape, sizeof(escape));
        }
    }
}

void url_print(struct slice scheme, struct slice host, struct slice path, struct buf *out)
{
    if (scheme.len > 0) {
        buf_append_slice(out, scheme);
        buf_append_byte(out, ':');
    }
    buf_append_str(out, "//");
    escape_except(host, "!$&'()*+,;=:[]<>\"", out);
    if (path.len > 0 && path.ptr[0] != '/')
        buf_append_byte(out, '/');
    escape_except(path, "$&+,/:;=@", out);
}

/* Decodes into `out`, which has room for text.len bytes, and returns the length; SLICE_NONE for a
 * broken escape. */
static size_t unescape(struct slice text, bool plus_is_space, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (escape_broken(text, i).len > 0)
                return SLICE_NONE;
            c = (char)(hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[len++] = c;
    }
    return len;
}

static bool unescape_to_buf(struct slice text, bool plus_is_space, struct buf *out)
{
    if (text.len == 0)
        return true;
    char *room = buf_reserve(out, text.len);
    if (room == NULL)
        return false;
    size_t len = unescape(text, plus_is_space, room);
    if (len == SLICE_NONE)
        return false;
    buf_commit(out, len);
    return true;
}

bool url_query_unescape(struct slice text, struct buf *out)
{
    return unescape_to_buf(text, true, out);
}

bool url_path_unescape(struct slice text, struct buf *out)
{
    return unescape_to_buf(text, false, out);
}

/* Decoded, in the arena; borrowed from the text where nothing is to be decoded. */
static enum err decode(struct slice text, struct arena *arena, struct slice *out,
                       struct errbuf *err)
{
    if (slice_index(text, '%') == SLICE_NONE && slice_index(text, '+') == SLICE_NONE) {
        *out = text;
        return ERR_NONE;
    }
    struct slice broken = escapes_check(text);
    if (broken.len > 0)
        return errbuf_set(err, ERR_INVALID, "invalid URL escape \"%.*s\"", SLICE_ARG(broken));
    char *room = arena_try_alloc(arena, text.len);
    if (room == NULL)
        return errbuf_set(err, ERR_LIMIT, "parameters are too large");
    out->ptr = room;
    out->len = unescape(text, true, room);
    return ERR_NONE;
}

static enum err pair_decode(struct slice pair, struct arena *arena, struct url_parameter *out,
                            struct errbuf *err)
{
    if (slice_index(pair, ';') != SLICE_NONE)
        return errbuf_set(err, ERR_INVALID, "invalid semicolon separator in query");
    size_t equals = slice_index(pair, '=');
    struct slice name = equals == SLICE_NONE ? pair : slice_sub(pair, 0, equals);
    struct slice value = equals == SLICE_NONE ? SLICE_EMPTY : slice_from_index(pair, equals + 1);
    enum err failed = decode(name, arena, &out->name, err);
    return failed != ERR_NONE ? failed : decode(value, arena, &out->value, err);
}

static size_t pairs_count(struct slice text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '&';
    return count;
}

enum err url_parse_query(struct slice text, struct arena *arena, struct url_parameter **out,
                         size_t *out_count, struct errbuf *err)
{
    *out = NULL;
    *out_count = 0;
    if (text.len == 0)
        return ERR_NONE;
    size_t pairs = pairs_count(text);
    if (pairs > URL_PARAMETERS_MAX)
        return errbuf_set(err, ERR_LIMIT, "more than %d parameters", URL_PARAMETERS_MAX);
    struct url_parameter *parameters = arena_try_alloc(arena, pairs * sizeof(*parameters));
    if (parameters == NULL)
        return errbuf_set(err, ERR_LIMIT, "parameters are too large");
    enum err result = ERR_NONE;
    size_t count = 0;
    while (text.len > 0) {
        size_t end = slice_index(text, '&');
        struct slice pair = end == SLICE_NONE ? text : slice_sub(text, 0, end);
        text = end == SLICE_NONE ? SLICE_EMPTY : slice_from_index(text, end + 1);
        if (pair.len == 0)
            continue;
        /* the first error is the one that is told */
        enum err failed =
            pair_decode(pair, arena, &parameters[count], result == ERR_NONE ? err : NULL);
        if (failed == ERR_NONE)
            count++;
        else if (result == ERR_NONE)
            result = failed;
    }
    *out = parameters;
    *out_count = count;
    return result;
}
