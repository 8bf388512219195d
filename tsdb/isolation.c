/* Two rings of readers, oldest first, and a list of what waits to be freed, oldest first. */
#include "tsdb/isolation.h"

#include "base/assert.h"

#include <string.h>

static void ring_init(struct reader *ring)
{
    ring->newer = ring->older = ring;
}

static void ring_add_newest(struct reader *ring, struct reader *reader)
{
    reader->older = ring->older;
    reader->newer = ring;
    ring->older->newer = reader;
    ring->older = reader;
}

static void ring_remove(struct reader *reader)
{
    reader->older->newer = reader->newer;
    reader->newer->older = reader->older;
}

static bool ring_is_empty(const struct reader *ring)
{
    return ring->newer == ring;
}

void isolation_init(struct isolation *isolation)
{
    memset(isolation, 0, sizeof(*isolation));
    mutex_init(&isolation->lock, LOCK_RANK_TSDB_ISOLATION);
    ring_init(&isolation->views);
    ring_init(&isolation->appenders);
}

/* How much of the list no reader can hold; removes it and hands it over. */
typedef VEC(struct retired) retired_list;

static void take_free_locked(struct isolation *isolation, retired_list *out)
{
    uint64_t age = isolation->age;
    if (!ring_is_empty(&isolation->views))
        age = MIN(age, isolation->views.newer->age);
    if (!ring_is_empty(&isolation->appenders))
        age = MIN(age, isolation->appenders.newer->age);
    size_t count = 0;
    while (count < isolation->retired.len && isolation->retired.items[count].age <= age)
        count++;
    if (count == 0)
        return;
    if (count == isolation->retired.len) {
        *out = (retired_list){isolation->retired.items, count, isolation->retired.cap};
        isolation->retired.items = NULL;
        isolation->retired.len = isolation->retired.cap = 0;
        return;
    }
    vec_reserve(out, count);
    memcpy(out->items, isolation->retired.items, count * sizeof(*out->items));
    out->len = count;
    isolation->retired.len -= count;
    memmove(isolation->retired.items, isolation->retired.items + count,
            isolation->retired.len * sizeof(*out->items));
}

static void free_all(retired_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        list->items[i].free_memory(list->items[i].memory);
    vec_release(list);
}

void isolation_release(struct isolation *isolation)
{
    ASSERT(ring_is_empty(&isolation->views) && ring_is_empty(&isolation->appenders));
    retired_list list = {0};
    take_free_locked(isolation, &list);
    free_all(&list);
    vec_release(&isolation->retired);
    mutex_release(&isolation->lock);
}

void isolation_open_view(struct isolation *isolation, struct reader *reader)
{
    MUTEX_GUARD(&isolation->lock);
    reader->age = isolation->age;
    reader->watermark = isolation->published;
    ring_add_newest(&isolation->views, reader);
}

void isolation_open_appender(struct isolation *isolation, struct reader *reader)
{
    MUTEX_GUARD(&isolation->lock);
    reader->age = isolation->age;
    reader->watermark = WATERMARK_NONE;
    reader->number = ++isolation->appender_number;
    ring_add_newest(&isolation->appenders, reader);
    isolation->appender_count++;
}

static void close_reader(struct isolation *isolation, struct reader *reader, bool is_appender)
{
    retired_list list = {0};
    mutex_lock(&isolation->lock);
    ring_remove(reader);
    isolation->appender_count -= is_appender;
    if (isolation->retired.len > 0)
        take_free_locked(isolation, &list);
    mutex_unlock(&isolation->lock);
    free_all(&list);
}

void isolation_close_view(struct isolation *isolation, struct reader *reader)
{
    close_reader(isolation, reader, false);
}

void isolation_close_appender(struct isolation *isolation, struct reader *reader)
{
    close_reader(isolation, reader, true);
}

uint64_t isolation_mark(struct isolation *isolation)
{
    MUTEX_GUARD(&isolation->lock);
    return ++isolation->age;
}

bool isolation_has_view_before(struct isolation *isolation, uint64_t mark)
{
    MUTEX_GUARD(&isolation->lock);
    return !ring_is_empty(&isolation->views) && isolation->views.newer->age < mark;
}

uint64_t isolation_low_watermark(struct isolation *isolation)
{
    MUTEX_GUARD(&isolation->lock);
    return ring_is_empty(&isolation->views) ? WATERMARK_NONE : isolation->views.newer->watermark;
}

uint32_t isolation_oldest_appender(struct isolation *isolation)
{
    MUTEX_GUARD(&isolation->lock);
    return ring_is_empty(&isolation->appenders) ? isolation->appender_number + 1
                                                : isolation->appenders.newer->number;
}

size_t isolation_appender_count(struct isolation *isolation)
{
    MUTEX_GUARD(&isolation->lock);
    return isolation->appender_count;
}

void isolation_publish(struct isolation *isolation, uint64_t commit)
{
    ASSERT(commit > isolation->published);
    isolation->published = commit;
}

void isolation_retire(struct isolation *isolation, void *memory, void (*free_memory)(void *memory))
{
    retired_list list = {0};
    mutex_lock(&isolation->lock);
    isolation->age++;
    vec_push(&isolation->retired, (struct retired){memory, free_memory, isolation->age});
    take_free_locked(isolation, &list);
    mutex_unlock(&isolation->lock);
    free_all(&list);
}
