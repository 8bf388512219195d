#include "rules/template_format.h"

#include "base/utf8.h"
#include "rules/template_format_internal.h"

#define NUMBER_MAX 1000000

void template_format_value(const struct template_value *value, struct buf *out)
{
    format_argument(value, 'v', &(struct format_flags){0}, out);
}

void template_print_value(const struct template_value *value, struct buf *out)
{
    if (value->type == TEMPLATE_TYPE_NONE)
        buf_append_str(out, "<no value>");
    else if (value->type == TEMPLATE_TYPE_SAMPLE)
        format_sample(value->sample, 'v', &(struct format_flags){0}, out);
    else
        template_format_value(value, out);
}

void template_format_print(const struct template_value *values, size_t count, struct buf *out)
{
    bool string_before = false;
    for (size_t i = 0; i < count; i++) {
        bool is_string = template_kind_of(values[i].type) == TEMPLATE_KIND_STRING;
        if (i > 0 && !is_string && !string_before)
            buf_append_byte(out, ' ');
        template_format_value(&values[i], out);
        string_before = is_string;
    }
}

void template_format_println(const struct template_value *values, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(out, ' ');
        template_format_value(&values[i], out);
    }
    buf_append_byte(out, '\n');
}

/* -- format strings -- */

struct format_reader {
    struct slice format;
    size_t at;
    const struct template_value *values;
    size_t count;
    size_t next; /* value */
    bool reordered;
    bool good_index;
    bool after_index; /* an index like [3] came just before */
    struct format_flags flags;
    struct buf *out;
};

static bool at_byte(const struct format_reader *reader, char byte)
{
    return reader->at < reader->format.len && reader->format.ptr[reader->at] == byte;
}

/* A number at the place; false when there is none. One that is too large takes the rest of the
 * format with it, as in Go. */
static bool read_number(struct format_reader *reader, size_t *out)
{
    size_t number = 0;
    bool any = false;
    for (; reader->at < reader->format.len; reader->at++) {
        char byte = reader->format.ptr[reader->at];
        if (byte < '0' || byte > '9')
            break;
        if (number > NUMBER_MAX) {
            reader->at = reader->format.len;
            return false;
        }
        number = number * 10 + (size_t)(byte - '0');
        any = true;
    }
    *out = any ? number : 0;
    return any;
}

/* [3] chooses the next value. */
static void read_index(struct format_reader *reader)
{
    reader->after_index = false;
    if (!at_byte(reader, '['))
        return;
    reader->reordered = true;
    struct slice rest = slice_from_index(reader->format, reader->at);
    size_t end = slice_index(rest, ']');
    if (end == SLICE_NONE) {
        reader->good_index = false;
        reader->at++;
        return;
    }
    struct format_reader inner = {.format = slice_sub(rest, 1, end - 1)};
    size_t index;
    bool good = read_number(&inner, &index) && inner.at == inner.format.len && index >= 1 &&
                index <= reader->count;
    reader->at += end + 1;
    if (!good) {
        reader->good_index = false;
        return;
    }
    reader->next = index - 1;
    reader->after_index = true;
}

/* The value of a '*'. */
static bool take_star(struct format_reader *reader, int64_t *out)
{
    if (reader->next >= reader->count)
        return false;
    const struct template_value *value = &reader->values[reader->next++];
    enum template_kind kind = template_kind_of(value->type);
    if (kind != TEMPLATE_KIND_INT && kind != TEMPLATE_KIND_UINT)
        return false;
    if (value->integer > NUMBER_MAX || value->integer < -NUMBER_MAX)
        return false;
    *out = value->integer;
    return true;
}

static void read_flags(struct format_reader *reader)
{
    reader->flags = (struct format_flags){0};
    for (; reader->at < reader->format.len; reader->at++) {
        switch (reader->format.ptr[reader->at]) {
        case '#':
            reader->flags.sharp = true;
            break;
        case '0':
            reader->flags.zero = true;
            break;
        case '+':
            reader->flags.plus = true;
            break;
        case '-':
            reader->flags.minus = true;
            break;
        case ' ':
            reader->flags.space = true;
            break;
        default:
            return;
        }
    }
}

static void read_width(struct format_reader *reader)
{
    struct format_flags *flags = &reader->flags;
    if (!at_byte(reader, '*')) {
        flags->has_width = read_number(reader, &flags->width);
        if (reader->after_index && flags->has_width)
            reader->good_index = false;
        return;
    }
    reader->at++;
    int64_t width = 0;
    flags->has_width = take_star(reader, &width);
    if (!flags->has_width)
        buf_append_str(reader->out, "%!(BADWIDTH)");
    if (width < 0) {
        width = -width;
        flags->minus = true;
        flags->zero = false;
    }
    flags->width = (size_t)width;
    reader->after_index = false;
}

static void read_precision(struct format_reader *reader)
{
    struct format_flags *flags = &reader->flags;
    if (!at_byte(reader, '.') || reader->at + 1 >= reader->format.len)
        return;
    reader->at++;
    if (reader->after_index)
        reader->good_index = false;
    read_index(reader);
    if (!at_byte(reader, '*')) {
        read_number(reader, &flags->precision);
        flags->has_precision = true;
        return;
    }
    reader->at++;
    int64_t precision = 0;
    flags->has_precision = take_star(reader, &precision) && precision >= 0;
    if (flags->has_precision)
        flags->precision = (size_t)precision;
    else
        buf_append_str(reader->out, "%!(BADPREC)");
    reader->after_index = false;
}

/* %!d(MISSING) */
static void mark_verb(struct format_reader *reader, uint32_t verb, const char *what)
{
    char bytes[4];
    size_t len = utf8_encode(verb, bytes);
    buf_printf(reader->out, "%%!%.*s(%s)", (int)len, bytes, what);
}

static void write_verb(struct format_reader *reader, uint32_t verb)
{
    struct format_flags *flags = &reader->flags;
    if (verb == '%') {
        buf_append_byte(reader->out, '%');
    } else if (!reader->good_index) {
        mark_verb(reader, verb, "BADINDEX");
    } else if (reader->next >= reader->count) {
        mark_verb(reader, verb, "MISSING");
    } else {
        if (verb == 'v') {
            flags->sharp_v = flags->sharp;
            flags->plus_v = flags->plus;
            flags->sharp = flags->plus = false;
        }
        format_argument(&reader->values[reader->next++], verb, flags, reader->out);
    }
}

/* Behind a '%'; false at the end of the format. */
static bool read_verb(struct format_reader *reader)
{
    reader->good_index = true;
    read_flags(reader);
    read_index(reader);
    read_width(reader);
    read_precision(reader);
    if (!reader->after_index)
        read_index(reader);
    if (reader->at >= reader->format.len) {
        buf_append_str(reader->out, "%!(NOVERB)");
        return false;
    }
    uint32_t verb;
    reader->at += utf8_decode(slice_from_index(reader->format, reader->at), &verb);
    write_verb(reader, verb);
    return true;
}

static void write_extra(struct format_reader *reader)
{
    buf_append_str(reader->out, "%!(EXTRA ");
    for (size_t i = reader->next; i < reader->count; i++) {
        const struct template_value *value = &reader->values[i];
        if (i > reader->next)
            buf_append_str(reader->out, ", ");
        buf_append_str(reader->out, template_type_name(value->type));
        if (value->type == TEMPLATE_TYPE_NONE)
            continue;
        buf_append_byte(reader->out, '=');
        template_format_value(value, reader->out);
    }
    buf_append_byte(reader->out, ')');
}

void template_format_printf(struct slice format, const struct template_value *values, size_t count,
                            struct buf *out)
{
    struct format_reader reader = {.format = format, .values = values, .count = count, .out = out};
    while (reader.at < format.len && !out->overflow) {
        struct slice rest = slice_from_index(format, reader.at);
        size_t plain = slice_index(rest, '%');
        if (plain == SLICE_NONE) {
            buf_append_slice(out, rest);
            break;
        }
        buf_append_slice(out, slice_sub(rest, 0, plain));
        reader.at += plain + 1;
        if (!read_verb(&reader))
            break;
    }
    if (!reader.reordered && reader.next < count)
        write_extra(&reader);
}
