/*
 * Committing: under one lock, so that commits have an order: verdicts and tokens, the WAL's frame,
 * and only then memory. What changes before the frame is written does not matter when that fails,
 * because a new segment begins then and knows nothing.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "model/sample.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/out_of_order.h"
#include "tsdb/series_starts.h"
#include "tsdb/tokens.h"
#include "tsdb/tsdb_internal.h"

#include <assert.h>
#include <string.h>

#define COMMIT_PREFETCH 6

/* Sums over a commit. */
struct commit_tally {
    int64_t min_ms;
    int64_t max_ms;
    int64_t late_min_ms;
    size_t in_order[TSDB_SAMPLE_TYPES];
    size_t out_of_order[TSDB_SAMPLE_TYPES];
};

static void spill_sample(void *context, struct series *series, uint64_t bits)
{
    struct transaction *transaction = context;
    vec_push(&transaction->samples,
             (struct staged_sample){.series = series, .t_ms = transaction->t_ms, .bits = bits});
}

/* Puts the samples of one series together in the order of staging, since a token follows the one
 * before it. A merge sort by halves keeps the order of equals. */
static void sort_by_series(struct transaction *transaction)
{
    size_t count = transaction->samples.len;
    struct staged_sample *items = transaction->samples.items;
    struct staged_sample *spare = mem_alloc_array(count, sizeof(*spare));
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = MIN(start + width, count);
            size_t end = MIN(start + 2 * width, count);
            size_t left = start;
            size_t right = middle;
            for (size_t to = start; to < end; to++) {
                bool from_left = left < middle && (right == end || items[left].series->ref <=
                                                                       items[right].series->ref);
                spare[to] = from_left ? items[left++] : items[right++];
            }
        }
        memcpy(items, spare, count * sizeof(*items));
    }
    mem_free(spare);
}

/* Settles what is in the row, and makes neighbours of the loose samples of a series. */
static void commit_prepare(struct transaction *transaction)
{
    struct row *row = &transaction->row;
    size_t loose_count = transaction->samples.len;
    bool scattered = false;
    struct series *last = NULL;
    for (size_t i = 0; i < loose_count; i++) {
        struct series *series = transaction->samples.items[i].series;
        scattered = scattered || (series != last && series->in_commit);
        series->in_commit = true;
        last = series;
    }
    if (row->group != NULL) {
        row_prepare(row, transaction->replaying, spill_sample, transaction);
        for (size_t i = 0; i < loose_count; i++) {
            struct series *series = transaction->samples.items[i].series;
            uint64_t bits;
            if (row_unstage(row, series, &bits))
                spill_sample(transaction, series, bits);
        }
        if (row_sample_count(row) == 0) {
            row_abandon(row);
            row->group = NULL;
        }
    }
    for (size_t i = loose_count; i < transaction->samples.len; i++)
        scattered = scattered || transaction->samples.items[i].series->in_commit;
    for (size_t i = 0; i < loose_count; i++) {
        struct series *series = transaction->samples.items[i].series;
        series->in_commit = false;
        __builtin_prefetch(series->bytes, 1);
    }
    if (scattered)
        sort_by_series(transaction);
}

/* The newest sample of a series as it will be when the samples before this one are in. */
struct commit_shadow {
    struct series *series;
    struct series_tail tail;
    uint8_t state;
};

static void judge_out_of_order(struct staged_sample *sample)
{
    const struct series_extra *extra = sample->series->extra;
    bool known = extra != NULL && extra->out_of_order != NULL &&
                 out_of_order_find(extra->out_of_order, sample->t_ms) != NULL;
    sample->verdict = known ? VERDICT_DROP : VERDICT_OUT_OF_ORDER;
}

/* A token for a float sample, none when it repeats the value before it. */
static void encode_sample(struct transaction *transaction, struct staged_sample *sample,
                          struct commit_shadow *shadow)
{
    bool known = shadow->state & TOKEN_STATE_KNOWN && !shadow->tail.histogram;
    if (!known)
        shadow->state = 0;
    if (!known || sample->bits != shadow->tail.bits) {
        vec_reserve(&transaction->tokens, TOKEN_SIZE_MAX);
        sample->token_len =
            (uint8_t)token_encode(transaction->tokens.items + transaction->tokens.len,
                                  shadow->tail.bits, sample->bits, &shadow->state);
        transaction->tokens.len += sample->token_len;
    }
    sample->state = shadow->state;
}

/* A stale marker ends a series as what it is: behind a histogram it is one. */
static void retype_stale_marker(struct transaction *transaction, struct staged_sample *sample)
{
    struct histogram marker = {.sum = sample_stale()};
    struct buf *bytes = &transaction->histogram_bytes;
    size_t start = bytes->len;
    histogram_encode(&marker, bytes);
    if (bytes->overflow) {
        buf_truncate(bytes, start);
        return; /* a marker of the other kind is better than none */
    }
    sample->kind = STAGED_HISTOGRAM;
    sample->bits = start;
    sample->histogram_len = (uint32_t)(bytes->len - start);
}

static void judge_sample(struct tsdb *db, struct transaction *transaction,
                         struct staged_sample *sample, struct commit_shadow *shadow)
{
    struct series *series = sample->series;
    if (shadow->series != series) {
        shadow->series = series;
        shadow->tail = series_tail(series);
        bool known = series->group == NULL && series->wal_segment == db->writer.segment;
        shadow->state = known ? series->state : 0;
    }
    if (UNLIKELY(sample->bits == SAMPLE_STALE_BITS && sample->kind == STAGED_FLOAT &&
                 shadow->tail.histogram))
        retype_stale_marker(transaction, sample);
    bool out_of_order;
    enum append_result result =
        transaction_check(&transaction->bounds, &shadow->tail, sample->t_ms, &out_of_order);
    enum tsdb_sample_type type = sample->kind == STAGED_FLOAT ? TSDB_FLOAT : TSDB_HISTOGRAM;
    /* a replay knows it of the log: what it was late for may be in a block */
    bool was_late = transaction->replaying && sample->verdict == VERDICT_OUT_OF_ORDER;
    sample->token_len = 0;
    sample->verdict = VERDICT_DROP;
    if (result == APPEND_OUT_OF_ORDER && !transaction->replaying)
        counter_inc(db->metrics.out_of_order[type]);
    if (result != APPEND_OK && !was_late)
        return;
    if (out_of_order || was_late) {
        judge_out_of_order(sample);
        return;
    }
    sample->verdict = VERDICT_IN_ORDER;
    if (sample->kind == STAGED_FLOAT)
        encode_sample(transaction, sample, shadow);
    else
        shadow->state = 0;
    shadow->tail =
        (struct series_tail){sample->t_ms, sample->bits, sample->kind == STAGED_HISTOGRAM};
}

static void commit_judge(struct tsdb *db, struct transaction *transaction)
{
    struct commit_shadow shadow = {0};
    size_t count = transaction->samples.len;
    for (size_t i = 0; i < count; i++) {
        if (i + COMMIT_PREFETCH < count) {
            const char *ahead =
                (const char *)transaction->samples.items[i + COMMIT_PREFETCH].series;
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + 64);
        }
        judge_sample(db, transaction, &transaction->samples.items[i], &shadow);
    }
}

static void apply_out_of_order(struct transaction *transaction, struct staged_sample *sample,
                               uint64_t commit)
{
    struct series_extra *extra = series_extra(sample->series);
    if (extra->out_of_order == NULL)
        extra->out_of_order = mem_zalloc(sizeof(*extra->out_of_order));
    if (out_of_order_find(extra->out_of_order, sample->t_ms) != NULL)
        return;
    struct out_of_order_sample added = {.timestamp_ms = sample->t_ms, .commit = commit};
    if (sample->kind == STAGED_FLOAT) {
        added.bits = sample->bits;
    } else {
        added.histogram = transaction->histogram_bytes.data + sample->bits;
        added.histogram_len = sample->histogram_len;
    }
    out_of_order_insert(extra->out_of_order, added);
}

static void apply_in_order(struct tsdb *db, struct transaction *transaction,
                           struct staged_sample *sample, const uint8_t *token)
{
    struct series *series = sample->series;
    bool histogram = sample->kind == STAGED_HISTOGRAM;
    if (series_loose_is_full(series, sample->t_ms, histogram))
        head_push_chunk(&db->head, series, series_loose_close(&db->head.pool, series));
    if (histogram)
        series_histogram_append(
            &db->head.pool, series, sample->t_ms,
            slice_from(transaction->histogram_bytes.data + sample->bits, sample->histogram_len));
    else
        series_loose_append(&db->head.pool, series, sample->t_ms, sample->bits, token,
                            sample->token_len, sample->state);
}

/* The lock that guards a series now; a member that gets a loose sample becomes loose first. */
static struct mutex *sample_lock(struct tsdb *db, struct transaction *transaction,
                                 const struct staged_sample *sample)
{
    struct sample_group *group = sample->series->group;
    if (group == NULL)
        return head_stripe(&db->head, sample->series);
    if (sample->verdict == VERDICT_OUT_OF_ORDER)
        return &group->lock;
    return NULL;
}

static void commit_apply_samples(struct tsdb *db, struct transaction *transaction, uint64_t commit,
                                 uint64_t low_watermark, struct commit_tally *tally)
{
    struct mutex *held = NULL;
    const uint8_t *token = transaction->tokens.items;
    for (size_t i = 0; i < transaction->samples.len; i++) {
        struct staged_sample *sample = &transaction->samples.items[i];
        if (sample->verdict == VERDICT_DROP)
            continue;
        struct mutex *lock = sample_lock(db, transaction, sample);
        if (lock != held || lock == NULL) {
            if (held != NULL)
                mutex_unlock(held);
            if (lock == NULL) {
                sample->series->flips += !transaction->replaying;
                group_detach(sample->series->group, sample->series);
                lock = head_stripe(&db->head, sample->series);
            }
            mutex_lock(lock);
            held = lock;
        }
        if (sample->verdict == VERDICT_OUT_OF_ORDER) {
            tally->late_min_ms = MIN(tally->late_min_ms, sample->t_ms);
            tally->out_of_order[sample->kind]++;
            apply_out_of_order(transaction, sample, commit);
        } else {
            tally->min_ms = MIN(tally->min_ms, sample->t_ms);
            tally->max_ms = MAX(tally->max_ms, sample->t_ms);
            tally->in_order[sample->kind]++;
            series_note_commit(sample->series, commit, low_watermark);
            apply_in_order(db, transaction, sample, token);
        }
        token += sample->token_len;
    }
    if (held != NULL)
        mutex_unlock(held);
}

static void commit_count(struct tsdb *db, const struct commit_tally *tally, bool replaying)
{
    static_assert((int)STAGED_FLOAT == (int)TSDB_FLOAT, "kinds count as types");
    head_widen(&db->head, tally->min_ms, tally->max_ms);
    head_widen_late(&db->head, tally->late_min_ms);
    size_t floats = tally->in_order[TSDB_FLOAT] + tally->out_of_order[TSDB_FLOAT];
    size_t histograms = tally->in_order[TSDB_HISTOGRAM] + tally->out_of_order[TSDB_HISTOGRAM];
    db->head.samples_appended += floats + histograms;
    if (replaying)
        return; /* they were counted when they came */
    counter_add(db->metrics.samples_appended[TSDB_FLOAT], (double)floats);
    if (histograms > 0)
        counter_add(db->metrics.samples_appended[TSDB_HISTOGRAM], (double)histograms);
    for (size_t i = 0; i < TSDB_SAMPLE_TYPES; i++) {
        if (tally->out_of_order[i] > 0)
            counter_add(db->metrics.out_of_order_appended[i], (double)tally->out_of_order[i]);
    }
}

/* Notes a start under the lock that readers take. */
static void commit_apply_start(struct tsdb *db, const struct staged_start *staged)
{
    struct series *series = staged->series;
    struct sample_group *group;
    struct mutex *lock = group_lock_series(&db->head, series, &group);
    struct series_extra *extra = series_extra(series);
    if (extra->series_starts == NULL)
        extra->series_starts = mem_zalloc(sizeof(*extra->series_starts));
    series_starts_set(extra->series_starts, staged->t_ms, staged->start_ms, staged->late);
    mutex_unlock(lock);
}

static void commit_apply_exemplars(struct tsdb *db, struct transaction *transaction)
{
    int64_t window_ms = db->out_of_order_window_ms;
    for (size_t i = 0; i < transaction->exemplars.len; i++) {
        const struct staged_exemplar *staged = &transaction->exemplars.items[i];
        struct slice labels =
            slice_from(transaction->exemplar_bytes.data + staged->labels_at, staged->labels_len);
        struct exemplar_entry entry = {staged->t_ms, staged->value, labels, staged->has_timestamp};
        exemplars_add(&db->exemplars, staged->series->labels, &entry, window_ms);
    }
}

/* Memory: nothing here can fail. */
static void commit_apply(struct tsdb *db, struct transaction *transaction)
{
    struct head *head = &db->head;
    struct commit_tally tally = {
        .min_ms = INT64_MAX, .max_ms = INT64_MIN, .late_min_ms = INT64_MAX};
    uint64_t commit = isolation_published(&head->isolation) + 1;
    uint64_t low_watermark = isolation_low_watermark(&head->isolation);
    if (transaction->row.group != NULL) {
        tally.min_ms = tally.max_ms = transaction->t_ms;
        tally.in_order[TSDB_FLOAT] = row_sample_count(&transaction->row);
        row_apply(&transaction->row, commit);
    }
    if (transaction->samples.len > 0)
        commit_apply_samples(db, transaction, commit, low_watermark, &tally);
    commit_count(db, &tally, transaction->replaying);
    for (size_t i = 0; i < transaction->starts.len; i++)
        commit_apply_start(db, &transaction->starts.items[i]);
    if (transaction->exemplars.len > 0)
        commit_apply_exemplars(db, transaction);
    isolation_publish(&head->isolation, commit);
}

/* The newest time that the commit brings, for the retention of segments. */
static int64_t commit_max_ms(const struct transaction *transaction)
{
    int64_t max_ms = transaction->row.group != NULL ? transaction->t_ms : INT64_MIN;
    for (size_t i = 0; i < transaction->samples.len; i++)
        max_ms = MAX(max_ms, transaction->samples.items[i].t_ms);
    return max_ms;
}

/* Readies the log for this commit: a segment that is not full. */
enum err tsdb_open_log_locked(struct tsdb *db, struct errbuf *err)
{
    if (wal_has_failed(db->wal)) {
        struct buf reason;
        buf_init(&reason, 1024);
        wal_failure_text(db->wal, &reason);
        errbuf_set(err, ERR_UNAVAILABLE, "storage cannot write: %s", buf_cstr(&reason));
        buf_release(&reason);
        return ERR_UNAVAILABLE;
    }
    if (wal_is_full(db->wal)) {
        enum err result = wal_cut(db->wal, err);
        if (result != ERR_NONE)
            return result;
    }
    wal_writer_segment(&db->writer, wal_end(db->wal).segment);
    return ERR_NONE;
}

static enum err commit_log(struct tsdb *db, struct transaction *transaction, uint64_t *out_total,
                           bool *out_any, struct errbuf *err)
{
    wal_writer_begin(&db->writer);
    if (transaction->row.group != NULL)
        wal_writer_row(&db->writer, &transaction->row);
    wal_writer_samples(&db->writer, transaction);
    if (transaction->exemplars.len > 0)
        wal_writer_exemplars(&db->writer, transaction);
    struct slice payload = wal_writer_finish(&db->writer, transaction);
    *out_any = payload.len > 0;
    if (payload.len == 0)
        return ERR_NONE;
    counter_inc(db->metrics.wal_frames);
    return wal_append(db->wal, payload, commit_max_ms(transaction), out_total, err);
}

static enum err commit_locked(struct tsdb *db, struct transaction *transaction, bool logged,
                              uint64_t *out_total, struct errbuf *err)
{
    mutex_assert_held(&db->commit_lock);
    if (logged) {
        enum err result = tsdb_open_log_locked(db, err);
        if (result != ERR_NONE)
            return result;
    }
    commit_prepare(transaction);
    if (transaction->row.group != NULL)
        row_encode(&transaction->row);
    commit_judge(db, transaction);
    bool any = true;
    if (logged) {
        enum err result = commit_log(db, transaction, out_total, &any, err);
        if (result != ERR_NONE) {
            if (transaction->row.group != NULL)
                row_abandon(&transaction->row);
            return result;
        }
    }
    if (any)
        commit_apply(db, transaction);
    return ERR_NONE;
}

enum err tsdb_commit(struct tsdb *db, struct transaction *transaction, bool logged,
                     struct errbuf *err)
{
    if (transaction->row.staged_count == 0 && transaction->row.joiners.len == 0)
        transaction->row.group = NULL;
    if (transaction->row.group == NULL && transaction->samples.len == 0 &&
        transaction->exemplars.len == 0 && transaction->starts.len == 0)
        return ERR_NONE;
    uint64_t total = 0;
    mutex_lock(&db->commit_lock);
    enum err result = commit_locked(db, transaction, logged, &total, err);
    mutex_unlock(&db->commit_lock);
    if (result == ERR_NONE && logged && db->options.fsync_policy == TSDB_FSYNC_ALWAYS) {
        int64_t start_ns = clock_monotonic_ns(db->clock);
        result = wal_sync(db->wal, total, err);
        counter_observe(db->metrics.wal_fsync_duration,
                        (double)(clock_monotonic_ns(db->clock) - start_ns) / 1e9);
    }
    return result;
}
