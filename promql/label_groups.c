#include "promql/label_groups.h"

#include "base/assert.h"

void label_groups_init(struct label_groups *groups, struct evaluation *ev,
                       const struct label_grouping *grouping)
{
    *groups = (struct label_groups){.ev = ev, .grouping = *grouping};
    table_init(&groups->table);
}

void label_groups_release(struct label_groups *groups)
{
    table_release(&groups->table);
    vec_release(&groups->items);
}

void label_groups_clear(struct label_groups *groups)
{
    table_clear(&groups->table);
    vec_reset(&groups->items);
}

/* The pairs of the key, in ev->pairs. */
static void label_groups_key(struct label_groups *groups, const struct labels *labels)
{
    const struct label_grouping *grouping = &groups->grouping;
    struct evaluation *ev = groups->ev;
    uint32_t skipped = grouping->without_metric_name ? ev->reserved.name : SYMBOL_NONE;
    vec_reset(&ev->pairs);
    vec_reserve(&ev->pairs, labels->count);
    size_t len = 0;
    for (size_t i = 0; i < labels->count; i++) {
        const struct label_pair *pair = &labels->pairs[i];
        bool named = label_names_has(&grouping->names, pair->name);
        if (named != grouping->without && pair->name != skipped)
            ev->pairs.items[len++] = *pair;
    }
    ev->pairs.len = len;
}

static bool label_group_has_pairs(const void *value, const void *key)
{
    const struct label_group *group = value;
    const struct evaluation *ev = key;
    return labels_equal_pairs(group->labels, ev->pairs.items, ev->pairs.len);
}

size_t label_groups_find(struct label_groups *groups, const struct labels *labels)
{
    struct evaluation *ev = groups->ev;
    label_groups_key(groups, labels);
    uint64_t hash = labels_hash_pairs(ev->pairs.items, ev->pairs.len);
    const struct label_group *group = table_get(&groups->table, hash, label_group_has_pairs, ev);
    return group == NULL ? LABEL_GROUP_NONE : group->index;
}

size_t label_groups_add(struct label_groups *groups, const struct labels *labels)
{
    struct evaluation *ev = groups->ev;
    label_groups_key(groups, labels);
    uint64_t hash = labels_hash_pairs(ev->pairs.items, ev->pairs.len);
    struct label_group *group = table_get(&groups->table, hash, label_group_has_pairs, ev);
    if (group != NULL)
        return group->index;
    group = arena_alloc(&ev->scratch, sizeof(*group));
    *group = (struct label_group){
        .labels = ev->pairs.len == 0 ? labels_empty()
                                     : labels_borrow(ev->result, ev->pairs.items, ev->pairs.len),
        .index = groups->items.len,
    };
    table_add(&groups->table, hash, group);
    vec_push(&groups->items, group);
    return group->index;
}

struct guarded_set {
    const struct labels *labels;
    uint64_t present[];
};

void label_guard_init(struct label_guard *guard, struct evaluation *ev)
{
    *guard = (struct label_guard){.ev = ev};
    table_init(&guard->table);
}

void label_guard_release(struct label_guard *guard)
{
    table_release(&guard->table);
}

void label_guard_clear(struct label_guard *guard, size_t step_count)
{
    guard->step_count = step_count;
    table_clear(&guard->table);
}

static bool guarded_set_has_labels(const void *value, const void *key)
{
    return labels_equal(((const struct guarded_set *)value)->labels, key);
}

bool label_guard_add(struct label_guard *guard, const struct labels *labels,
                     const uint64_t *present, enum label_guard_rule rule)
{
    ASSERT(guard->step_count > 0);
    struct evaluation *ev = guard->ev;
    struct guarded_set *set =
        table_get(&guard->table, labels->hash, guarded_set_has_labels, labels);
    if (set == NULL) {
        size_t words = promql_bitmap_words(guard->step_count);
        set = evaluation_alloc(ev, 1, sizeof(*set) + words * sizeof(*present));
        if (set == NULL)
            return false;
        set->labels = labels;
        bitmap_copy(set->present, present, guard->step_count);
        table_add(&guard->table, labels->hash, set);
        return true;
    }
    if (rule == LABEL_GUARD_ROWS || bitmap_overlap(set->present, present, guard->step_count))
        return evaluation_fail(ev, ERR_EXECUTION, LABEL_GUARD_TEXT);
    bitmap_or(set->present, present, guard->step_count);
    return true;
}
