/*
 * The server's own metrics as text. In OpenMetrics, counters are named without _total in their
 * metadata, and whole numbers of floats get ".0", except counts.
 */
#include "base/counters.h"
#include "base/float_text.h"
#include "exposition/exposition.h"

struct counters_writer {
    bool openmetrics;
    struct buf *out;
    const struct counters_description *family; /* of the last sample */
};

static void write_escaped(struct counters_writer *writer, struct slice text, bool quotes)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (byte == '\\')
            buf_append_str(writer->out, "\\\\");
        else if (byte == '\n')
            buf_append_str(writer->out, "\\n");
        else if (byte == '"' && quotes)
            buf_append_str(writer->out, "\\\"");
        else
            buf_append_byte(writer->out, byte);
    }
}

static bool is_counter(const struct counters_writer *writer)
{
    return writer->family->type == COUNTERS_COUNTER;
}

/* The name in HELP and TYPE lines. */
static struct slice family_name(const struct counters_writer *writer)
{
    struct slice name = slice_str(writer->family->name);
    if (writer->openmetrics && is_counter(writer) && slice_has_suffix(name, SLICE("_total")))
        name.len -= 6;
    return name;
}

static const char *type_name(const struct counters_writer *writer, struct slice name)
{
    switch (writer->family->type) {
    case COUNTERS_COUNTER:
        /* OpenMetrics knows no counter without the suffix */
        if (writer->openmetrics && name.len == strlen(writer->family->name))
            return "unknown";
        return "counter";
    case COUNTERS_GAUGE:
        return "gauge";
    case COUNTERS_HISTOGRAM:
        return "histogram";
    case COUNTERS_SUMMARY:
        break;
    }
    return "summary";
}

static void write_metadata(struct counters_writer *writer)
{
    struct slice name = family_name(writer);
    buf_append_str(writer->out, "# HELP ");
    buf_append_slice(writer->out, name);
    buf_append_byte(writer->out, ' ');
    write_escaped(writer, slice_str(writer->family->help), writer->openmetrics);
    buf_append_str(writer->out, "\n# TYPE ");
    buf_append_slice(writer->out, name);
    buf_printf(writer->out, " %s\n", type_name(writer, name));
}

static void write_label(struct counters_writer *writer, bool *first, const char *name,
                        struct slice value)
{
    buf_append_byte(writer->out, *first ? '{' : ',');
    *first = false;
    buf_append_str(writer->out, name);
    buf_append_str(writer->out, "=\"");
    write_escaped(writer, value, true);
    buf_append_byte(writer->out, '"');
}

static void write_labels(struct counters_writer *writer, const struct counters_sample *sample)
{
    const char *const *names = writer->family->label_names;
    bool first = true;
    bool written[COUNTERS_LABELS_MAX] = {false};
    /* in the order of names, as the reference's client does */
    for (size_t round = 0; names[round] != NULL; round++) {
        size_t least = SIZE_MAX;
        for (size_t i = 0; names[i] != NULL; i++) {
            if (!written[i] && (least == SIZE_MAX || strcmp(names[i], names[least]) < 0))
                least = i;
        }
        written[least] = true;
        write_label(writer, &first, names[least], sample->label_values[least]);
    }
    if (sample->extra_name != NULL) {
        struct slice bound = slice_str(sample->extra_value);
        char text[FLOAT_TEXT_SHORT_SIZE];
        double value;
        if (writer->openmetrics && float_text_parse(bound, &value, NULL))
            bound = slice_from(text, float_text_openmetrics(value, text));
        write_label(writer, &first, sample->extra_name, bound);
    }
    if (!first)
        buf_append_byte(writer->out, '}');
}

static void write_sample(const struct counters_sample *sample, void *context)
{
    struct counters_writer *writer = context;
    if (sample->description != writer->family) {
        writer->family = sample->description;
        write_metadata(writer);
    }
    buf_append_str(writer->out, writer->family->name);
    buf_append_str(writer->out, sample->suffix);
    write_labels(writer, sample);
    buf_append_byte(writer->out, ' ');
    bool is_count = strcmp(sample->suffix, "_count") == 0 || strcmp(sample->suffix, "_bucket") == 0;
    char text[FLOAT_TEXT_SHORT_SIZE];
    size_t len = writer->openmetrics && !is_count ? float_text_openmetrics(sample->value, text)
                                                  : float_text_g(sample->value, text);
    buf_append(writer->out, text, len);
    buf_append_byte(writer->out, '\n');
}

void exposition_write_counters(enum exposition_format format, struct buf *out)
{
    struct counters_writer writer = {.openmetrics = format == EXPOSITION_OPENMETRICS, .out = out};
    counters_collect(write_sample, &writer);
    if (writer.openmetrics)
        buf_append_str(out, "# EOF\n");
}
