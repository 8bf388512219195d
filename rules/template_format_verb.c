/* One value under one verb. */
#include "rules/template_format_internal.h"

#include "base/compiler.h"
#include "base/utf8.h"
#include "model/duration.h"
#include "rules/template_text.h"
#include "rules/template_time.h"

static bool is_stringer(enum template_type type)
{
    switch (type) {
    case TEMPLATE_TYPE_TIME:
    case TEMPLATE_TYPE_TIME_POINTER:
    case TEMPLATE_TYPE_DURATION:
    case TEMPLATE_TYPE_DURATION_POINTER:
    case TEMPLATE_TYPE_MONTH:
    case TEMPLATE_TYPE_WEEKDAY:
        return true;
    default:
        return false;
    }
}

static void write_hex(struct slice text, bool upper, const struct format_flags *flags,
                      struct buf *out)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    CLEANUP(buf_release) struct buf made;
    buf_init(&made, out->size_max);
    if (flags->has_precision && flags->precision < text.len)
        text.len = flags->precision;
    for (size_t i = 0; i < text.len; i++) {
        if (i > 0 && flags->space)
            buf_append_byte(&made, ' ');
        if (flags->sharp && (i == 0 || flags->space))
            buf_append_str(&made, upper ? "0X" : "0x");
        buf_append_byte(&made, digits[(uint8_t)text.ptr[i] >> 4]);
        buf_append_byte(&made, digits[(uint8_t)text.ptr[i] & 15]);
    }
    out->overflow = out->overflow || made.overflow;
    format_pad(buf_slice(&made), flags, out);
}

static bool can_backquote(struct slice text)
{
    uint32_t rune;
    for (size_t len; (len = utf8_decode(text, &rune)) > 0; text = slice_from_index(text, len)) {
        if (rune == '`' || rune == 0x7F || rune == 0xFFFD || (rune < ' ' && rune != '\t'))
            return false;
    }
    return true;
}

static void write_quoted(struct slice text, const struct format_flags *flags, struct buf *out)
{
    CLEANUP(buf_release) struct buf made;
    buf_init(&made, out->size_max);
    if (flags->sharp && can_backquote(text))
        buf_printf(&made, "`%.*s`", SLICE_ARG(text));
    else
        format_quote(text, flags, &made);
    out->overflow = out->overflow || made.overflow;
    format_pad(buf_slice(&made), flags, out);
}

static bool write_string(struct slice text, uint32_t verb, const struct format_flags *flags,
                         struct buf *out)
{
    struct slice cut = flags->has_precision ? template_first_runes(text, flags->precision) : text;
    switch (verb) {
    case 'v':
        if (flags->sharp_v)
            write_quoted(text, flags, out);
        else
            format_pad(cut, flags, out);
        return true;
    case 's':
        format_pad(cut, flags, out);
        return true;
    case 'x':
    case 'X':
        write_hex(text, verb == 'X', flags, out);
        return true;
    case 'q':
        write_quoted(cut, flags, out);
        return true;
    default:
        return false;
    }
}

static void stringer_text(const struct template_value *value, struct buf *out)
{
    struct template_value inner = template_value_indirect(*value);
    if (inner.type == TEMPLATE_TYPE_TIME)
        template_time_print(inner.time, out);
    else if (inner.type == TEMPLATE_TYPE_DURATION)
        duration_print_go(inner.integer, out);
    else if (inner.type == TEMPLATE_TYPE_MONTH)
        buf_append_str(out, template_month_name(inner.integer));
    else
        buf_append_str(out, template_weekday_name(inner.integer));
}

static bool write_stringer(const struct template_value *value, uint32_t verb,
                           const struct format_flags *flags, struct buf *out)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 256);
    stringer_text(value, &text);
    return write_string(buf_slice(&text), verb, flags, out);
}

static void write_labels(const struct labels *labels, uint32_t verb,
                         const struct format_flags *flags, struct buf *out)
{
    buf_append_str(out, "map[");
    for (uint32_t i = 0; labels != NULL && i < labels->count && !out->overflow; i++) {
        struct template_value name = template_value_text(symbols_text(labels->pairs[i].name));
        struct template_value text = template_value_text(symbols_text(labels->pairs[i].value));
        if (i > 0)
            buf_append_byte(out, ' ');
        format_argument(&name, verb, flags, out);
        buf_append_byte(out, ':');
        format_argument(&text, verb, flags, out);
    }
    buf_append_byte(out, ']');
}

static void write_arguments(const struct template_value *value, uint32_t verb,
                            const struct format_flags *flags, struct buf *out)
{
    struct template_value name;
    struct template_value element;
    buf_append_str(out, "map[");
    for (size_t i = 0; !out->overflow && template_argument_at(value, i, &name, &element); i++) {
        if (i > 0)
            buf_append_byte(out, ' ');
        format_argument(&name, verb, flags, out);
        buf_append_byte(out, ':');
        format_argument(&element, verb, flags, out);
    }
    buf_append_byte(out, ']');
}

void format_sample(const struct template_sample *sample, uint32_t verb,
                   const struct format_flags *flags, struct buf *out)
{
    struct template_value number = template_value_number(sample->value);
    buf_append_str(out, flags->plus_v ? "{Labels:" : "{");
    write_labels(sample->labels, verb, flags, out);
    buf_append_str(out, flags->plus_v ? " Value:" : " ");
    format_argument(&number, verb, flags, out);
    buf_append_byte(out, '}');
}

static void write_data(const struct template_data *data, uint32_t verb,
                       const struct format_flags *flags, struct buf *out)
{
    struct template_value url = template_value_text(data->external_url);
    struct template_value number = template_value_number(data->value);
    bool names = flags->plus_v;
    buf_append_str(out, names ? "{Labels:" : "{");
    write_labels(data->labels, verb, flags, out);
    buf_append_str(out, names ? " ExternalLabels:" : " ");
    write_labels(data->external_labels, verb, flags, out);
    buf_append_str(out, names ? " ExternalURL:" : " ");
    format_argument(&url, verb, flags, out);
    buf_append_str(out, names ? " Value:" : " ");
    format_argument(&number, verb, flags, out);
    buf_append_byte(out, '}');
}

static void write_addresses(const struct template_value *value, struct buf *out)
{
    buf_append_byte(out, '[');
    for (size_t i = 0; i < value->vector.count && !out->overflow; i++)
        buf_printf(out, "%s%p", i > 0 ? " " : "", (const void *)value->vector.rows[i]);
    buf_append_byte(out, ']');
}

/* Values that hold others hand the verb on to them. */
static bool write_other(const struct template_value *value, uint32_t verb,
                        const struct format_flags *flags, struct buf *out)
{
    switch (value->type) {
    case TEMPLATE_TYPE_LABELS:
        write_labels(value->labels, verb, flags, out);
        return true;
    case TEMPLATE_TYPE_ARGUMENTS:
        write_arguments(value, verb, flags, out);
        return true;
    case TEMPLATE_TYPE_VECTOR:
        write_addresses(value, out);
        return true;
    case TEMPLATE_TYPE_SAMPLE:
        buf_append_byte(out, '&');
        format_sample(value->sample, verb, flags, out);
        return true;
    case TEMPLATE_TYPE_DATA:
        write_data(value->data, verb, flags, out);
        return true;
    default:
        return false;
    }
}

static bool write_verb(const struct template_value *value, uint32_t verb,
                       const struct format_flags *flags, struct buf *out)
{
    if (is_stringer(value->type) && write_stringer(value, verb, flags, out))
        return true;
    switch (template_kind_of(value->type)) {
    case TEMPLATE_KIND_BOOL:
        if (verb != 't' && verb != 'v')
            return false;
        format_pad(value->boolean ? SLICE("true") : SLICE("false"), flags, out);
        return true;
    case TEMPLATE_KIND_INT:
    case TEMPLATE_KIND_UINT: {
        bool negative = value->integer < 0;
        uint64_t magnitude = negative ? 0 - (uint64_t)value->integer : (uint64_t)value->integer;
        return format_integer(magnitude, negative, verb, flags, out);
    }
    case TEMPLATE_KIND_FLOAT:
        return format_float(value->number, verb, flags, out);
    case TEMPLATE_KIND_STRING:
        return write_string(value->text, verb, flags, out);
    default:
        return write_other(value, verb, flags, out);
    }
}

void format_argument(const struct template_value *value, uint32_t verb,
                     const struct format_flags *flags, struct buf *out)
{
    if (out->overflow)
        return;
    struct slice type = slice_str(template_type_name(value->type));
    if (verb == 'T' || (verb == 'v' && value->type == TEMPLATE_TYPE_NONE)) {
        format_pad(type, flags, out);
        return;
    }
    if (value->type != TEMPLATE_TYPE_NONE && write_verb(value, verb, flags, out))
        return;
    char bytes[4];
    size_t len = utf8_encode(verb, bytes);
    buf_printf(out, "%%!%.*s(%.*s", (int)len, bytes, SLICE_ARG(type));
    if (value->type != TEMPLATE_TYPE_NONE) {
        buf_append_byte(out, '=');
        format_argument(value, 'v', flags, out);
    }
    buf_append_byte(out, ')');
}
