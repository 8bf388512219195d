/* Some thousands of series at a time, so that commits come in between. */
#include "tsdb/head_drop.h"

#include "base/assert.h"
#include "tsdb/group.h"
#include "tsdb/out_of_order.h"
#include "tsdb/series_starts.h"

/* Series between two breaths of the commit lock. */
#define DROP_BATCH 4096

/* The oldest samples that are left. */
struct oldest_times {
    int64_t min_ms;
    int64_t late_min_ms;
};

static void series_drop(struct head *head, struct series *series, const struct head_drop *drop)
{
    struct sample_group *group = series->group;
    if (group == NULL && series->count > 0 && series->last_ms < drop->cutoff_ms) {
        MUTEX_GUARD(head_stripe(head, series));
        head_push_chunk(head, series, series_loose_close(&head->pool, series));
    }
    bool late = series->extra != NULL && series->extra->out_of_order != NULL;
    struct chunk *newest = series->closed;
    if (newest == NULL && !late)
        return;
    struct mutex *lock = group == NULL ? head_stripe(head, series) : &group->lock;
    MUTEX_GUARD(lock);
    head_drop_chunks(head, series, drop->cutoff_ms);
    if (series->extra != NULL && series->extra->series_starts != NULL)
        series_starts_drop_before(series->extra->series_starts, drop->cutoff_ms);
    if (!late)
        return;
    out_of_order_drop_before(series->extra->out_of_order, drop->late_cutoff_ms);
    if (drop->late_is_stored)
        out_of_order_drop_commits(series->extra->out_of_order, drop->late_commit);
    if (series->extra->out_of_order->samples.len == 0) {
        out_of_order_free(series->extra->out_of_order);
        series->extra->out_of_order = NULL;
    }
}

/* Of the open chunk; false when there is none. */
static bool open_chunk_times(const struct series *series, int64_t *out_min_ms, int64_t *out_max_ms)
{
    const struct sample_group *group = series->group;
    if (group != NULL) {
        const struct time_column *column = group->column;
        if (series->row_first == SERIES_ROW_NONE || series->row_first >= column->count)
            return false;
        *out_min_ms = column->times_ms[series->row_first];
        bool present = group_is_present(group, series->position);
        *out_max_ms = present ? group->last_ms : column->times_ms[series->tail];
        return true;
    }
    if (series->count == 0)
        return false;
    *out_max_ms = series->last_ms;
    *out_min_ms = series->len > 0
                      ? series_loose_first_ms(series)
                      : series->last_ms - (int64_t)series->step_ms * (series->count - 1);
    return true;
}

/* As head_oldest_ms; the commit lock or the series' is held. */
static int64_t series_oldest_ms(const struct series *series, int64_t from_ms)
{
    int64_t oldest_ms = INT64_MAX;
    int64_t min_ms;
    int64_t max_ms;
    if (open_chunk_times(series, &min_ms, &max_ms) && max_ms >= from_ms)
        oldest_ms = MAX(min_ms, from_ms);
    struct chunk *chunk = series->closed;
    for (; chunk != NULL && chunk_max_ms(chunk) >= from_ms; chunk = chunk->next)
        oldest_ms = MAX(chunk_min_ms(chunk), from_ms);
    return oldest_ms;
}

int64_t head_oldest_ms(struct tsdb *db, int64_t from_ms)
{
    struct head *head = &db->head;
    int64_t oldest_ms = INT64_MAX;
    struct reader reader;
    isolation_open_view(&head->isolation, &reader);
    struct series *series;
    for (series_ref ref = 1; (series = refs_next(&head->refs, &ref)) != NULL;) {
        struct sample_group *group;
        struct mutex *lock = group_lock_series(head, series, &group);
        oldest_ms = MIN(oldest_ms, series_oldest_ms(series, from_ms));
        mutex_unlock(lock);
    }
    isolation_close_view(&head->isolation, &reader);
    return oldest_ms;
}

/* The commit lock is held, so that nobody changes the series. */
static void note_oldest(const struct series *series, int64_t from_ms, struct oldest_times *oldest)
{
    oldest->min_ms = MIN(oldest->min_ms, series_oldest_ms(series, from_ms));
    const struct out_of_order *late = series->extra == NULL ? NULL : series->extra->out_of_order;
    if (late != NULL && late->samples.len > 0)
        oldest->late_min_ms = MIN(oldest->late_min_ms, late->samples.items[0].timestamp_ms);
}

/* Groups that fell silent let their series go. From now on what commits bring is noted apart, since
 * they may add to series that were looked at already. */
static void drop_begin(struct tsdb *db, int64_t cutoff_ms)
{
    MUTEX_GUARD(&db->commit_lock);
    for (struct sample_group *group = db->groups; group != NULL; group = group->next) {
        if (group->last_ms < cutoff_ms && group->count > 0)
            group_detach_all(group);
    }
    db->head.recent_min_ms = db->head.recent_late_min_ms = INT64_MAX;
}

static void drop_end(struct tsdb *db, const struct oldest_times *oldest)
{
    MUTEX_GUARD(&db->commit_lock);
    struct head *head = &db->head;
    int64_t min_ms = MIN(oldest->min_ms, (int64_t)head->recent_min_ms);
    /* a head that had samples keeps a time */
    int64_t max_ms = head->max_ms;
    head->min_ms = max_ms == INT64_MIN ? INT64_MAX : MIN(min_ms, max_ms);
    head->late_min_ms = MIN(oldest->late_min_ms, (int64_t)head->recent_late_min_ms);
}

/* From where on a head that is loaded again shows its chunks: those that straddle the cut have
 * older samples, too. */
static int64_t stored_until_ms(struct tsdb *db)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    int64_t cut_ms = block_list_cut_ms(list);
    block_list_unref(list);
    return cut_ms;
}

void head_drop_samples(struct tsdb *db, const struct head_drop *drop)
{
    mutex_assert_held(&db->maintenance_lock);
    struct head *head = &db->head;
    struct oldest_times oldest = {INT64_MAX, INT64_MAX};
    drop_begin(db, drop->cutoff_ms);
    struct reader reader;
    isolation_open_view(&head->isolation, &reader);
    series_ref ref = 1;
    for (bool more = true; more;) {
        MUTEX_GUARD(&db->commit_lock);
        for (size_t i = 0; i < DROP_BATCH && more; i++) {
            struct series *series = refs_next(&head->refs, &ref);
            more = series != NULL;
            if (!more)
                break;
            series_drop(head, series, drop);
            note_oldest(series, drop->cutoff_ms, &oldest);
        }
    }
    isolation_close_view(&head->isolation, &reader);
    drop_end(db, &oldest);
    /* what is deleted of samples that are still there has to stay so */
    head_drop_deletions(head, MIN(drop->cutoff_ms, stored_until_ms(db)));
}
