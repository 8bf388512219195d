#include "scrape/sample_labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "model/metadata.h"
#include "model/quote.h"
#include "model/relabel.h"

/* What one series text may need: a line is part of a body, whose size is limited. */
#define SAMPLE_ARENA_BYTES_MAX ((size_t)1 << 31)
/* How much of a text an error shows. */
#define SHOWN_RUNES_MAX 50
#define LABEL_TYPE "__type__"
#define LABEL_UNIT "__unit__"
#define EXPORTED_PREFIX "exported_"
/* From here on labels are sorted before they go to the builder, for which falling order is
 * quadratic. */
#define UNSORTED_LABELS_MAX 32

/* The parsed text of a series. */
struct sample_text {
    struct slice name;
    struct exposition_label *labels;
    size_t count;
    /* faults that are errors unless relabelling drops the series */
    /* what the metadata says; a label of the text with the same meaning gives way */
    const char *type; /* NULL = not known, or not wanted */
    struct slice unit;
    struct slice twice; /* a name that occurs twice, or empty */
    bool has_nameless_label;
};

void sample_labels_init(struct sample_labels *maker)
{
    maker->bad_text = maker->type_and_unit = false;
    arena_init(&maker->arena, SAMPLE_ARENA_BYTES_MAX);
    labels_builder_init(&maker->builder);
}

void sample_labels_release(struct sample_labels *maker)
{
    arena_release(&maker->arena);
    labels_builder_release(&maker->builder);
}

/* The label of that name, NULL if the text has none. An empty value counts as having it. */
static const struct exposition_label *sample_text_find(const struct sample_text *text,
                                                       struct slice name)
{
    for (size_t i = 0; i < text->count; i++) {
        if (slice_eq(text->labels[i].name, name))
            return &text->labels[i];
    }
    return NULL;
}

static int sample_label_compare(const void *a, const void *b)
{
    const struct exposition_label *left = a;
    const struct exposition_label *right = b;
    return slice_cmp(left->name, right->name);
}

/* Are type or unit, which the metadata tells, written as a label too? */
static bool sample_text_overrides(const struct sample_text *text, struct slice name)
{
    return (text->type != NULL && slice_eq(name, SLICE(LABEL_TYPE))) ||
           (text->unit.len > 0 && slice_eq(name, SLICE(LABEL_UNIT)));
}

/* Puts the labels of the text into the builder. */
static void sample_text_set(struct sample_text *text, struct labels_builder *builder)
{
    if (text->count > UNSORTED_LABELS_MAX)
        qsort(text->labels, text->count, sizeof(*text->labels), sample_label_compare);
    labels_builder_reset(builder);
    if (text->name.len > 0)
        labels_builder_set(builder, SLICE(LABEL_METRIC_NAME), text->name);
    if (text->type != NULL)
        labels_builder_set(builder, SLICE(LABEL_TYPE), slice_str(text->type));
    if (text->unit.len > 0)
        labels_builder_set(builder, SLICE(LABEL_UNIT), text->unit);
    for (size_t i = 0; i < text->count; i++) {
        const struct exposition_label *label = &text->labels[i];
        /* a label with an empty value is a label that is not there */
        if (label->value.len == 0 || sample_text_overrides(text, label->name))
            continue;
        if (label->name.len == 0) {
            text->has_nameless_label = true;
            continue;
        }
        size_t before = labels_builder_count(builder);
        labels_builder_set(builder, label->name, label->value);
        if (labels_builder_count(builder) == before)
            text->twice = label->name;
    }
}

static void sample_labels_honor(struct labels_builder *builder, const struct labels *target,
                                const struct sample_text *text)
{
    for (uint32_t i = 0; i < target->count; i++) {
        struct slice name = symbols_text(target->pairs[i].name);
        /* an empty value in the text keeps the target's label away */
        if (sample_text_find(text, name) == NULL)
            labels_builder_set_symbols(builder, target->pairs[i].name, target->pairs[i].value);
    }
}

/* Gives the text's label another name: as many prefixes as it takes to be free. */
static void sample_labels_export(struct labels_builder *builder, struct arena *arena,
                                 const struct exposition_label *label)
{
    const size_t prefix_len = sizeof(EXPORTED_PREFIX) - 1;
    struct slice name = label->name;
    do {
        char *longer = arena_alloc(arena, name.len + prefix_len);
        memcpy(longer, EXPORTED_PREFIX, prefix_len);
        memcpy(longer + prefix_len, name.ptr, name.len);
        name = slice_from(longer, name.len + prefix_len);
    } while (labels_builder_has(builder, name));
    labels_builder_set(builder, name, label->value);
}

/* The target's labels win; those of the text that they displace get the prefix, short names first.
 */
static void sample_labels_override(struct labels_builder *builder, struct arena *arena,
                                   const struct labels *target, const struct sample_text *text)
{
    const struct exposition_label **displaced =
        arena_alloc_array(arena, target->count, sizeof(*displaced));
    size_t displaced_count = 0;
    for (uint32_t i = 0; i < target->count; i++) {
        struct slice name = symbols_text(target->pairs[i].name);
        const struct exposition_label *label = sample_text_find(text, name);
        if (label != NULL && label->value.len > 0) {
            size_t at = displaced_count++;
            for (; at > 0 && displaced[at - 1]->name.len > name.len; at--)
                displaced[at] = displaced[at - 1];
            displaced[at] = label;
        }
        labels_builder_set_symbols(builder, target->pairs[i].name, target->pairs[i].value);
    }
    for (size_t i = 0; i < displaced_count; i++)
        sample_labels_export(builder, arena, displaced[i]);
}

static struct slice sample_shown(struct slice text)
{
    size_t len = 0;
    for (int i = 0; i < SHOWN_RUNES_MAX && len < text.len; i++) {
        uint32_t rune;
        len += utf8_decode(slice_from_index(text, len), &rune);
    }
    return slice_from(text.ptr, len);
}

static enum err sample_check_lengths(const struct config_limits *limits,
                                     const struct labels *labels, struct errbuf *err)
{
    struct slice metric = sample_shown(labels_metric_name(labels));
    for (uint32_t i = 0; i < labels->count; i++) {
        struct slice name = symbols_text(labels->pairs[i].name);
        struct slice value = symbols_text(labels->pairs[i].value);
        struct slice shown = sample_shown(name);
        if (limits->label_name_length > 0 && name.len > limits->label_name_length) {
            return errbuf_set(err, ERR_LIMIT,
                              "label_name_length_limit exceeded (metric: %.*s, label name: %.*s, "
                              "length: %zu, limit: %llu)",
                              SLICE_ARG(metric), SLICE_ARG(shown), name.len,
                              (unsigned long long)limits->label_name_length);
        }
        if (limits->label_value_length > 0 && value.len > limits->label_value_length) {
            struct buf quoted CLEANUP(buf_release);
            buf_init(&quoted, ERRBUF_TEXT_SIZE);
            quote_go(sample_shown(value), &quoted);
            return errbuf_set(err, ERR_LIMIT,
                              "label_value_length_limit exceeded (metric: %.*s, label name: %.*s, "
                              "value: %s, length: %zu, limit: %llu)",
                              SLICE_ARG(metric), SLICE_ARG(shown), buf_cstr(&quoted), value.len,
                              (unsigned long long)limits->label_value_length);
        }
    }
    return ERR_NONE;
}

static enum err sample_check_limits(const struct config_limits *limits, const struct labels *labels,
                                    struct errbuf *err)
{
    if (limits->labels > 0 && labels->count > limits->labels) {
        struct slice metric = sample_shown(labels_metric_name(labels));
        return errbuf_set(err, ERR_LIMIT,
                          "label_limit exceeded (metric: %.*s, number of labels: %u, limit: %llu)",
                          SLICE_ARG(metric), labels->count, (unsigned long long)limits->labels);
    }
    if (limits->label_name_length > 0 || limits->label_value_length > 0)
        return sample_check_lengths(limits, labels, err);
    return ERR_NONE;
}

/* Names and values are legal UTF-8 as the parser gives them: only rules can spoil that, and only
 * the legacy scheme asks for more. */
static bool sample_names_valid(const struct config_scrape *scrape, const struct labels *labels)
{
    if (scrape->utf8_names && scrape->metric_relabel_rule_count == 0)
        return true;
    struct slice metric = labels_metric_name(labels);
    if (scrape->utf8_names ? !labels_name_valid_utf8(metric)
                           : !labels_metric_name_valid_legacy(metric))
        return false;
    for (uint32_t i = 0; i < labels->count; i++) {
        struct slice name = symbols_text(labels->pairs[i].name);
        if (scrape->utf8_names ? !labels_name_valid_utf8(name) : !labels_name_valid_legacy(name))
            return false;
        if (!utf8_valid(symbols_text(labels->pairs[i].value)))
            return false;
    }
    return true;
}

static enum err sample_bad_names(const struct labels *labels, struct errbuf *err)
{
    struct buf shown CLEANUP(buf_release);
    buf_init(&shown, ERRBUF_TEXT_SIZE);
    labels_print(labels, &shown);
    return errbuf_set(err, ERR_INVALID, "invalid metric name or label names: %s", buf_cstr(&shown));
}

static enum err sample_check(const struct config_scrape *scrape, const struct sample_text *text,
                             const struct labels *labels, struct errbuf *err)
{
    if (labels_value(labels, labels_name_symbol()) == SYMBOL_EMPTY)
        return errbuf_set(err, ERR_INVALID, "missing metric name (__name__ label)");
    if (text->has_nameless_label || !sample_names_valid(scrape, labels))
        return sample_bad_names(labels, err);
    if (text->twice.len > 0 && labels_get(labels, text->twice).len > 0) {
        return errbuf_set(err, ERR_INVALID, "label name \"%.*s\" is not unique: invalid sample",
                          SLICE_ARG(text->twice));
    }
    return sample_check_limits(&scrape->limits, labels, err);
}

enum err sample_labels_make(struct sample_labels *maker, const struct config_scrape *scrape,
                            const struct labels *target, const struct exposition_series *series,
                            struct labels **out, struct errbuf *err)
{
    arena_reset(&maker->arena);
    struct sample_text text = {0};
    if (maker->type_and_unit && series->type != METRIC_UNKNOWN)
        text.type = metric_type_name(series->type);
    if (maker->type_and_unit)
        text.unit = series->unit;
    enum err code =
        exposition_series_labels(series, &maker->arena, &text.name, &text.labels, &text.count, err);
    maker->bad_text = code != ERR_NONE;
    if (code != ERR_NONE)
        return code;
    sample_text_set(&text, &maker->builder);
    if (scrape->honor_labels)
        sample_labels_honor(&maker->builder, target, &text);
    else
        sample_labels_override(&maker->builder, &maker->arena, target, &text);
    if (!relabel_apply(scrape->metric_relabel_rules, scrape->metric_relabel_rule_count,
                       &maker->builder) ||
        labels_builder_count(&maker->builder) == 0) {
        *out = NULL;
        return ERR_NONE;
    }
    struct labels *labels = labels_builder_build(&maker->builder);
    code = sample_check(scrape, &text, labels, err);
    if (code != ERR_NONE) {
        labels_unref(labels);
        return code;
    }
    *out = labels;
    return ERR_NONE;
}

struct labels *sample_labels_make_report(struct sample_labels *maker, const struct labels *target,
                                         struct slice name)
{
    labels_builder_start(&maker->builder, target);
    labels_builder_set(&maker->builder, SLICE(LABEL_METRIC_NAME), name);
    return labels_builder_build(&maker->builder);
}
