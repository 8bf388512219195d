#include "rules/recording.h"

#include "base/table.h"
#include "model/labels_builder.h"

static bool labels_match(const void *value, const void *key)
{
    return labels_equal(value, key);
}

enum err recording_samples(const struct rule_definition *definition,
                           const struct rule_vector *vector, int64_t limit,
                           struct output_samples *out, struct errbuf *err)
{
    struct table seen;
    struct labels_builder builder;
    struct output_samples samples = {0};
    enum err result = ERR_NONE;
    table_init(&seen);
    table_reserve(&seen, vector->count);
    labels_builder_init(&builder);
    vec_reserve(&samples.items, vector->count);
    for (size_t i = 0; i < vector->count && result == ERR_NONE; i++) {
        const struct rule_vector_sample *sample = &vector->items[i];
        labels_builder_start(&builder, sample->labels);
        labels_builder_set(&builder, SLICE(LABEL_METRIC_NAME), definition->record);
        for (size_t j = 0; j < definition->label_count; j++)
            labels_builder_set(&builder, definition->labels[j].name, definition->labels[j].value);
        struct labels *labels = labels_builder_take(&builder);
        vec_push(&samples.items,
                 (struct output_sample){labels, sample->value, sample->histogram});
        if (table_get(&seen, labels->hash, labels_match, labels) != NULL)
            result = errbuf_set(err, ERR_EXECUTION,
                                "vector contains metrics with the same labelset after applying "
                                "rule labels");
        else
            table_add(&seen, labels->hash, labels);
    }
    if (result == ERR_NONE && limit > 0 && vector->count > (uint64_t)limit)
        result = errbuf_set(err, ERR_EXECUTION, "exceeded limit of %lld with %zu series",
                            (long long)limit, vector->count);
    labels_builder_release(&builder);
    table_release(&seen);
    if (result == ERR_NONE)
        *out = samples;
    else
        output_samples_release(&samples);
    return result;
}
