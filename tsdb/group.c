/* Positions are never reused within a column; a roll gives away those that no longer count. */
#include "tsdb/group.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/tokens.h"

#include <string.h>

#define GROUP_CAPACITY_FIRST 16


struct sample_group *group_new(struct head *head, uint64_t id)
{
    struct sample_group *group = mem_zalloc(sizeof(*group));
    group->head = head;
    group->id = id;
    mutex_init(&group->lock, LOCK_RANK_TSDB_GROUP);
    group->column = time_column_new(chunk_samples_first(id));
    group->last_ms = INT64_MIN;
    return group;
}

void group_free(void *freed)
{
    struct sample_group *group = freed;
    if (group == NULL)
        return;
    time_column_unref(group->column);
    mem_free(group->refs);
    mem_free(group->bits);
    mem_free(group->states);
    mem_free(group->present);
    mem_free(group->wal_changed);
    mem_free(group->wal_contexts);
    mutex_release(&group->lock);
    mem_free(group);
}

void group_reserve(struct sample_group *group, uint32_t count)
{
    if (count <= group->capacity)
        return;
    uint32_t capacity = MAX(group->capacity + group->capacity / 4, count);
    capacity = MAX(capacity, (uint32_t)GROUP_CAPACITY_FIRST);
    size_t words = group_words(group->capacity);
    size_t words_new = group_words(capacity);
    group->refs = mem_realloc_array(group->refs, capacity, sizeof(*group->refs));
    group->bits = mem_realloc_array(group->bits, capacity, sizeof(*group->bits));
    group->states = mem_realloc_array(group->states, capacity, sizeof(*group->states));
    group->present = mem_realloc_array(group->present, words_new, sizeof(*group->present));
    group->wal_contexts =
        mem_realloc_array(group->wal_contexts, capacity, sizeof(*group->wal_contexts));
    group->wal_changed =
        mem_realloc_array(group->wal_changed, words_new, sizeof(*group->wal_changed));
    memset(group->present + words, 0, (words_new - words) * sizeof(*group->present));
    memset(group->wal_changed + words, 0, (words_new - words) * sizeof(*group->wal_changed));
    group->capacity = capacity;
}

/* Closes the open chunk of a member. The lock is held. */
static void member_close(struct sample_group *group, struct series *series)
{
    uint32_t position = series->position;
    bool present = group_is_present(group, position);
    uint32_t row_end = present ? group->column->count : series->tail + 1u;
    struct chunk *chunk = series_row_close(&group->head->pool, series, group->column, row_end,
                                           group->bits[position], group->states[position]);
    head_push_chunk(group->head, series, chunk);
}

static void member_detach_locked(struct sample_group *group, struct series *series)
{
    ASSERT(series->group == group);
    struct series_tail tail = series_tail(series);
    member_close(group, series);
    struct mutex *stripe = head_stripe(group->head, series);
    mutex_lock(stripe);
    series->last_ms = tail.last_ms;
    series->last_bits = tail.bits;
    series->state = 0;
    series->count = 0;
    series->tail = 0;
    series->group = NULL;
    mutex_unlock(stripe);
    uint32_t position = series->position;
    group->present[position / 64] &= ~(UINT64_C(1) << (position % 64));
    group->refs[position] = series->ref | GROUP_VACANT;
    /* the WAL still has it in the row: begin anew there */
    group->wal_count = 0;
}

void group_detach(struct sample_group *group, struct series *series)
{
    MUTEX_GUARD(&group->lock);
    member_detach_locked(group, series);
}

void group_detach_all(struct sample_group *group)
{
    MUTEX_GUARD(&group->lock);
    for (uint32_t i = 0; i < group->count; i++) {
        series_ref ref = group->refs[i];
        struct series *series = ref & GROUP_VACANT ? NULL : head_series(group->head, ref);
        if (series != NULL && series->group == group)
            member_detach_locked(group, series);
    }
}

/* Gives away the positions of series that are not in the last row. */
static void group_compact(struct sample_group *group)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        series_ref ref = group->refs[i];
        struct series *series = ref & GROUP_VACANT ? NULL : head_series(group->head, ref);
        if (!group_is_present(group, i)) {
            if (series != NULL && series->group == group)
                member_detach_locked(group, series);
            continue;
        }
        ASSERT(series != NULL && series->group == group);
        series->position = kept;
        group->refs[kept] = ref;
        group->bits[kept] = group->bits[i];
        group->states[kept] = group->states[i];
        kept++;
    }
    group->count = kept;
    group->wal_count = 0; /* the WAL has to hear of the new positions */
    memset(group->present, 0, group_words(group->capacity) * sizeof(*group->present));
    for (uint32_t i = 0; i < kept; i++)
        group->present[i / 64] |= UINT64_C(1) << (i % 64);
}

void group_roll(struct sample_group *group)
{
    mutex_assert_held(&group->lock);
    uint32_t absent = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        series_ref ref = group->refs[i];
        bool present = group_is_present(group, i);
        absent += !present;
        if (ref & GROUP_VACANT)
            continue;
        struct series *series = head_series(group->head, ref);
        ASSERT(series != NULL && series->group == group);
        member_close(group, series);
        group->states[i] &= (uint8_t)~TOKEN_STATE_RAW;
        if (present) {
            series->row_first = 0;
            series->tail = 0;
        }
    }
    time_column_unref(group->column);
    group->column = time_column_new(CHUNK_SAMPLES_MAX);
    if (absent > 0)
        group_compact(group);
}

struct mutex *group_lock_series(struct head *head, struct series *series,
                                struct sample_group **out_group)
{
    for (;;) {
        struct sample_group *group = series->group;
        struct mutex *lock = group == NULL ? head_stripe(head, series) : &group->lock;
        mutex_lock(lock);
        *out_group = group;
        if (series->group == group)
            return lock;
        mutex_unlock(lock); /* it moved meanwhile */
    }
}

size_t group_memory(const struct sample_group *group)
{
    return sizeof(*group) + time_column_size(group->column) +
           group->capacity * (sizeof(*group->refs) + sizeof(*group->bits) + 1 +
                              sizeof(*group->wal_contexts)) +
           2 * group_words(group->capacity) * sizeof(*group->present);
}
