/* Functions of strings: case, regular expressions, host names, links. */
#include "rules/template_functions_internal.h"

#include <arpa/inet.h>

#include "base/regex.h"
#include "base/utf8.h"
#include "model/quote.h"
#include "net/url.h"
#include "rules/template_text.h"

/* Compiling one costs about as much as so many bytes of text. */
#define REGEX_COST_BYTES 8192

static bool run_mapped(struct template_run *run, struct slice text,
                       void (*map)(struct slice text, struct buf *out), struct template_value *out)
{
    CLEANUP(buf_release) struct buf made;
    buf_init(&made, TEMPLATE_OUTPUT_SIZE_MAX);
    map(text, &made);
    return template_run_text(run, &made, out);
}

bool template_upper(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    (void)count;
    return run_mapped(run, values[0].text, template_to_upper, out);
}

bool template_lower(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    (void)count;
    return run_mapped(run, values[0].text, template_to_lower, out);
}

bool template_title(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    (void)count;
    return run_mapped(run, values[0].text, template_to_title, out);
}

bool template_url_query_escape(struct template_run *run, const struct template_value *values,
                               size_t count, struct template_value *out)
{
    (void)count;
    return run_mapped(run, values[0].text, url_query_escape, out);
}

bool template_safe_html(struct template_run *run, const struct template_value *values, size_t count,
                        struct template_value *out)
{
    (void)run;
    (void)count;
    *out = values[0];
    out->type = TEMPLATE_TYPE_HTML;
    return true;
}

/* -- regular expressions -- */

static void regex_cleanup(struct regex **regex)
{
    regex_free(*regex);
}

bool template_match(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    (void)count;
    CLEANUP(regex_cleanup) struct regex *regex = NULL;
    if (!template_run_charge(run, REGEX_COST_BYTES + values[0].text.len + values[1].text.len))
        return false;
    if (regex_new_unanchored(values[0].text, &regex, run->call_error) != ERR_NONE)
        return false;
    *out = template_value_bool(regex_match(regex, values[1].text));
    return true;
}

/* A pattern that does not compile is a panic in the reference, which words it so. */
static bool fail_pattern(struct template_run *run, struct slice pattern)
{
    CLEANUP(buf_release) struct buf quoted;
    buf_init(&quoted, 1024);
    if (slice_index(pattern, '`') == SLICE_NONE && slice_index(pattern, '\n') == SLICE_NONE)
        buf_printf(&quoted, "`%.*s`", SLICE_ARG(pattern));
    else
        quote_go(pattern, &quoted);
    errbuf_prefix(run->call_error, "regexp: Compile(%s): ", buf_cstr(&quoted));
    return false;
}

/* Where to search next after a match that ended at `end`: behind an empty match comes at least one
 * character. */
static size_t search_next(struct slice text, size_t at, size_t end)
{
    uint32_t rune;
    size_t width = utf8_decode(slice_from_index(text, at), &rune);
    if (at + width > end)
        return at + width;
    if (at + 1 > end)
        return at + 1;
    return end;
}

static bool replace_all(struct template_run *run, const struct regex *regex, struct slice text,
                        struct slice replacement, struct buf *out)
{
    size_t copied = 0;
    for (size_t at = 0; at <= text.len && !out->overflow;) {
        struct regex_match match;
        if (!regex_match_groups_from(regex, text, at, &match))
            break;
        size_t begin = (size_t)(match.groups[0].ptr - text.ptr);
        size_t end = begin + match.groups[0].len;
        if (!template_run_charge(run, end - at))
            return false;
        buf_append_slice(out, slice_sub(text, copied, begin - copied));
        /* an empty match right behind another one is none */
        if (end > copied || begin == 0)
            regex_expand(regex, replacement, &match, out);
        copied = end;
        at = search_next(text, at, end);
    }
    buf_append_slice(out, slice_from_index(text, copied));
    return true;
}

bool template_replace_all(struct template_run *run, const struct template_value *values,
                          size_t count, struct template_value *out)
{
    (void)count;
    CLEANUP(regex_cleanup) struct regex *regex = NULL;
    struct slice text = values[2].text;
    if (!template_run_charge(run, REGEX_COST_BYTES + values[0].text.len + text.len))
        return false;
    if (regex_new_unanchored(values[0].text, &regex, run->call_error) != ERR_NONE)
        return fail_pattern(run, values[0].text);
    CLEANUP(buf_release) struct buf made;
    buf_init(&made, TEMPLATE_OUTPUT_SIZE_MAX);
    return replace_all(run, regex, text, values[1].text, &made) &&
           template_run_text(run, &made, out);
}

/* -- hosts -- */

/* Go's net.SplitHostPort; false when it would be an error. */
static bool split_host_port(struct slice text, struct slice *out_host, struct slice *out_port)
{
    size_t colon = SLICE_NONE;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ':')
            colon = i;
    }
    if (colon == SLICE_NONE)
        return false;
    struct slice host = slice_sub(text, 0, colon);
    struct slice checked = text;
    if (text.ptr[0] == '[') {
        size_t end = slice_index(text, ']');
        if (end == SLICE_NONE || end + 1 != colon)
            return false;
        host = slice_sub(text, 1, end - 1);
        checked = slice_from_index(text, end + 1);
        if (slice_index(host, '[') != SLICE_NONE)
            return false;
    } else if (slice_index(host, ':') != SLICE_NONE) {
        return false;
    }
    if (slice_index(checked, '[') != SLICE_NONE || slice_index(checked, ']') != SLICE_NONE)
        return false;
    *out_host = host;
    *out_port = slice_from_index(text, colon + 1);
    return true;
}

static bool is_ip(struct slice host)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char address[sizeof(struct in6_addr)];
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

bool template_strip_port(struct template_run *run, const struct template_value *values,
                         size_t count, struct template_value *out)
{
    (void)run;
    (void)count;
    struct slice host;
    struct slice port;
    *out =
        template_value_text(split_host_port(values[0].text, &host, &port) ? host : values[0].text);
    return true;
}

bool template_strip_domain(struct template_run *run, const struct template_value *values,
                           size_t count, struct template_value *out)
{
    (void)count;
    struct slice host;
    struct slice port = SLICE_EMPTY;
    if (!split_host_port(values[0].text, &host, &port))
        host = values[0].text;
    if (is_ip(host)) {
        *out = values[0];
        return true;
    }
    size_t point = slice_index(host, '.');
    if (point != SLICE_NONE)
        host = slice_sub(host, 0, point);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    bool in_brackets = port.len > 0 && (slice_index(host, ':') != SLICE_NONE ||
                                        slice_index(host, '%') != SLICE_NONE);
    if (in_brackets)
        buf_append_byte(&text, '[');
    buf_append_slice(&text, host);
    if (in_brackets)
        buf_append_byte(&text, ']');
    if (port.len > 0) {
        buf_append_byte(&text, ':');
        buf_append_slice(&text, port);
    }
    return template_run_text(run, &text, out);
}

/* -- links -- */

static bool link_to(struct template_run *run, struct slice expression, const char *tab,
                    struct template_value *out)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    buf_append_str(&text, "/graph?g0.expr=");
    url_query_escape(expression, &text);
    buf_append_str(&text, "&g0.tab=");
    buf_append_str(&text, tab);
    return template_run_text(run, &text, out);
}

bool template_graph_link(struct template_run *run, const struct template_value *values,
                         size_t count, struct template_value *out)
{
    (void)count;
    return link_to(run, values[0].text, "0", out);
}

bool template_table_link(struct template_run *run, const struct template_value *values,
                         size_t count, struct template_value *out)
{
    (void)count;
    return link_to(run, values[0].text, "1", out);
}

bool template_external_url(struct template_run *run, const struct template_value *values,
                           size_t count, struct template_value *out)
{
    (void)values;
    (void)count;
    *out = template_value_text(run->data->external_url);
    return true;
}

bool template_path_prefix(struct template_run *run, const struct template_value *values,
                          size_t count, struct template_value *out)
{
    (void)values;
    (void)count;
    struct url url;
    if (url_parse(run->data->external_url, &url, NULL) != ERR_NONE)
        url.path = SLICE_EMPTY;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    if (!url_path_unescape(url.path, &text))
        buf_reset(&text);
    return template_run_text(run, &text, out);
}
