/* Comparing a row with the last one is a pass over two dense arrays; only changes go further. */
#include "tsdb/row.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "model/sample.h"
#include "tsdb/tokens.h"

#include <stdatomic.h>
#include <string.h>

/* How many positions ahead are looked at when the cursor does not match. */
#define ROW_LOOK_AHEAD 8
#define ROW_PREFETCH 32

void row_release(struct row *row)
{
    vec_release(&row->bits);
    vec_release(&row->present);
    vec_release(&row->joiners);
    vec_release(&row->joiner_slots);
    vec_release(&row->changes);
    vec_release(&row->tokens);
    vec_release(&row->toggles);
}

static void row_resize(struct row *row, uint32_t count)
{
    size_t words = group_words(count);
    if (count > row->bits.len) {
        vec_reserve(&row->bits, count - row->bits.len);
        row->bits.len = count;
    }
    if (words > row->present.len) {
        size_t more = words - row->present.len;
        vec_reserve(&row->present, more);
        memset(row->present.items + row->present.len, 0, more * sizeof(uint64_t));
        row->present.len = words;
    }
}

void row_begin(struct row *row, struct sample_group *group, int64_t t_ms)
{
    row_reset(row);
    row->group = group;
    row->t_ms = t_ms;
    row->position_count = group->count;
    row_resize(row, group->count);
}

void row_reset(struct row *row)
{
    row->group = NULL;
    row->cursor = 0;
    row->staged_count = 0;
    row->position_count = 0;
    vec_reset(&row->bits);
    vec_reset(&row->present);
    vec_reset(&row->joiners);
    vec_reset(&row->joiner_slots);
    vec_reset(&row->changes);
    vec_reset(&row->tokens);
    vec_reset(&row->toggles);
}

static bool row_has(const struct row *row, uint32_t position)
{
    return row->present.items[position / 64] >> (position % 64) & 1;
}

static enum row_staged stage_position(struct row *row, uint32_t position, uint64_t bits)
{
    if (row_has(row, position))
        return row->bits.items[position] == bits ? ROW_SAME : ROW_OTHER;
    row->bits.items[position] = bits;
    row->present.items[position / 64] |= UINT64_C(1) << (position % 64);
    row->staged_count++;
    row->cursor = position + 1;
    return ROW_STAGED;
}

enum row_staged row_stage_member(struct row *row, struct series *series, uint64_t bits)
{
    struct sample_group *group = row->group;
    uint32_t end = MIN(row->position_count, row->cursor + ROW_LOOK_AHEAD);
    for (uint32_t at = row->cursor; at < end; at++) {
        if (group->refs[at] == series->ref)
            return stage_position(row, at, bits);
    }
    if (series->group != group)
        return ROW_UNKNOWN;
    mutex_lock(&group->lock);
    bool member = series->group == group;
    uint32_t position = member ? series->position : 0;
    mutex_unlock(&group->lock);
    return member ? stage_position(row, position, bits) : ROW_UNKNOWN;
}

static void joiner_slots_add(struct row *row, uint32_t index)
{
    size_t mask = row->joiner_slots.len - 1;
    size_t at = hash_mix(0, row->joiners.items[index].series->ref) & mask;
    while (row->joiner_slots.items[at] != 0)
        at = (at + 1) & mask;
    row->joiner_slots.items[at] = index + 1;
}

static void joiner_slots_grow(struct row *row)
{
    size_t count = row->joiner_slots.len == 0 ? 64 : row->joiner_slots.len * 2;
    vec_reset(&row->joiner_slots);
    vec_reserve(&row->joiner_slots, count);
    memset(row->joiner_slots.items, 0, count * sizeof(uint32_t));
    row->joiner_slots.len = count;
    for (uint32_t i = 0; i < row->joiners.len; i++)
        joiner_slots_add(row, i);
}

enum row_staged row_stage_joiner(struct row *row, struct series *series, uint64_t bits)
{
    if (row->joiners.len * 2 >= row->joiner_slots.len)
        joiner_slots_grow(row);
    size_t mask = row->joiner_slots.len - 1;
    for (size_t at = hash_mix(0, series->ref) & mask; row->joiner_slots.items[at] != 0;
         at = (at + 1) & mask) {
        struct row_joiner *joiner = &row->joiners.items[row->joiner_slots.items[at] - 1];
        if (joiner->series == series)
            return joiner->bits == bits ? ROW_SAME : ROW_OTHER;
    }
    vec_push(&row->joiners, (struct row_joiner){series, bits});
    joiner_slots_add(row, (uint32_t)row->joiners.len - 1);
    return ROW_STAGED;
}

/* May the series become a member? Commit lock. Makes it loose where it was a member elsewhere. */
static bool joiner_may_join(struct row *row, struct row_joiner joiner, bool replaying)
{
    struct series *series = joiner.series;
    struct sample_group *other = series->group;
    struct series_tail tail = series_tail(series);
    if (series->in_commit || tail.last_ms >= row->t_ms)
        return false;
    if (tail.histogram && joiner.bits == SAMPLE_STALE_BITS)
        return false; /* the marker will be a histogram, and rows have floats only */
    if (!replaying && (other != NULL || series->count > 0))
        series->flips++;
    if (series->flips >= SERIES_FLIPS_MAX)
        return false;
    if (other != NULL)
        group_detach(other, series);
    return true;
}

void row_prepare(struct row *row, bool replaying,
                 void (*spill)(void *context, struct series *series, uint64_t bits), void *context)
{
    struct sample_group *group = row->group;
    for (uint32_t i = 0; i < row->position_count; i++) {
        series_ref ref = group->refs[i];
        if (LIKELY(!(ref & GROUP_VACANT)) || !row_has(row, i))
            continue;
        /* it left between staging and now */
        struct series *series = head_series(group->head, ref & ~GROUP_VACANT);
        ASSERT(series != NULL);
        row->present.items[i / 64] &= ~(UINT64_C(1) << (i % 64));
        row->staged_count--;
        spill(context, series, row->bits.items[i]);
    }
    ASSERT(group->count == row->position_count);
    uint32_t count = group->count;
    size_t joined = 0;
    for (size_t i = 0; i < row->joiners.len; i++) {
        struct row_joiner joiner = row->joiners.items[i];
        if (joiner_may_join(row, joiner, replaying))
            row->joiners.items[joined++] = joiner;
        else
            spill(context, joiner.series, joiner.bits);
    }
    row->joiners.len = joined;
    if (joined == 0)
        return;
    row_resize(row, count + (uint32_t)joined);
    MUTEX_GUARD(&group->lock);
    group_reserve(group, count + (uint32_t)joined);
    for (uint32_t i = 0; i < joined; i++) {
        uint32_t position = count + i;
        group->refs[position] = row->joiners.items[i].series->ref;
        group->bits[position] = 0;
        group->states[position] = 0;
        row->bits.items[position] = row->joiners.items[i].bits;
        row->present.items[position / 64] |= UINT64_C(1) << (position % 64);
    }
    row->staged_count += (uint32_t)joined;
    group->count = count + (uint32_t)joined;
}

bool row_unstage(struct row *row, const struct series *series, uint64_t *out_bits)
{
    struct sample_group *group = series->group;
    if (group == NULL || group != row->group || !row_has(row, series->position))
        return false;
    uint32_t position = series->position;
    *out_bits = row->bits.items[position];
    row->present.items[position / 64] &= ~(UINT64_C(1) << (position % 64));
    row->staged_count--;
    return true;
}

/* Which of the 64 positions from `base` on differ from the last row? */
static uint64_t changed_word(const struct row *row, const struct sample_group *group, uint32_t base,
                             uint32_t end)
{
    uint64_t changed = 0;
    const uint64_t *now = row->bits.items + base;
    const uint64_t *last = group->bits + base;
    uint32_t count = end - base;
    /* a position without a state has no last value either, as far as the WAL knows */
    const uint8_t *states = group->states + base;
    for (uint32_t i = 0; i < count; i++)
        changed |= (uint64_t)((now[i] != last[i]) | (states[i] == 0)) << i;
    return changed & row->present.items[base / 64];
}

void row_encode(struct row *row)
{
    struct sample_group *group = row->group;
    uint32_t count = group->count;
    for (uint32_t base = 0; base < count; base += 64) {
        uint32_t end = MIN(base + 64, count);
        uint64_t toggled = row->present.items[base / 64] ^ group->present[base / 64];
        for (; toggled != 0; toggled &= toggled - 1)
            vec_push(&row->toggles, base + (uint32_t)__builtin_ctzll(toggled));
        uint64_t changed = changed_word(row, group, base, end);
        size_t changed_count = (size_t)__builtin_popcountll(changed);
        vec_reserve(&row->changes, changed_count);
        vec_reserve(&row->tokens, changed_count * TOKEN_SIZE_MAX);
        for (; changed != 0; changed &= changed - 1) {
            uint32_t position = base + (uint32_t)__builtin_ctzll(changed);
            uint8_t state = group->states[position];
            size_t len = token_encode(row->tokens.items + row->tokens.len, group->bits[position],
                                      row->bits.items[position], &state);
            row->tokens.len += len;
            row->changes.items[row->changes.len++] =
                (struct row_change){position, (uint8_t)len, state};
        }
    }
}

/* Members that come or go; what they were is still in the group. */
static void apply_toggles(struct row *row, uint32_t column_row)
{
    struct sample_group *group = row->group;
    for (size_t i = 0; i < row->toggles.len; i++) {
        uint32_t position = row->toggles.items[i];
        series_ref ref = group->refs[position];
        if (ref & GROUP_VACANT)
            continue;
        struct series *series = head_series(group->head, ref);
        ASSERT(series != NULL);
        if (row_has(row, position)) {
            series_row_return(&group->head->pool, series, column_row, group->bits[position],
                              group->states[position]);
        } else {
            atomic_store_explicit(&series->last_ms, group->last_ms, memory_order_relaxed);
            series->last_bits = group->bits[position];
            series_row_leave(&group->head->pool, series, column_row);
        }
    }
}

static void apply_changes(struct row *row, uint32_t column_row)
{
    struct sample_group *group = row->group;
    const uint8_t *token = row->tokens.items;
    size_t count = row->changes.len;
    for (size_t i = 0; i < count; i++) {
        if (i + ROW_PREFETCH < count) {
            const char *ahead = (const char *)head_series(
                group->head, group->refs[row->changes.items[i + ROW_PREFETCH].position]);
            __builtin_prefetch(ahead, 1);
            __builtin_prefetch(ahead + 64, 1);
        }
        struct row_change *change = &row->changes.items[i];
        uint32_t position = change->position;
        struct series *series = head_series(group->head, group->refs[position]);
        ASSERT(series != NULL);
        if (i + ROW_PREFETCH / 2 < count) {
            struct series *ahead = head_series(
                group->head, group->refs[row->changes.items[i + ROW_PREFETCH / 2].position]);
            __builtin_prefetch(ahead->bytes, 1);
        }
        series_row_change(&group->head->pool, series, column_row, group->bits[position],
                          group->states[position], token, change->token_len);
        token += change->token_len;
        group->bits[position] = row->bits.items[position];
        group->states[position] = change->state;
    }
}

/* Joiners become members: their loose chunk ends. */
static void apply_joiners(struct row *row)
{
    struct sample_group *group = row->group;
    uint32_t position = group->count - (uint32_t)row->joiners.len;
    for (size_t i = 0; i < row->joiners.len; i++, position++) {
        struct series *series = row->joiners.items[i].series;
        struct mutex *stripe = head_stripe(group->head, series);
        mutex_lock(stripe);
        head_push_chunk(group->head, series, series_loose_close(&group->head->pool, series));
        series->position = position;
        series->row_first = SERIES_ROW_NONE;
        series->flags = (uint8_t)(series->flags & ~(SERIES_EMPTY | SERIES_HISTOGRAM));
        series->group = group;
        series->gc_mark = 0; /* rows stage it without touching it */
        mutex_unlock(stripe);
    }
}

void row_apply(struct row *row, uint64_t commit)
{
    struct sample_group *group = row->group;
    struct time_column *column = group->column;
    MUTEX_GUARD(&group->lock);
    apply_joiners(row);
    uint32_t column_row = column->count;
    ASSERT(column_row < column->capacity);
    column->times_ms[column_row] = row->t_ms;
    column->commits[column_row] = commit;
    apply_toggles(row, column_row);
    apply_changes(row, column_row);
    memcpy(group->present, row->present.items, group_words(group->count) * sizeof(*group->present));
    group->last_ms = row->t_ms;
    column->count = column_row + 1;
    if (column_row + 1 == column->capacity)
        group_roll(group);
}

void row_abandon(struct row *row)
{
    struct sample_group *group = row->group;
    MUTEX_GUARD(&group->lock);
    group->count -= (uint32_t)row->joiners.len;
}
