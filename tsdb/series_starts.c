/* New changes come at the end, so searching begins there. */
#include "tsdb/series_starts.h"

#include "base/alloc.h"
#include "base/assert.h"

void series_starts_free(struct series_starts *times)
{
    if (times == NULL)
        return;
    vec_release(&times->changes);
    mem_free(times);
}

/* How many changes are at `t_ms` or before. */
static size_t changes_until(const struct series_starts *times, int64_t t_ms)
{
    size_t low = 0;
    size_t high = times->changes.len;
    if (high > 0 && times->changes.items[high - 1].at_ms <= t_ms)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (times->changes.items[middle].at_ms <= t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t series_starts_find(const struct series_starts *times, int64_t t_ms)
{
    size_t count = times == NULL ? 0 : changes_until(times, t_ms);
    return count == 0 ? 0 : times->changes.items[count - 1].start_ms;
}

/* From `t_ms` on it is `start_ms`, as far as the next change. */
static void change_put(struct series_starts *times, int64_t t_ms, int64_t start_ms)
{
    size_t count = changes_until(times, t_ms);
    struct start_change *items = times->changes.items;
    if (count > 0 && items[count - 1].at_ms == t_ms) {
        items[count - 1].start_ms = start_ms;
        return;
    }
    vec_push(&times->changes, (struct start_change){0});
    items = times->changes.items;
    memmove(items + count + 1, items + count, (times->changes.len - 1 - count) * sizeof(*items));
    items[count] = (struct start_change){t_ms, start_ms};
}

void series_starts_set(struct series_starts *times, int64_t t_ms, int64_t start_ms, bool late)
{
    int64_t before_ms = series_starts_find(times, t_ms);
    if (before_ms == start_ms)
        return;
    if (late && t_ms < INT64_MAX)
        change_put(times, t_ms + 1, series_starts_find(times, t_ms + 1));
    change_put(times, t_ms, start_ms);
}

void series_starts_drop_before(struct series_starts *times, int64_t min_ms)
{
    size_t count = changes_until(times, min_ms);
    if (count < 2)
        return;
    size_t dropped = count - 1; /* the last of them still holds at min_ms */
    times->changes.len -= dropped;
    memmove(times->changes.items, times->changes.items + dropped,
            times->changes.len * sizeof(*times->changes.items));
}

void series_starts_read(const struct series_starts *times, struct sample_columns *out)
{
    size_t first = out->kept, count = out->timestamp_memory.len;
    if (count == first)
        return;
    const int64_t *samples_ms = out->timestamp_memory.items;
    size_t next = changes_until(times, samples_ms[first]), before = out->start_timestamp_memory.len;
    int64_t start_ms = next == 0 ? 0 : times->changes.items[next - 1].start_ms;
    bool any = before > 0;
    ASSERT(before <= first);
    vec_reserve(&out->start_timestamp_memory, count - before);
    for (size_t i = before; i < first; i++)
        out->start_timestamp_memory.items[i] = 0;
    for (size_t i = first; i < count; i++) {
        while (next < times->changes.len && times->changes.items[next].at_ms <= samples_ms[i])
            start_ms = times->changes.items[next++].start_ms;
        any |= start_ms != 0;
        out->start_timestamp_memory.items[i] = start_ms;
    }
    out->start_timestamp_memory.len = any ? count : 0;
}
