/* How the rule manager takes over a configuration: all files or none; what did not change runs on. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "rules/manager_internal.h"

struct group_list {
    VEC(struct rule_group *) items;
};

enum err rule_files_check(const struct config *config, unsigned promql_features,
                          struct buf *out_errors, struct errbuf *err)
{
    struct rule_set set;
    enum err code = rule_set_load(config, promql_features, &set, out_errors, err);
    if (code == ERR_NONE)
        rule_set_release(&set);
    return code;
}

static int compare_groups(const void *a, const void *b)
{
    const struct rule_group *first = *(struct rule_group *const *)a;
    const struct rule_group *second = *(struct rule_group *const *)b;
    int order = slice_cmp(first->file->path, second->file->path);
    return order != 0 ? order : slice_cmp(first->definition->name, second->definition->name);
}

/* The group of the same file and name; both lists are sorted. */
static struct rule_group *find_group(const struct rule_manager *manager,
                                     const struct rule_group *wanted)
{
    struct rule_group **found =
        manager->groups.len == 0
            ? NULL
            : bsearch(&wanted, manager->groups.items, manager->groups.len,
                      sizeof(*manager->groups.items), compare_groups);
    return found == NULL ? NULL : *found;
}

static void make_groups(struct rule_manager *manager, const struct config *config,
                        const struct rule_set *set, bool restore, struct group_list *out)
{
    for (size_t i = 0; i < set->files.len; i++) {
        struct rule_file *file = set->files.items[i];
        for (size_t j = 0; j < file->group_count; j++) {
            struct rule_group *group =
                rule_group_new(&manager->environment, file, &file->groups[j],
                               config->global.evaluation_interval_ms, restore);
            group->manager = manager;
            rule_group_configure(group, config->global.external_labels,
                                 config->global.rule_query_offset_ms);
            vec_push(&out->items, group);
        }
    }
    if (out->items.len > 0)
        qsort(out->items.items, out->items.len, sizeof(*out->items.items), compare_groups);
}

/* Takes the group out of the schedule and waits until it has finished. */
static void stop_group_locked(struct rule_manager *manager, struct rule_group *group)
{
    group->stopping = true;
    heap_remove(&manager->due, &group->due);
    while (group->running)
        condition_wait(&manager->idle, &manager->lock);
}

static void start_group_locked(struct rule_manager *manager, struct rule_group *group)
{
    group_metrics_init(&group->metrics, slice_str(group->key));
    counter_set(group->metrics.rules, (double)group->rule_count);
    counter_set(group->metrics.interval_s, (double)group->interval_ms / 1000);
    heap_push(&manager->due, &group->due,
              rule_group_slot_after(group, clock_now_ms(manager->environment.clock)));
}

/* A group that is no longer configured: its series end two intervals from now. */
static void depart_group_locked(struct rule_manager *manager, struct rule_group *group)
{
    int64_t now_ms = clock_now_ms(manager->environment.clock);
    struct departed_group departed = {
        .due_ms = now_ms + 2 * group->interval_ms,
        .marker_ms = now_ms - group->query_offset_ms,
    };
    rule_group_take_series(group, &departed.series);
    if (departed.series.items.len > 0)
        vec_push(&manager->departed, departed);
    else
        output_series_release(&departed.series);
    group_metrics_remove(slice_str(group->key));
}

/* Replaces the groups by the list; `list` gets those that are to be freed. */
static void install_groups_locked(struct rule_manager *manager, struct group_list *list)
{
    struct group_list fresh = {0};
    struct group_list garbage = {0};
    for (size_t i = 0; i < list->items.len; i++) {
        struct rule_group *group = list->items.items[i];
        struct rule_group *old = find_group(manager, group);
        if (old != NULL && strcmp(old->canonical, group->canonical) == 0) {
            vec_push(&garbage.items, group);
            vec_push(&fresh.items, old);
            old->kept = true;
            continue;
        }
        if (old != NULL) {
            old->kept = true; /* its metrics and series go on */
            stop_group_locked(manager, old);
            rule_group_inherit(group, old);
            vec_push(&garbage.items, old);
        }
        vec_push(&fresh.items, group);
        start_group_locked(manager, group);
    }
    for (size_t i = 0; i < manager->groups.len; i++) {
        struct rule_group *old = manager->groups.items[i];
        if (!old->kept) {
            stop_group_locked(manager, old);
            depart_group_locked(manager, old);
            vec_push(&garbage.items, old);
        }
        old->kept = false;
    }
    vec_release(&manager->groups);
    manager->groups.items = fresh.items.items;
    manager->groups.len = fresh.items.len;
    manager->groups.cap = fresh.items.cap;
    vec_release(&list->items);
    *list = garbage;
}

/* Remembers the patterns without files, for the snapshot. */
static void keep_unmatched_locked(struct rule_manager *manager, struct rule_set *set)
{
    for (size_t i = 0; i < manager->unmatched.len; i++)
        mem_free(manager->unmatched.items[i]);
    manager->unmatched.len = 0;
    for (size_t i = 0; i < set->unmatched.len; i++)
        vec_push(&manager->unmatched, set->unmatched.items[i]);
    set->unmatched.len = 0;
    counter_set(manager->unmatched_patterns, (double)manager->unmatched.len);
}

static void install_set_locked(struct rule_manager *manager, const struct config *config,
                               struct rule_set *set, struct group_list *list)
{
    manager->applying = true;
    make_groups(manager, config, set, !manager->applied, list);
    install_groups_locked(manager, list);
    for (size_t i = 0; i < manager->groups.len; i++)
        rule_group_configure(manager->groups.items[i], config->global.external_labels,
                             config->global.rule_query_offset_ms);
    keep_unmatched_locked(manager, set);
    manager->applied = true;
    manager->applying = false;
    condition_broadcast(&manager->idle);
    condition_signal(&manager->changed);
}

enum err rule_manager_apply(struct rule_manager *manager, struct config *config,
                            struct buf *out_errors, struct errbuf *err)
{
    struct rule_set set;
    enum err code =
        rule_set_load(config, manager->environment.promql_features, &set, out_errors, err);
    if (code != ERR_NONE)
        return code;
    rule_set_log_warnings(&set);
    struct group_list list = {0};
    {
        MUTEX_GUARD(&manager->lock);
        while (manager->applying)
            condition_wait(&manager->idle, &manager->lock);
        if (manager->stopping)
            code = errbuf_set(err, ERR_UNAVAILABLE, "the server is stopping");
        else
            install_set_locked(manager, config, &set, &list);
    }
    for (size_t i = 0; i < list.items.len; i++)
        rule_group_free(list.items.items[i]);
    vec_release(&list.items);
    rule_set_release(&set);
    return code;
}
