/* What text/template has of its own beside comparisons: printing, escaping, index, slice, len. */
#include "rules/template_functions_internal.h"

#include "base/compiler.h"
#include "base/utf8.h"
#include "model/quote.h"
#include "net/url.h"
#include "rules/template_format.h"

/* -- printing -- */

bool template_print(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    template_format_print(values, count, &text);
    return template_run_text(run, &text, out);
}

bool template_println(struct template_run *run, const struct template_value *values, size_t count,
                      struct template_value *out)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    template_format_println(values, count, &text);
    return template_run_text(run, &text, out);
}

bool template_printf(struct template_run *run, const struct template_value *values, size_t count,
                     struct template_value *out)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    template_format_printf(values[0].text, values + 1, count - 1, &text);
    return template_run_text(run, &text, out);
}

/* -- escaping -- */

/* What an escaper works on: the string, or all values printed. Pointers are printed as what they
 * point to. */
static void print_for_escape(const struct template_value *values, size_t count, struct buf *out)
{
    bool string_before = false;
    for (size_t i = 0; i < count; i++) {
        bool is_string = template_kind_of(values[i].type) == TEMPLATE_KIND_STRING ||
                         values[i].type == TEMPLATE_TYPE_NONE;
        if (i > 0 && !is_string && !string_before)
            buf_append_byte(out, ' ');
        template_print_value(&values[i], out);
        string_before = is_string;
    }
}

static const char *html_escape(char byte)
{
    switch (byte) {
    case '\0':
        return "\xEF\xBF\xBD";
    case '"':
        return "&#34;";
    case '\'':
        return "&#39;";
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    default:
        return NULL;
    }
}

bool template_html(struct template_run *run, const struct template_value *values, size_t count,
                   struct template_value *out)
{
    CLEANUP(buf_release) struct buf plain;
    CLEANUP(buf_release) struct buf text;
    buf_init(&plain, TEMPLATE_OUTPUT_SIZE_MAX);
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    print_for_escape(values, count, &plain);
    for (size_t i = 0; i < plain.len; i++) {
        const char *escape = html_escape(plain.data[i]);
        if (escape == NULL)
            buf_append_byte(&text, plain.data[i]);
        else
            buf_append_str(&text, escape);
    }
    return template_run_text(run, &text, out);
}

static void js_append(struct slice character, uint32_t rune, struct buf *out)
{
    switch (rune) {
    case '\\':
    case '\'':
    case '"':
        buf_append_byte(out, '\\');
        buf_append_byte(out, (char)rune);
        return;
    case '<':
    case '>':
    case '&':
    case '=':
        buf_printf(out, "\\u%04X", rune);
        return;
    default:
        if (rune >= ' ' && (rune < 0x80 || quote_is_printable(rune)))
            buf_append_slice(out, character);
        else
            buf_printf(out, "\\u%04X", rune);
    }
}

bool template_js(struct template_run *run, const struct template_value *values, size_t count,
                 struct template_value *out)
{
    CLEANUP(buf_release) struct buf plain;
    CLEANUP(buf_release) struct buf text;
    buf_init(&plain, TEMPLATE_OUTPUT_SIZE_MAX);
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    print_for_escape(values, count, &plain);
    struct slice rest = buf_slice(&plain);
    uint32_t rune;
    for (size_t len; (len = utf8_decode(rest, &rune)) > 0; rest = slice_from_index(rest, len))
        js_append(slice_sub(rest, 0, len), rune, &text);
    return template_run_text(run, &text, out);
}

bool template_urlquery(struct template_run *run, const struct template_value *values, size_t count,
                       struct template_value *out)
{
    CLEANUP(buf_release) struct buf plain;
    CLEANUP(buf_release) struct buf text;
    buf_init(&plain, TEMPLATE_OUTPUT_SIZE_MAX);
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    print_for_escape(values, count, &plain);
    url_query_escape(buf_slice(&plain), &text);
    return template_run_text(run, &text, out);
}

/* -- parts -- */

/* An index into something of `size` places; Go lets the size itself pass here. */
static bool take_index(struct template_run *run, const struct template_value *value, size_t size,
                       size_t *out)
{
    enum template_kind kind = template_kind_of(value->type);
    if (value->type == TEMPLATE_TYPE_NONE)
        return template_run_fail(run, "cannot index slice/array with nil");
    if (kind != TEMPLATE_KIND_INT && kind != TEMPLATE_KIND_UINT) {
        return template_run_fail(run, "cannot index slice/array with type %s",
                                 template_type_name(value->type));
    }
    if (value->integer < 0 || (uint64_t)value->integer > size) {
        return template_run_fail(run, "index out of range: %lld", (long long)value->integer);
    }
    *out = (size_t)value->integer;
    return true;
}

static bool take_key(struct template_run *run, const struct template_value *value,
                     struct slice *out)
{
    if (value->type == TEMPLATE_TYPE_NONE)
        return template_run_fail(run, "value is nil; should be of type string");
    if (value->type != TEMPLATE_TYPE_STRING) {
        return template_run_fail(run, "value has type %s; should be string",
                                 template_type_name(value->type));
    }
    *out = value->text;
    return true;
}

static bool index_map(struct template_run *run, const struct template_value *item,
                      const struct template_value *index, struct template_value *out)
{
    struct slice key;
    if (!take_key(run, index, &key))
        return false;
    size_t place;
    if (item->type == TEMPLATE_TYPE_LABELS) {
        *out =
            template_value_text(item->labels == NULL ? SLICE_EMPTY : labels_get(item->labels, key));
    } else if (template_argument_index(key, &place) && place < item->arguments.count) {
        *out = item->arguments.items[place];
    } else {
        *out = (struct template_value){0};
    }
    return true;
}

static bool index_one(struct template_run *run, const struct template_value *item,
                      const struct template_value *index, struct template_value *out)
{
    size_t place = 0;
    switch (item->type) {
    case TEMPLATE_TYPE_LABELS:
    case TEMPLATE_TYPE_ARGUMENTS:
        return index_map(run, item, index, out);
    case TEMPLATE_TYPE_STRING:
    case TEMPLATE_TYPE_HTML:
        if (!take_index(run, index, item->text.len, &place))
            return false;
        if (place == item->text.len)
            return template_run_fail(run, "reflect: string index out of range");
        *out = template_value_integer(TEMPLATE_TYPE_UINT8, (uint8_t)item->text.ptr[place]);
        return true;
    case TEMPLATE_TYPE_VECTOR:
        if (!take_index(run, index, item->vector.count, &place))
            return false;
        if (place == item->vector.count)
            return template_run_fail(run, "reflect: slice index out of range");
        *out = (struct template_value){.type = TEMPLATE_TYPE_SAMPLE,
                                       .sample = item->vector.rows[place]};
        return true;
    case TEMPLATE_TYPE_NONE:
        return template_run_fail(run, "index of nil pointer");
    default:
        return template_run_fail(run, "can't index item of type %s",
                                 item->type == TEMPLATE_TYPE_SAMPLE
                                     ? "template.sample"
                                     : template_type_name(item->type));
    }
}

bool template_index(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    if (values[0].type == TEMPLATE_TYPE_NONE)
        return template_run_fail(run, "index of untyped nil");
    struct template_value item = values[0];
    for (size_t i = 1; i < count; i++) {
        struct template_value next;
        item = template_value_indirect(item);
        if (!index_one(run, &item, &values[i], &next))
            return false;
        item = next;
    }
    *out = item;
    return true;
}

bool template_slice(struct template_run *run, const struct template_value *values, size_t count,
                    struct template_value *out)
{
    const struct template_value *item = &values[0];
    bool is_string = template_kind_of(item->type) == TEMPLATE_KIND_STRING;
    if (item->type == TEMPLATE_TYPE_NONE)
        return template_run_fail(run, "slice of untyped nil");
    if (count > 4)
        return template_run_fail(run, "too many slice indexes: %zu", count - 1);
    if (is_string && count == 4)
        return template_run_fail(run, "cannot 3-index slice a string");
    if (!is_string && item->type != TEMPLATE_TYPE_VECTOR) {
        return template_run_fail(run, "can't slice item of type %s",
                                 template_type_name(item->type));
    }
    size_t size = is_string ? item->text.len : item->vector.count;
    size_t places[3] = {0, size, size};
    for (size_t i = 1; i < count; i++) {
        if (!take_index(run, &values[i], size, &places[i - 1]))
            return false;
    }
    if (places[0] > places[1]) {
        return template_run_fail(run, "invalid slice index: %zu > %zu", places[0], places[1]);
    }
    if (places[1] > places[2]) {
        return template_run_fail(run, "invalid slice index: %zu > %zu", places[1], places[2]);
    }
    *out = *item;
    if (is_string) {
        out->text = slice_sub(item->text, places[0], places[1] - places[0]);
    } else {
        out->vector.rows += places[0];
        out->vector.count = places[1] - places[0];
    }
    return true;
}

bool template_len(struct template_run *run, const struct template_value *values, size_t count,
                  struct template_value *out)
{
    (void)count;
    size_t len;
    switch (values[0].type) {
    case TEMPLATE_TYPE_STRING:
    case TEMPLATE_TYPE_HTML:
        len = values[0].text.len;
        break;
    case TEMPLATE_TYPE_LABELS:
        len = values[0].labels == NULL ? 0 : values[0].labels->count;
        break;
    case TEMPLATE_TYPE_ARGUMENTS:
        len = values[0].arguments.count;
        break;
    case TEMPLATE_TYPE_VECTOR:
        len = values[0].vector.count;
        break;
    case TEMPLATE_TYPE_NONE:
        return template_run_fail(run, "reflect: call of reflect.Value.Type on zero Value");
    case TEMPLATE_TYPE_SAMPLE:
        return template_run_fail(run, "len of type template.sample");
    default:
        return template_run_fail(run, "len of type %s",
                                 template_type_name(template_value_indirect(values[0]).type));
    }
    *out = template_value_integer(TEMPLATE_TYPE_INT, (int64_t)len);
    return true;
}

/* There are no values that are functions. */
bool template_call(struct template_run *run, const struct template_value *values, size_t count,
                   struct template_value *out)
{
    (void)count;
    (void)out;
    if (values[0].type == TEMPLATE_TYPE_NONE)
        return template_run_fail(run, "call of nil");
    return template_run_fail(run, "non-function of type %s", template_type_name(values[0].type));
}
