/* Deleting series: spans are noted, in the log and in the head, and their samples are not seen from
 * then on. They leave when their chunks do. */
#include "base/assert.h"
#include "tsdb/block_upkeep.h"
#include "tsdb/group.h"
#include "tsdb/out_of_order.h"
#include "tsdb/select.h"
#include "tsdb/tsdb_internal.h"

/* So many series are logged with one hold of the commit lock, as one frame. */
#define DELETION_BATCH 4096

typedef VEC(struct wal_deletion) deletion_list;

static struct out_of_order *late_of(const struct series *series)
{
    return series->extra == NULL ? NULL : series->extra->out_of_order;
}

/* Only what is there now: samples that come later are not meant. The commit lock is held. */
static bool deletion_of(struct series *series, int64_t min_ms, int64_t max_ms,
                        struct wal_deletion *out)
{
    const struct out_of_order *late = late_of(series);
    int64_t newest_ms = series_tail(series).last_ms;
    if (series_is_empty(series))
        return false;
    if (late != NULL && late->samples.len > 0)
        newest_ms = MAX(newest_ms, late->samples.items[late->samples.len - 1].timestamp_ms);
    *out = (struct wal_deletion){series, min_ms, MIN(max_ms, newest_ms)};
    return out->min_ms <= out->max_ms;
}

/* Views that are opened from the end of this deletion on do not see them. */
static void delete_late(struct head *head, const struct wal_deletion *deletion)
{
    struct sample_group *group;
    struct mutex *lock = group_lock_series(head, deletion->series, &group);
    struct out_of_order *late = late_of(deletion->series);
    if (late != NULL)
        out_of_order_delete(late, deletion->min_ms, deletion->max_ms, head->deletion + 1);
    mutex_unlock(lock);
}

static enum err log_batch_locked(struct tsdb *db, const deletion_list *batch, uint64_t *out_total,
                                 struct errbuf *err)
{
    int64_t newest_ms = INT64_MIN;
    mutex_assert_held(&db->commit_lock);
    enum err code = tsdb_open_log_locked(db, err);
    if (code != ERR_NONE)
        return code;
    for (size_t i = 0; i < batch->len; i++)
        newest_ms = MAX(newest_ms, batch->items[i].max_ms);
    wal_writer_begin(&db->writer);
    wal_writer_deletions(&db->writer, batch->items, batch->len);
    counter_inc(db->metrics.wal_frames);
    /* the segment stays as long as those whose samples it says are gone */
    return wal_append(db->wal, wal_writer_finish(&db->writer, NULL), newest_ms, out_total, err);
}

/* The series of refs [*at, ...) as far as one batch goes; adds their spans to `spans`. */
static enum err delete_batch(struct tsdb *db, const ref_list *refs, size_t *at, int64_t min_ms,
                             int64_t max_ms, struct tombstones *spans, uint64_t *out_total,
                             struct errbuf *err)
{
    deletion_list batch = {0};
    enum err code = ERR_NONE;
    mutex_lock(&db->commit_lock);
    for (; *at < refs->len && batch.len < DELETION_BATCH; (*at)++) {
        struct series *series = head_series(&db->head, refs->items[*at]);
        struct wal_deletion deletion;
        if (series != NULL && deletion_of(series, min_ms, max_ms, &deletion))
            vec_push(&batch, deletion);
    }
    if (batch.len > 0)
        code = log_batch_locked(db, &batch, out_total, err);
    for (size_t i = 0; i < batch.len && code == ERR_NONE; i++)
        delete_late(&db->head, &batch.items[i]);
    mutex_unlock(&db->commit_lock);
    for (size_t i = 0; i < batch.len && code == ERR_NONE; i++) {
        const struct wal_deletion *deletion = &batch.items[i];
        vec_push(&spans->items,
                 (struct tombstone){deletion->series->ref, deletion->min_ms, deletion->max_ms});
    }
    vec_release(&batch);
    return code;
}

static enum err delete_from_head(struct tsdb *db, const struct matcher *const *matchers,
                                 size_t count, int64_t min_ms, int64_t max_ms, struct errbuf *err)
{
    struct head *head = &db->head;
    struct reader reader;
    ref_list refs = {0};
    struct tombstones *spans = tombstones_new(NULL, NULL, 0);
    uint64_t total = 0;
    enum err code = ERR_NONE;
    isolation_open_view(&head->isolation, &reader);
    select_refs(head, matchers, count, &refs);
    for (size_t at = 0; at < refs.len && code == ERR_NONE;)
        code = delete_batch(db, &refs, &at, min_ms, max_ms, spans, &total, err);
    /* what was logged holds, also when something failed later */
    head_delete(head, spans->items.items, spans->items.len);
    head->deletion++;
    isolation_close_view(&head->isolation, &reader);
    if (code == ERR_NONE && total > 0 && db->options.fsync_policy == TSDB_FSYNC_ALWAYS)
        code = wal_sync(db->wal, total, err);
    tombstones_unref(spans);
    vec_release(&refs);
    return code;
}

enum err tsdb_delete_series(struct tsdb *db, const struct matcher *const *matchers, size_t count,
                            int64_t min_ms, int64_t max_ms, struct errbuf *err)
{
    ASSERT(count > 0);
    if (min_ms > max_ms)
        return ERR_NONE;
    MUTEX_GUARD(&db->maintenance_lock);
    /* no block may come back that knows nothing of it */
    enum err code = block_leftovers_settle(&db->leftovers, db->fs, err);
    if (code == ERR_NONE)
        code = block_upkeep_delete(db, matchers, count, min_ms, max_ms, err);
    return code == ERR_NONE ? delete_from_head(db, matchers, count, min_ms, max_ms, err) : code;
}
