/* static_configs: the targets stand in the configuration, so the groups never change. */
#include "discovery/provider.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/labels_builder.h"

struct static_group {
    const struct labels *labels;        /* counted */
    VEC(const struct labels *) targets; /* counted */
};

struct static_provider {
    struct provider provider;
    VEC(struct static_group) groups;
};

static void static_groups(struct provider *provider, struct discovery_groups *out)
{
    const struct static_provider *self = CONTAINER_OF(provider, struct static_provider, provider);
    for (size_t i = 0; i < self->groups.len; i++) {
        const struct static_group *group = &self->groups.items[i];
        char source[24];
        snprintf(source, sizeof(source), "%zu", i);
        struct target_group *copy = target_group_new(source);
        labels_unref(copy->labels);
        copy->labels = labels_ref(group->labels);
        for (size_t j = 0; j < group->targets.len; j++)
            vec_push(&copy->targets, labels_ref(group->targets.items[j]));
        vec_push(&out->items, copy);
    }
}

static void static_free(struct provider *provider)
{
    struct static_provider *self = CONTAINER_OF(provider, struct static_provider, provider);
    for (size_t i = 0; i < self->groups.len; i++) {
        struct static_group *group = &self->groups.items[i];
        labels_unref(group->labels);
        for (size_t j = 0; j < group->targets.len; j++)
            labels_unref(group->targets.items[j]);
        vec_release(&group->targets);
    }
    vec_release(&self->groups);
    mem_free(self);
}

static const struct provider_operations static_operations = {
    .groups = static_groups,
    .free = static_free,
};

struct provider *static_provider_new(const struct config_discovery *config)
{
    struct static_provider *self = mem_zalloc(sizeof(*self));
    self->provider.operations = &static_operations;
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < config->static_count; i++) {
        const struct config_static *from = &config->statics[i];
        struct static_group *group = vec_add(&self->groups);
        labels_builder_reset(&builder);
        for (size_t j = 0; j < from->label_count; j++)
            labels_builder_set(&builder, from->labels[j].name, from->labels[j].value);
        group->labels = labels_builder_build(&builder);
        for (size_t j = 0; j < from->target_count; j++) {
            labels_builder_reset(&builder);
            labels_builder_set(&builder, SLICE("__address__"), from->targets[j]);
            vec_push(&group->targets, labels_builder_build(&builder));
        }
    }
    labels_builder_release(&builder);
    return &self->provider;
}
