/* Exemplars of the text formats, for sinks that want them. */
#include "base/alloc.h"
#include "exposition/entry.h"
#include "exposition/unescape.h"

/* The labels as text means them; `memory` has room for what has to be unescaped. */
static void labels_unescape(const struct exposition_label *labels, size_t count, char *memory,
                            struct exemplar_label *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct exemplar_label){labels[i].name, labels[i].value};
        struct slice *parts[] = {&out[i].name, &out[i].value};
        for (size_t k = 0; k < ARRAY_SIZE(parts); k++) {
            if (slice_index(*parts[k], '\\') == SLICE_NONE)
                continue;
            size_t len = unescape(*parts[k], true, memory);
            *parts[k] = slice_from(memory, len);
            memory += len;
        }
    }
}

static size_t labels_size(const struct exposition_label *labels, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += labels[i].name.len + labels[i].value.len;
    return size;
}

enum exposition_answer entry_give_exemplar(const struct entry *entry,
                                           const struct exposition_sink *sink)
{
    const struct entry_exemplar *from = &entry->exemplar;
    struct exposition_label raw[EXEMPLAR_LABEL_RUNES_MAX];
    struct exemplar_label labels[EXEMPLAR_LABEL_RUNES_MAX];
    if (from->label_count > ARRAY_SIZE(raw))
        return EXPOSITION_GO_ON; /* more than any storage takes */
    struct exposition_lexer lexer = from->labels;
    struct slice no_name;
    size_t count;
    if (entry_labels(&lexer, from->start, true, true, &no_name, raw, &count, NULL) != ERR_NONE)
        return EXPOSITION_GO_ON;
    char *memory = mem_alloc(labels_size(raw, count));
    labels_unescape(raw, count, memory, labels);
    struct exemplar exemplar = {.labels = labels,
                                .label_count = count,
                                .value = from->value,
                                .timestamp_ms = from->timestamp_ms,
                                .has_timestamp = from->has_timestamp};
    enum exposition_answer answer = sink->exemplar(sink->context, &exemplar);
    mem_free(memory);
    return answer;
}
