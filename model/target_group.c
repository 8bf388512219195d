#include "model/target_group.h"

#include "base/alloc.h"

struct target_group *target_group_new(const char *source)
{
    struct target_group *group = mem_zalloc(sizeof(*group));
    group->source = mem_strdup(source);
    return group;
}

void target_group_free(struct target_group *group)
{
    if (group == NULL)
        return;
    for (size_t i = 0; i < group->targets.len; i++)
        labels_unref(group->targets.items[i]);
    vec_release(&group->targets);
    labels_unref(group->labels);
    mem_free(group->source);
    mem_free(group);
}
