#include "bench/node_labels.h"

#include <stdio.h>

#include "model/labels_builder.h"

struct labels *node_labels(const struct node_series *series, size_t target)
{
    char instance[40];
    snprintf(instance, sizeof(instance), "node-%03zu.example.org:9100", target);
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("__name__"), slice_str(series->family));
    labels_builder_set(&builder, SLICE("instance"), slice_str(instance));
    labels_builder_set(&builder, SLICE("job"), SLICE("node"));
    for (size_t i = 0; i < series->label_count; i++)
        labels_builder_set(&builder, slice_str(series->labels[i].name),
                           slice_str(series->labels[i].value));
    struct labels *labels = labels_builder_build(&builder);
    labels_builder_release(&builder);
    return labels;
}
