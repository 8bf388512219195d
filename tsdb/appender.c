/* The public side of transactions: looks samples up, checks and stages them. */
#include "tsdb/appender.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/exemplar_labels.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/series_starts.h"
#include "tsdb/tsdb_internal.h"

#include <stdatomic.h>
#include <string.h>

struct appender {
    struct transaction transaction;
    struct tsdb *db;
};

struct sample_group *sample_group_new(struct tsdb *db)
{
    MUTEX_GUARD(&db->commit_lock);
    return tsdb_group_new_locked(db);
}

void sample_group_free(struct sample_group *group)
{
    if (group == NULL)
        return;
    struct tsdb *db = group->db;
    MUTEX_GUARD(&db->commit_lock);
    tsdb_group_end_locked(db, group);
}

struct appender *tsdb_appender_open(struct tsdb *db)
{
    struct appender *appender = NULL;
    mutex_lock(&db->commit_lock);
    if (db->idle.len > 0)
        appender = vec_pop(&db->idle);
    mutex_unlock(&db->commit_lock);
    if (appender == NULL) {
        appender = mem_zalloc(sizeof(*appender));
        transaction_init(&appender->transaction);
        appender->db = db;
    }
    isolation_open_appender(&db->head.isolation, &appender->transaction.reader);
    return appender;
}

void tsdb_appender_free(struct appender *appender)
{
    transaction_release(&appender->transaction);
    mem_free(appender);
}

struct transaction *tsdb_appender_transaction(struct appender *appender)
{
    return &appender->transaction;
}

/* Buffers of a rare giant are not kept. */
static bool appender_is_giant(const struct appender *appender)
{
    return appender->transaction.samples.cap > 65536 ||
           appender->transaction.histogram_bytes.len > ((size_t)1 << 20) ||
           appender->transaction.exemplar_bytes.len > ((size_t)1 << 20);
}

void tsdb_appender_close(struct appender *appender)
{
    struct tsdb *db = appender->db;
    isolation_close_appender(&db->head.isolation, &appender->transaction.reader);
    bool giant = appender_is_giant(appender);
    transaction_reset(&appender->transaction);
    mutex_lock(&db->commit_lock);
    bool kept = !giant && db->idle.len < TSDB_APPENDERS_IDLE_MAX;
    if (kept)
        vec_push(&db->idle, appender);
    mutex_unlock(&db->commit_lock);
    if (!kept)
        tsdb_appender_free(appender);
}

/* What samples may be; `t_ms` is that of the first when the head is empty. */
static void bounds_take(struct appender *appender, int64_t t_ms)
{
    struct transaction *transaction = &appender->transaction;
    struct head *head = &appender->db->head;
    head_init_time(head, t_ms);
    transaction->bounds.valid_min_ms = head_valid_min_ms(head);
    transaction->bounds.head_max_ms = head->max_ms;
    transaction->bounds.out_of_order_window_ms = appender->db->out_of_order_window_ms;
    transaction->bounds_known = true;
    if (transaction->t_ms < transaction->bounds.valid_min_ms)
        transaction->row_open = false;
}

enum err appender_begin(struct tsdb *db, struct sample_group *group, int64_t t_ms,
                        struct appender **out, struct errbuf *err)
{
    ASSERT(group == NULL || group->db == db);
    if (UNLIKELY(wal_has_failed(db->wal))) {
        struct buf reason;
        buf_init(&reason, 1024);
        wal_failure_text(db->wal, &reason);
        errbuf_set(err, ERR_UNAVAILABLE, "storage cannot write: %s", buf_cstr(&reason));
        buf_release(&reason);
        return ERR_UNAVAILABLE;
    }
    struct appender *appender = tsdb_appender_open(db);
    struct transaction *transaction = &appender->transaction;
    counter_inc(db->metrics.appenders_created);
    transaction->t_ms = t_ms;
    transaction->group = group;
    transaction->row_open = group != NULL && t_ms > group->last_ms;
    if (transaction->row_open)
        row_begin(&transaction->row, group, t_ms);
    if (db->head.max_ms != INT64_MIN)
        bounds_take(appender, t_ms);
    *out = appender;
    return ERR_NONE;
}

series_ref appender_series(struct appender *appender, const struct labels *labels)
{
    return head_series_for(&appender->db->head, labels)->ref;
}

const struct labels *appender_labels(struct appender *appender, series_ref ref)
{
    struct series *series = head_series_touch(&appender->db->head, ref);
    return series == NULL ? NULL : series->labels;
}

/* Does a series end with this very histogram? Its lock is held. */
static bool ends_with_histogram(const struct series *series, struct slice histogram)
{
    const struct chunk *closed = series->closed;
    uint32_t count = series->count;
    size_t len = series->len;
    uint8_t *copied CLEANUP(mem_cleanup) = NULL;
    const uint8_t *bytes = NULL;
    if (count > 0) {
        bytes = copied = mem_alloc(len);
        byte_run_copy(series->bytes, len, copied);
    } else if (closed != NULL && closed->kind == CHUNK_HISTOGRAM) {
        bytes = chunk_bytes(closed);
        len = closed->len;
        count = closed->count;
    }
    struct codec_reader reader = codec_reader(bytes, bytes == NULL ? 0 : len);
    struct slice encoded = SLICE_EMPTY;
    for (uint32_t i = 0; i < count; i++) {
        codec_read_varint(&reader);
        encoded = codec_read_slice(&reader);
    }
    return histogram_encoded_same(encoded, histogram);
}

/* The newest sample of a series, and whether it has these very bits (a histogram: these bytes). */
static struct series_tail tail_read(struct head *head, struct series *series, uint64_t bits,
                                    const struct slice *histogram, bool *out_same)
{
    struct sample_group *group;
    struct mutex *lock = group_lock_series(head, series, &group);
    struct series_tail tail = series_tail(series);
    if (histogram == NULL)
        *out_same = !tail.histogram && tail.bits == bits;
    else
        *out_same = tail.histogram && ends_with_histogram(series, *histogram);
    mutex_unlock(lock);
    return tail;
}

int64_t appender_newest_ms(struct appender *appender, series_ref ref)
{
    struct series *series = head_series_touch(&appender->db->head, ref);
    if (series == NULL)
        return INT64_MIN;
    bool same;
    return tail_read(&appender->db->head, series, 0, NULL, &same).last_ms;
}

static void count_refusal(struct tsdb *db, enum append_result result, enum tsdb_sample_type type)
{
    if (result == APPEND_OUT_OF_ORDER)
        counter_inc(db->metrics.out_of_order[type]);
    else if (result == APPEND_OUT_OF_BOUNDS)
        counter_inc(db->metrics.out_of_bound[type]);
    else if (result == APPEND_TOO_OLD)
        counter_inc(db->metrics.too_old[type]);
}

/* Whether a loose sample may be staged. */
static enum append_result check_loose(struct appender *appender, struct series *series,
                                      int64_t t_ms, uint64_t bits, const struct slice *histogram)
{
    struct transaction *transaction = &appender->transaction;
    /* the usual case needs no lock: a commit checks again */
    if (LIKELY(series->group == NULL && t_ms >= transaction->bounds.valid_min_ms &&
               t_ms > atomic_load_explicit(&series->last_ms, memory_order_relaxed)))
        return APPEND_OK;
    bool same;
    bool out_of_order;
    struct series_tail tail = tail_read(&appender->db->head, series, bits, histogram, &same);
    enum append_result result = transaction_check(&transaction->bounds, &tail, t_ms, &out_of_order);
    if (result == APPEND_DUPLICATE && same)
        return APPEND_DUPLICATE_SAME;
    if (result != APPEND_OK)
        count_refusal(appender->db, result, histogram == NULL ? TSDB_FLOAT : TSDB_HISTOGRAM);
    return result;
}

enum append_result append_at(struct appender *appender, series_ref ref, int64_t t_ms, double value)
{
    struct transaction *transaction = &appender->transaction;
    struct series *series = head_series_touch(&appender->db->head, ref);
    if (UNLIKELY(series == NULL))
        return APPEND_UNKNOWN_SERIES;
    if (UNLIKELY(!transaction->bounds_known))
        bounds_take(appender, t_ms);
    uint64_t bits = codec_double_bits(value);
    enum append_result result = check_loose(appender, series, t_ms, bits, NULL);
    if (result == APPEND_OK)
        vec_push(&transaction->samples,
                 (struct staged_sample){.series = series, .t_ms = t_ms, .bits = bits});
    return result;
}

/* A sample of the row that is not where it was last time. */
static enum append_result append_elsewhere(struct appender *appender, series_ref ref, double value)
{
    struct transaction *transaction = &appender->transaction;
    if (UNLIKELY(!transaction->bounds_known))
        bounds_take(appender, transaction->t_ms);
    if (!transaction->row_open)
        return append_at(appender, ref, transaction->t_ms, value);
    struct series *series = head_series_touch(&appender->db->head, ref);
    if (series == NULL)
        return APPEND_UNKNOWN_SERIES;
    uint64_t bits = codec_double_bits(value);
    enum row_staged staged = row_stage_member(&transaction->row, series, bits);
    if (staged == ROW_UNKNOWN) {
        bool same;
        if (tail_read(&appender->db->head, series, bits, NULL, &same).last_ms >= transaction->t_ms)
            return append_at(appender, ref, transaction->t_ms, value);
        staged = row_stage_joiner(&transaction->row, series, bits);
    }
    if (staged == ROW_STAGED)
        return APPEND_OK;
    return staged == ROW_SAME ? APPEND_DUPLICATE_SAME : APPEND_DUPLICATE;
}

enum append_result append(struct appender *appender, series_ref ref, double value)
{
    struct transaction *transaction = &appender->transaction;
    if (LIKELY(transaction->row_open && transaction->bounds_known &&
               row_stage_next(&transaction->row, ref, codec_double_bits(value))))
        return APPEND_OK;
    return append_elsewhere(appender, ref, value);
}

enum append_result append_histogram_at(struct appender *appender, series_ref ref, int64_t t_ms,
                                       const struct histogram *histogram)
{
    struct transaction *transaction = &appender->transaction;
    struct series *series = head_series_touch(&appender->db->head, ref);
    if (series == NULL)
        return APPEND_UNKNOWN_SERIES;
    if (!transaction->bounds_known)
        bounds_take(appender, t_ms);
    struct buf *bytes = &transaction->histogram_bytes;
    size_t start = bytes->len;
    if (histogram_encodable(histogram))
        histogram_encode(histogram, bytes);
    if (bytes->overflow || bytes->len == start) {
        buf_truncate(bytes, start);
        return APPEND_OUT_OF_BOUNDS; /* more buckets than storage takes */
    }
    struct slice encoded = slice_from(bytes->data + start, bytes->len - start);
    enum append_result result = check_loose(appender, series, t_ms, 0, &encoded);
    if (result != APPEND_OK) {
        buf_truncate(bytes, start);
        return result;
    }
    vec_push(&transaction->samples, (struct staged_sample){.series = series,
                                                           .t_ms = t_ms,
                                                           .bits = start,
                                                           .histogram_len = (uint32_t)encoded.len,
                                                           .kind = STAGED_HISTOGRAM});
    return APPEND_OK;
}

enum append_result append_histogram(struct appender *appender, series_ref ref,
                                    const struct histogram *histogram)
{
    return append_histogram_at(appender, ref, appender->transaction.t_ms, histogram);
}

bool appender_takes_starts(const struct appender *appender)
{
    return appender->db->options.store_start_times || appender->db->options.start_zero_samples;
}

/* The newest sample's time, and the start that a sample at `t_ms` has as far as is known. */
static int64_t newest_and_start(struct head *head, struct series *series, int64_t t_ms,
                                int64_t *out_start_ms)
{
    struct sample_group *group;
    struct mutex *lock = group_lock_series(head, series, &group);
    int64_t last_ms = series_tail(series).last_ms;
    *out_start_ms =
        series->extra == NULL ? 0 : series_starts_find(series->extra->series_starts, t_ms);
    mutex_unlock(lock);
    return last_ms;
}

/* What a counter was when it started. */
static void append_zero(struct appender *appender, series_ref ref, int64_t start_ms,
                        const struct histogram *histogram)
{
    if (histogram == NULL) {
        (void)append_at(appender, ref, start_ms, 0);
        return;
    }
    struct histogram zero = {
        .is_float = histogram->is_float,
        .reset_hint = HISTOGRAM_RESET_YES,
        .schema = histogram->schema,
        .zero_threshold = histogram->zero_threshold,
        .custom_bounds = histogram->custom_bounds,
        .custom_bound_count = histogram->custom_bound_count,
    };
    (void)append_histogram_at(appender, ref, start_ms, &zero);
}

void append_start(struct appender *appender, series_ref ref, int64_t t_ms, int64_t start_ms,
                  const struct histogram *histogram)
{
    struct tsdb *db = appender->db;
    struct transaction *transaction = &appender->transaction;
    struct series *series = head_series_touch(&db->head, ref);
    if (series == NULL)
        return;
    if (UNLIKELY(!transaction->bounds_known))
        bounds_take(appender, t_ms);
    int64_t known_ms;
    int64_t last_ms = newest_and_start(&db->head, series, t_ms, &known_ms);
    if (db->options.start_zero_samples && start_ms != 0 && start_ms < t_ms && start_ms > last_ms &&
        start_ms >= transaction->bounds.valid_min_ms)
        append_zero(appender, ref, start_ms, histogram);
    if (db->options.store_start_times && start_ms != known_ms)
        vec_push(&transaction->starts,
                 (struct staged_start){series, t_ms, start_ms, t_ms < last_ms});
}

bool appender_takes_exemplars(const struct appender *appender)
{
    return tsdb_takes_exemplars(appender->db);
}

enum exemplar_result append_exemplar(struct appender *appender, series_ref ref,
                                     const struct exemplar *exemplar)
{
    struct tsdb *db = appender->db;
    if (!tsdb_takes_exemplars(db))
        return EXEMPLAR_SAME;
    struct series *series = head_series_touch(&db->head, ref);
    if (series == NULL)
        return EXEMPLAR_UNKNOWN_SERIES;
    struct transaction *transaction = &appender->transaction;
    struct buf *bytes = &transaction->exemplar_bytes;
    size_t start = bytes->len;
    bool fits = exemplar_labels_encode(exemplar->labels, exemplar->label_count, bytes);
    if (!fits || bytes->overflow) {
        buf_truncate(bytes, start);
        return EXEMPLAR_LABELS_TOO_LONG;
    }
    struct exemplar_entry entry = {exemplar->timestamp_ms, exemplar->value,
                                   slice_from(bytes->data + start, bytes->len - start),
                                   exemplar->has_timestamp};
    enum exemplar_result result =
        exemplars_check(&db->exemplars, series->labels, &entry, db->out_of_order_window_ms);
    if (result != EXEMPLAR_OK) {
        buf_truncate(bytes, start);
        return result;
    }
    vec_push(&transaction->exemplars,
             (struct staged_exemplar){.series = series,
                                      .t_ms = exemplar->timestamp_ms,
                                      .value = exemplar->value,
                                      .labels_at = (uint32_t)start,
                                      .labels_len = (uint16_t)entry.labels.len,
                                      .has_timestamp = exemplar->has_timestamp});
    return EXEMPLAR_OK;
}

enum err appender_commit(struct appender *appender, struct errbuf *err)
{
    enum err result = tsdb_commit(appender->db, &appender->transaction, true, err);
    tsdb_appender_close(appender);
    return result;
}

void appender_rollback(struct appender *appender)
{
    tsdb_appender_close(appender);
}
