/* JSON out, with the escapes and number forms of the reference. */
#include "base/json_writer.h"

#include "base/assert.h"
#include "base/float_text.h"
#include "base/utf8.h"

#include <math.h>

void json_writer_init(struct json_writer *json, struct buf *out)
{
    *json = (struct json_writer){.out = out};
}

/* The comma before an item, where one is due. */
static void json_separate(struct json_writer *json)
{
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->has_items[json->depth])
        buf_append_byte(json->out, ',');
    json->has_items[json->depth] = true;
}

static void json_open(struct json_writer *json, char bracket)
{
    json_separate(json);
    ASSERT(json->depth + 1 < JSON_DEPTH_MAX);
    json->has_items[++json->depth] = false;
    buf_append_byte(json->out, bracket);
}

static void json_close(struct json_writer *json, char bracket)
{
    ASSERT(json->depth > 0 && !json->after_key);
    json->depth--;
    buf_append_byte(json->out, bracket);
}

void json_object_begin(struct json_writer *json)
{
    json_open(json, '{');
}

void json_object_end(struct json_writer *json)
{
    json_close(json, '}');
}

void json_array_begin(struct json_writer *json)
{
    json_open(json, '[');
}

void json_array_end(struct json_writer *json)
{
    json_close(json, ']');
}

#define ESCAPES_CONTROL                                                                            \
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 't', 'n', 'u', 'u', 'r', 'u', 'u', 'u', 'u', 'u', \
        'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u'

/* What a byte becomes: 0 = itself, 'u' = \u00XX, '8' = the start of a sequence to look at, else a
 * backslash and this. */
static const char escapes_plain[256] = {ESCAPES_CONTROL, ['"'] = '"', ['\\'] = '\\'};
static const char escapes_html[256] = {
    ESCAPES_CONTROL, ['"'] = '"', ['\\'] = '\\',       ['<'] = 'u',
    ['>'] = 'u',     ['&'] = 'u', [0x80 ... 0xff] = '8',
};

static void json_append_escape(struct buf *out, unsigned char byte, char escape)
{
    static const char hex[] = "0123456789abcdef";
    if (escape == 'u') {
        char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
        buf_append(out, text, sizeof(text));
    } else {
        char text[2] = {'\\', escape};
        buf_append(out, text, sizeof(text));
    }
}

/* Writes the non-ASCII sequence at the start of `text` and returns its length. */
static size_t json_append_rune(struct buf *out, struct slice text)
{
    uint32_t rune;
    size_t len = utf8_decode(text, &rune);
    if (len == 1)
        buf_append_str(out, "\\ufffd");
    else if (rune == 0x2028 || rune == 0x2029)
        buf_append_str(out, rune == 0x2028 ? "\\u2028" : "\\u2029");
    else
        buf_append(out, text.ptr, len);
    return len;
}

/* How many bytes stand for themselves. */
static size_t json_span(struct slice text, const char *escapes)
{
    size_t at = 0;
    while (at < text.len && escapes[(unsigned char)text.ptr[at]] == 0)
        at++;
    return at;
}

static void json_append_escaped(struct buf *out, struct slice text, const char *escapes)
{
    while (text.len > 0) {
        size_t len = json_span(text, escapes);
        buf_append(out, text.ptr, len);
        text = slice_from_index(text, len);
        if (text.len == 0)
            break;
        unsigned char byte = (unsigned char)text.ptr[0];
        size_t taken = 1;
        if (escapes[byte] == '8')
            taken = json_append_rune(out, text);
        else
            json_append_escape(out, byte, escapes[byte]);
        text = slice_from_index(text, taken);
    }
}

/* The text in quotes and `behind` after it. */
static void json_append_quoted(struct buf *out, struct slice text, const char *escapes,
                               struct slice behind)
{
    size_t plain = json_span(text, escapes);
    char *to = buf_reserve(out, plain + 2 + behind.len);
    if (UNLIKELY(to == NULL))
        return;
    *to = '"';
    if (plain > 0)
        memcpy(to + 1, text.ptr, plain);
    if (UNLIKELY(plain < text.len)) {
        buf_commit(out, plain + 1);
        json_append_escaped(out, slice_from_index(text, plain), escapes);
        buf_append_byte(out, '"');
        buf_append_slice(out, behind);
        return;
    }
    to[plain + 1] = '"';
    memcpy(to + plain + 2, behind.ptr, behind.len);
    buf_commit(out, plain + 2 + behind.len);
}

void json_key(struct json_writer *json, const char *name)
{
    json_separate(json);
    buf_append_byte(json->out, '"');
    buf_append_str(json->out, name);
    buf_append(json->out, "\":", 2);
    json->after_key = true;
}

void json_key_slice(struct json_writer *json, struct slice name)
{
    json_separate(json);
    json_append_quoted(json->out, name, escapes_html, SLICE(":"));
    json->after_key = true;
}

void json_key_plain(struct json_writer *json, struct slice name)
{
    json_separate(json);
    json_append_quoted(json->out, name, escapes_plain, SLICE(":"));
    json->after_key = true;
}

void json_string(struct json_writer *json, struct slice text)
{
    json_separate(json);
    json_append_quoted(json->out, text, escapes_html, SLICE_EMPTY);
}

void json_string_plain(struct json_writer *json, struct slice text)
{
    json_separate(json);
    json_append_quoted(json->out, text, escapes_plain, SLICE_EMPTY);
}

void json_cstring(struct json_writer *json, const char *text)
{
    json_string(json, slice_str(text));
}

void json_int(struct json_writer *json, int64_t value)
{
    json_separate(json);
    buf_append_int(json->out, value);
}

void json_uint(struct json_writer *json, uint64_t value)
{
    json_separate(json);
    buf_append_uint(json->out, value);
}

void json_double(struct json_writer *json, double value)
{
    ASSERT(isfinite(value));
    json_separate(json);
    char text[FLOAT_TEXT_SHORT_SIZE];
    size_t len = float_text_json(value, text);
    /* Go drops the zero of e-09, and only that one */
    if (len >= 4 && text[len - 4] == 'e' && text[len - 3] == '-' && text[len - 2] == '0') {
        text[len - 2] = text[len - 1];
        len--;
    }
    buf_append(json->out, text, len);
}

void json_bool(struct json_writer *json, bool value)
{
    json_separate(json);
    buf_append_str(json->out, value ? "true" : "false");
}

void json_null(struct json_writer *json)
{
    json_separate(json);
    buf_append_str(json->out, "null");
}

void json_raw(struct json_writer *json, struct slice text)
{
    json_separate(json);
    buf_append_slice(json->out, text);
}

char *json_raw_reserve(struct json_writer *json, size_t size)
{
    json_separate(json);
    return buf_reserve(json->out, size);
}

void json_raw_commit(struct json_writer *json, size_t len)
{
    buf_commit(json->out, len);
}

void json_key_string(struct json_writer *json, const char *name, struct slice text)
{
    json_key(json, name);
    json_string(json, text);
}

void json_key_cstring(struct json_writer *json, const char *name, const char *text)
{
    json_key(json, name);
    json_cstring(json, text);
}

void json_key_int(struct json_writer *json, const char *name, int64_t value)
{
    json_key(json, name);
    json_int(json, value);
}

void json_key_double(struct json_writer *json, const char *name, double value)
{
    json_key(json, name);
    json_double(json, value);
}

void json_key_bool(struct json_writer *json, const char *name, bool value)
{
    json_key(json, name);
    json_bool(json, value);
}
