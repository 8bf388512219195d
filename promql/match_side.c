#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "promql/binary_match.h"

/* Long label sets are cut by the error's own limit. */
#define SERIES_TEXT_MAX ((size_t)64 * 1024)

void match_side_init(struct match_side *side, struct evaluation *ev,
                     const struct label_grouping *grouping)
{
    *side = (struct match_side){.ev = ev};
    label_groups_init(&side->groups, ev, grouping);
    row_store_init(&side->store, ev, &ev->scratch);
}

void match_side_release(struct match_side *side)
{
    label_groups_release(&side->groups);
    row_store_release(&side->store);
    vec_release(&side->by_index);
    vec_release(&side->conflicts);
}

void match_side_clear(struct match_side *side, size_t step_count)
{
    side->step_count = step_count;
    label_groups_clear(&side->groups);
    row_store_clear(&side->store, step_count);
    vec_reset(&side->by_index);
    vec_reset(&side->conflicts);
}

struct match_group *match_side_find(struct match_side *side, const struct labels *labels)
{
    size_t index = label_groups_find(&side->groups, labels);
    return index == LABEL_GROUP_NONE ? NULL : side->by_index.items[index];
}

struct match_group *match_side_group(struct match_side *side, const struct labels *labels)
{
    size_t index = label_groups_add(&side->groups, labels);
    if (index < side->by_index.len)
        return side->by_index.items[index];
    ASSERT(index == side->by_index.len);
    struct match_group *group = evaluation_alloc(side->ev, 1, sizeof(*group));
    uint64_t *present = group == NULL ? NULL : evaluation_bitmap(side->ev, side->step_count);
    uint64_t *matched = present == NULL ? NULL : evaluation_bitmap(side->ev, side->step_count);
    if (matched == NULL)
        return NULL;
    *group = (struct match_group){.index = index, .present = present, .matched = matched};
    vec_push(&side->by_index, group);
    return group;
}

static bool match_side_note_conflict(struct match_side *side, struct match_group *group,
                                     const struct row *row)
{
    for (size_t i = 0; i < group->row_count; i++) {
        if (!bitmap_overlap(group->rows[i]->present, row->present, side->step_count))
            continue;
        struct match_conflict conflict = {
            .group = group->index,
            .first = group->rows[i],
            .second = row,
            .present = evaluation_bitmap(side->ev, side->step_count),
        };
        if (conflict.present == NULL)
            return false;
        bitmap_copy(conflict.present, row->present, side->step_count);
        bitmap_and(conflict.present, group->rows[i]->present, side->step_count);
        vec_push(&side->conflicts, conflict);
        return true;
    }
    return true;
}

static bool match_group_push(struct evaluation *ev, struct match_group *group,
                             const struct row *row)
{
    if (group->row_count == group->row_capacity) {
        size_t capacity = group->row_capacity == 0 ? 1 : group->row_capacity * 2;
        const struct row **rows = evaluation_alloc(ev, capacity, sizeof(*rows));
        if (rows == NULL)
            return false;
        if (group->row_count > 0)
            memcpy(rows, group->rows, group->row_count * sizeof(*rows));
        group->rows = rows;
        group->row_capacity = capacity;
    }
    group->rows[group->row_count++] = row;
    return true;
}

bool match_side_add(struct match_side *side, const struct row *row)
{
    struct match_group *group = match_side_group(side, row->labels);
    const struct row *kept = group == NULL ? NULL : row_store_add(&side->store, row);
    if (kept == NULL)
        return false;
    if (bitmap_overlap(group->present, kept->present, side->step_count) &&
        !match_side_note_conflict(side, group, kept))
        return false;
    bitmap_or(group->present, kept->present, side->step_count);
    return match_group_push(side->ev, group, kept);
}

static bool match_side_fail(struct match_side *side, const struct match_conflict *conflict,
                            const char *side_name)
{
    struct buf CLEANUP(buf_release) group;
    struct buf CLEANUP(buf_release) first;
    struct buf CLEANUP(buf_release) second;
    buf_init(&group, SERIES_TEXT_MAX);
    buf_init(&first, SERIES_TEXT_MAX);
    buf_init(&second, SERIES_TEXT_MAX);
    labels_print(side->groups.items.items[conflict->group]->labels, &group);
    labels_print(conflict->first->labels, &first);
    labels_print(conflict->second->labels, &second);
    bool swap = slice_cmp(buf_slice(&first), buf_slice(&second)) > 0;
    return evaluation_fail(side->ev, ERR_EXECUTION,
                           "found duplicate series for the match group %s on the %s hand-side of "
                           "the operation: [%s, %s];many-to-many matching not allowed: matching "
                           "labels must be unique on one side",
                           buf_cstr(&group), side_name, buf_cstr(swap ? &second : &first),
                           buf_cstr(swap ? &first : &second));
}

/* The first step that both have; `present` NULL = all. SIZE_MAX where there is none. */
static size_t first_common_step(const uint64_t *conflict, const uint64_t *present, size_t count)
{
    for (size_t word = 0; word < promql_bitmap_words(count); word++) {
        uint64_t both = conflict[word] & (present == NULL ? UINT64_MAX : present[word]);
        if (both != 0)
            return word * 64 + (size_t)__builtin_ctzll(both);
    }
    return SIZE_MAX;
}

/* Of several conflicts the one at the earliest step is told, as the reference goes step by step. */
bool match_side_check(struct match_side *side, const uint64_t *present, const char *side_name)
{
    const struct match_conflict *earliest = NULL;
    size_t earliest_step = SIZE_MAX;
    for (size_t i = 0; i < side->conflicts.len; i++) {
        const struct match_conflict *conflict = &side->conflicts.items[i];
        size_t step = first_common_step(conflict->present, present, side->step_count);
        if (step < earliest_step) {
            earliest = conflict;
            earliest_step = step;
        }
    }
    return earliest == NULL || match_side_fail(side, earliest, side_name);
}
