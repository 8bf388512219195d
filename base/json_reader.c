/*
 * JSON in: a recursive descent whose depth is bounded. The values of an array or object gather on a
 * stack and move to the arena as one run when it closes.
 */
#include "base/json_reader.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/float_text.h"
#include "base/hash.h"
#include "base/table.h"
#include "base/utf8.h"
#include "base/vec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Up to here, comparing the names of an object pair by pair is cheaper than hashing them. */
#define JSON_PAIRWISE_MAX 16

struct json_member {
    struct slice name;
    struct json_value *value;
};

struct json_value {
    enum json_type type;
    size_t count; /* of items or members */
    union {
        bool truth;
        double number;
        struct slice string;
        struct json_value **items;
        struct json_member *members;
    };
};

struct json_document {
    struct json_value root;
    struct arena arena;
};

struct json_reader {
    struct slice text;
    size_t at;
    size_t depth;
    size_t value_count;
    struct arena *arena;
    struct buf string; /* of the string that is being read, when it has escapes */
    VEC(struct json_member) stack;
    struct errbuf *err;
};

static enum err json_read_value(struct json_reader *reader, struct json_value *out) MUST_CHECK;

static enum err json_fail(struct json_reader *reader, enum err code, const char *what)
{
    uint32_t line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < reader->at; i++) {
        if (reader->text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    uint32_t column = (uint32_t)(reader->at - line_start + 1);
    errbuf_set_at(reader->err, code, line, column, "line %" PRIu32 ", column %" PRIu32 ": %s",
                  line, column, what);
    if (reader->err != NULL)
        reader->err->position = reader->at;
    return code;
}

static enum err json_invalid(struct json_reader *reader, const char *what)
{
    return json_fail(reader, ERR_INVALID,
                     reader->at == reader->text.len ? "unexpected end of JSON input" : what);
}

static void json_skip_space(struct json_reader *reader)
{
    while (reader->at < reader->text.len) {
        char c = reader->text.ptr[reader->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return;
        reader->at++;
    }
}

/* The next byte that is no white space; NUL at the end (a NUL is valid nowhere outside of strings). */
static char json_peek(struct json_reader *reader)
{
    json_skip_space(reader);
    return reader->at < reader->text.len ? reader->text.ptr[reader->at] : '\0';
}

static bool json_take(struct json_reader *reader, char c)
{
    if (json_peek(reader) != c || reader->at == reader->text.len)
        return false;
    reader->at++;
    return true;
}

static enum err json_read_word(struct json_reader *reader, const char *word)
{
    if (!slice_has_prefix(slice_from_index(reader->text, reader->at), slice_str(word)))
        return json_invalid(reader, "expected a value");
    reader->at += strlen(word);
    return ERR_NONE;
}

static size_t json_digits(struct json_reader *reader)
{
    size_t start = reader->at;
    while (reader->at < reader->text.len && reader->text.ptr[reader->at] >= '0' &&
           reader->text.ptr[reader->at] <= '9')
        reader->at++;
    return reader->at - start;
}

static bool json_take_byte(struct json_reader *reader, char c)
{
    if (reader->at == reader->text.len || reader->text.ptr[reader->at] != c)
        return false;
    reader->at++;
    return true;
}

static enum err json_read_number(struct json_reader *reader, struct json_value *out)
{
    size_t start = reader->at;
    json_take_byte(reader, '-');
    bool leading_zero = json_take_byte(reader, '0');
    if (leading_zero ? json_digits(reader) > 0 : json_digits(reader) == 0)
        return json_invalid(reader, leading_zero ? "a number has no leading zeros"
                                                 : "expected a value");
    if (json_take_byte(reader, '.') && json_digits(reader) == 0)
        return json_invalid(reader, "expected digits behind the point");
    if (json_take_byte(reader, 'e') || json_take_byte(reader, 'E')) {
        if (!json_take_byte(reader, '+'))
            json_take_byte(reader, '-');
        if (json_digits(reader) == 0)
            return json_invalid(reader, "expected digits in the exponent");
    }
    out->type = JSON_NUMBER;
    struct slice number = slice_sub(reader->text, start, reader->at - start);
    if (!float_text_parse_decimal(number, &out->number))
        return json_invalid(reader, "the number is out of range");
    return ERR_NONE;
}

static bool json_hex4(struct slice text, uint32_t *out)
{
    if (text.len < 4)
        return false;
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = text.ptr[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return false;
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

/* What follows \u: a code point, or two halves of one. Half a pair alone becomes U+FFFD. */
static bool json_read_unicode(struct json_reader *reader)
{
    uint32_t rune;
    uint32_t low;
    if (!json_hex4(slice_from_index(reader->text, reader->at), &rune))
        return false;
    reader->at += 4;
    struct slice rest = slice_from_index(reader->text, reader->at);
    bool high = rune >= 0xD800 && rune < 0xDC00;
    if (high && slice_has_prefix(rest, SLICE("\\u")) && json_hex4(slice_from_index(rest, 2), &low) &&
        low >= 0xDC00 && low < 0xE000) {
        rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
        reader->at += 6;
    }
    char text[4];
    buf_append(&reader->string, text, utf8_encode(rune, text));
    return true;
}

static bool json_read_escape(struct json_reader *reader)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->text.len)
        return false;
    char c = reader->text.ptr[reader->at];
    if (c == 'u') {
        reader->at++;
        return json_read_unicode(reader);
    }
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found == NULL)
        return false;
    reader->at++;
    return buf_append_byte(&reader->string, to[found - from]);
}

/* The bytes up to the next quote, backslash or control character, as valid UTF-8. */
static void json_read_plain(struct json_reader *reader)
{
    size_t start = reader->at;
    while (reader->at < reader->text.len) {
        unsigned char c = (unsigned char)reader->text.ptr[reader->at];
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        reader->at++;
    }
    struct slice plain = slice_sub(reader->text, start, reader->at - start);
    if (utf8_valid(plain)) {
        buf_append_slice(&reader->string, plain);
        return;
    }
    while (plain.len > 0) {
        uint32_t rune;
        char text[4];
        plain = slice_from_index(plain, utf8_decode(plain, &rune));
        buf_append(&reader->string, text, utf8_encode(rune, text));
    }
}

static enum err json_read_string(struct json_reader *reader, struct slice *out)
{
    if (!json_take(reader, '"'))
        return json_invalid(reader, "expected a string");
    buf_reset(&reader->string);
    for (;;) {
        json_read_plain(reader);
        if (json_take_byte(reader, '"'))
            break;
        if (!json_take_byte(reader, '\\'))
            return json_invalid(reader, "control characters in strings must be escaped");
        if (!json_read_escape(reader))
            return json_invalid(reader, "invalid escape in a string");
    }
    *out = arena_slice(reader->arena, buf_slice(&reader->string));
    return ERR_NONE;
}

static bool json_member_has_name(const void *value, const void *key)
{
    return slice_eq(((const struct json_member *)value)->name, *(const struct slice *)key);
}

static const struct json_member *json_find_pairwise(const struct json_member *members,
                                                    size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (slice_eq(members[i].name, members[k].name))
                return &members[i];
        }
    }
    return NULL;
}

/* A member whose name stood before it, NULL if there is none. */
static const struct json_member *json_find_duplicate(struct json_member *members, size_t count)
{
    if (count <= JSON_PAIRWISE_MAX)
        return json_find_pairwise(members, count);
    const struct json_member *duplicate = NULL;
    struct table names;
    table_init(&names);
    table_reserve(&names, count);
    for (size_t i = 0; i < count && duplicate == NULL; i++) {
        uint64_t hash = hash_slice(members[i].name, count);
        if (table_get(&names, hash, json_member_has_name, &members[i].name) != NULL)
            duplicate = &members[i];
        else
            table_add(&names, hash, &members[i]);
    }
    table_release(&names);
    return duplicate;
}

/* One item or member; it goes to the stack. */
static enum err json_read_child(struct json_reader *reader, bool named)
{
    struct json_member member = {SLICE_EMPTY, NULL};
    enum err code;
    if (named) {
        code = json_read_string(reader, &member.name);
        if (code != ERR_NONE)
            return code;
        if (!json_take(reader, ':'))
            return json_invalid(reader, "expected a colon behind the name of a member");
    }
    member.value = arena_zalloc(reader->arena, sizeof(*member.value));
    code = json_read_value(reader, member.value);
    if (code == ERR_NONE)
        vec_push(&reader->stack, member);
    return code;
}

static enum err json_close_object(struct json_reader *reader, size_t base, struct json_value *out)
{
    struct json_member *members = reader->stack.items == NULL ? NULL : reader->stack.items + base;
    const struct json_member *duplicate = json_find_duplicate(members, out->count);
    if (duplicate != NULL) {
        char what[200];
        snprintf(what, sizeof(what), "the name \"%.*s\" stands twice in the object that ends here",
                 (int)MIN(duplicate->name.len, (size_t)100), duplicate->name.ptr);
        return json_fail(reader, ERR_INVALID, what);
    }
    out->members = arena_alloc_array(reader->arena, out->count, sizeof(*out->members));
    if (out->count > 0)
        memcpy(out->members, members, out->count * sizeof(*members));
    return ERR_NONE;
}

static void json_close_array(struct json_reader *reader, size_t base, struct json_value *out)
{
    out->items = arena_alloc_array(reader->arena, out->count, sizeof(*out->items));
    for (size_t i = 0; i < out->count; i++)
        out->items[i] = reader->stack.items[base + i].value;
}

static enum err json_read_children(struct json_reader *reader, bool named, char end)
{
    reader->at++;
    if (json_take(reader, end))
        return ERR_NONE;
    do {
        enum err code = json_read_child(reader, named);
        if (code != ERR_NONE)
            return code;
    } while (json_take(reader, ','));
    if (!json_take(reader, end))
        return json_invalid(reader, named ? "expected a comma or } behind a member"
                                          : "expected a comma or ] behind an item");
    return ERR_NONE;
}

static enum err json_read_container(struct json_reader *reader, bool named, struct json_value *out)
{
    if (reader->depth == JSON_READER_DEPTH_MAX)
        return json_fail(reader, ERR_LIMIT, "the nesting is too deep");
    size_t base = reader->stack.len;
    reader->depth++;
    enum err code = json_read_children(reader, named, named ? '}' : ']');
    reader->depth--;
    if (code != ERR_NONE)
        return code;
    out->type = named ? JSON_OBJECT : JSON_ARRAY;
    out->count = reader->stack.len - base;
    if (named)
        code = json_close_object(reader, base, out);
    else
        json_close_array(reader, base, out);
    reader->stack.len = base;
    return code;
}

static enum err json_read_value(struct json_reader *reader, struct json_value *out)
{
    if (reader->value_count++ == JSON_READER_VALUE_COUNT_MAX)
        return json_fail(reader, ERR_LIMIT, "there are too many values");
    char c = json_peek(reader);
    switch (c) {
    case '{':
    case '[':
        return json_read_container(reader, c == '{', out);
    case '"':
        out->type = JSON_STRING;
        return json_read_string(reader, &out->string);
    case 't':
    case 'f':
        out->type = JSON_BOOL;
        out->truth = c == 't';
        return json_read_word(reader, c == 't' ? "true" : "false");
    case 'n':
        out->type = JSON_NULL;
        return json_read_word(reader, "null");
    default:
        return json_read_number(reader, out);
    }
}

static enum err json_read_document(struct json_reader *reader, struct json_value *root)
{
    if (reader->text.len > JSON_READER_SIZE_MAX)
        return json_fail(reader, ERR_LIMIT, "the text is too large");
    enum err code = json_read_value(reader, root);
    if (code != ERR_NONE)
        return code;
    json_skip_space(reader);
    if (reader->at < reader->text.len)
        return json_invalid(reader, "unexpected text behind the value");
    return ERR_NONE;
}

enum err json_parse(struct slice text, struct json_value **out, struct errbuf *err)
{
    struct json_document *document = mem_zalloc(sizeof(*document));
    arena_init(&document->arena, BUF_SIZE_ANY); /* text and value count are limited */
    struct json_reader reader = {.text = text, .arena = &document->arena, .err = err};
    buf_init(&reader.string, BUF_SIZE_ANY);
    enum err code = json_read_document(&reader, &document->root);
    vec_release(&reader.stack);
    buf_release(&reader.string);
    if (code == ERR_NONE)
        *out = &document->root;
    else
        json_value_free(&document->root);
    return code;
}

void json_value_free(struct json_value *root)
{
    if (root == NULL)
        return;
    struct json_document *document = CONTAINER_OF(root, struct json_document, root);
    arena_release(&document->arena);
    mem_free(document);
}

enum json_type json_value_type(const struct json_value *value)
{
    return value->type;
}

bool json_value_bool(const struct json_value *value)
{
    return value->type == JSON_BOOL && value->truth;
}

double json_value_number(const struct json_value *value)
{
    return value->type == JSON_NUMBER ? value->number : 0;
}

struct slice json_value_string(const struct json_value *value)
{
    return value->type == JSON_STRING ? value->string : SLICE_EMPTY;
}

size_t json_array_size(const struct json_value *value)
{
    return value->type == JSON_ARRAY ? value->count : 0;
}

const struct json_value *json_array_at(const struct json_value *value, size_t index)
{
    return index < json_array_size(value) ? value->items[index] : NULL;
}

const struct json_value *json_object_get(const struct json_value *value, const char *name)
{
    if (value->type != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < value->count; i++) {
        if (slice_eq_str(value->members[i].name, name))
            return value->members[i].value;
    }
    return NULL;
}

void json_object_each(const struct json_value *value,
                      bool (*each)(struct slice name, const struct json_value *member,
                                   void *context),
                      void *context)
{
    if (value->type != JSON_OBJECT)
        return;
    for (size_t i = 0; i < value->count; i++) {
        if (!each(value->members[i].name, value->members[i].value, context))
            return;
    }
}
