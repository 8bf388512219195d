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

/* What a byte below 0x80 becomes: 0 = itself, 'u' = \u00XX, else a backslash and this. */
static char json_escape_of(unsigned char byte, bool html)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '<':
    case '>':
    case '&':
        return html ? 'u' : 0;
    default:
        return byte < 0x20 ? 'u' : 0;
    }
}

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

static void json_append_quoted(struct buf *out, struct slice text, bool html)
{
    buf_append_byte(out, '"');
    size_t start = 0;
    size_t at = 0;
    while (at < text.len) {
        unsigned char byte = (unsigned char)text.ptr[at];
        char escape = byte < 0x80 ? json_escape_of(byte, html) : 0;
        if (escape == 0 && (byte < 0x80 || !html)) {
            at++;
            continue;
        }
        buf_append(out, text.ptr + start, at - start);
        if (byte < 0x80) {
            json_append_escape(out, byte, escape);
            at++;
        } else {
            at += json_append_rune(out, slice_from_index(text, at));
        }
        start = at;
    }
    buf_append(out, text.ptr + start, at - start);
    buf_append_byte(out, '"');
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
    json_append_quoted(json->out, name, true);
    buf_append_byte(json->out, ':');
    json->after_key = true;
}

void json_key_plain(struct json_writer *json, struct slice name)
{
    json_separate(json);
    json_append_quoted(json->out, name, false);
    buf_append_byte(json->out, ':');
    json->after_key = true;
}

void json_string(struct json_writer *json, struct slice text)
{
    json_separate(json);
    json_append_quoted(json->out, text, true);
}

void json_string_plain(struct json_writer *json, struct slice text)
{
    json_separate(json);
    json_append_quoted(json->out, text, false);
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
