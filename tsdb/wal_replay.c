/*
 * Reading the log at start. Every frame is committed again as a transaction, without being logged.
 * The first damage ends a segment: the rest of it is copied aside under a name that says where it
 * began, and the segment is cut there, so that nothing is lost and the next start is clean.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/path.h"
#include "base/table.h"
#include "tsdb/out_of_order.h"
#include "tsdb/tokens.h"
#include "tsdb/tsdb_internal.h"
#include "tsdb/wal_check.h"
#include "tsdb/wal_decoder.h"
#include "tsdb/wal_frame.h"
#include "tsdb/wal_window.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* So many samples ahead a series is fetched, and its last bytes. */
#define SERIES_AHEAD 24
#define BYTES_AHEAD 12

/* A series of the log. */
struct replay_series {
    struct series *series;
    bool in_step; /* its last value and state are those that the log's next token follows */
};

/* A group of the log and the one that stands for it. */
struct replay_group {
    uint64_t id;
    struct sample_group *group;
    VEC(series_ref) refs; /* by position */
    uint32_t layout_version;
};

/* The last commit of a segment. */
struct segment_end {
    uint64_t segment;
    uint64_t commit;
};

struct replay {
    struct tsdb *db;
    struct appender *appender;
    struct transaction *transaction;
    VEC(struct replay_series) series; /* by number in the segment */
    VEC(struct series *) loaded;      /* scratch */
    struct table groups;              /* of replay_group, by id */
    struct wal_window window;
    uint64_t run;
    size_t muted_until; /* the snapshot has what is before this offset of the segment */
    bool muted;
    int64_t max_ms;      /* of the segment */
    int64_t floor_ms;    /* what is in order and older is in blocks */
    bool late_is_stored; /* what is out of order in this segment is, too */
    /* samples that needed no commit */
    uint64_t direct_count;
    int64_t direct_min_ms;
    VEC(struct tombstone) deletions;
    VEC(struct segment_end) ends;
};

static void replay_series(void *context, uint32_t first, const struct labels *const *labels,
                          size_t count)
{
    struct replay *replay = context;
    ASSERT(first == replay->series.len);
    vec_reset(&replay->loaded);
    vec_reserve(&replay->loaded, count);
    head_load_all(&replay->db->head, labels, count, replay->loaded.items);
    vec_reserve(&replay->series, count);
    for (size_t i = 0; i < count; i++)
        replay->series.items[first + i] = (struct replay_series){.series = replay->loaded.items[i]};
    replay->series.len += count;
}

static void replay_commit(struct replay *replay)
{
    struct transaction *transaction = replay->transaction;
    enum err result = tsdb_commit(replay->db, transaction, false, NULL);
    ASSERT(result == ERR_NONE); /* only the log can fail */
    transaction_reset(transaction);
}

/* Straight into the series, where it is simply the next sample: nobody reads yet, so this needs no
 * lock and no number. The token of the log is that of memory, too, where both are in step or it
 * needs nothing before it. */
static bool replay_directly(struct replay *replay, struct replay_series *known,
                            const struct wal_sample *sample)
{
    struct head *head = &replay->db->head;
    struct series *series = known->series;
    if (series->group != NULL || sample->t_ms <= series->last_ms ||
        series->flags & SERIES_HISTOGRAM)
        return false;
    /* a histogram that waits for the commit may be the series' own, and comes first */
    if (UNLIKELY(replay->transaction->histogram_bytes.len > 0))
        return false;
    if (series_loose_is_full(series, sample->t_ms, false))
        head_push_chunk(head, series, series_loose_close(&head->pool, series));
    uint8_t made[TOKEN_SIZE_MAX];
    const uint8_t *token = sample->token;
    size_t token_len = sample->token_len;
    uint8_t state = sample->state;
    if (!known->in_step && !(token_len > 0 && token_is_absolute(token[0]))) {
        token = made;
        token_len = 0;
        state = series->state;
        if (sample->bits != series->last_bits || !(state & TOKEN_STATE_KNOWN))
            token_len = token_encode(made, series->last_bits, sample->bits, &state);
    }
    series_loose_append(&head->pool, series, sample->t_ms, sample->bits, token, token_len, state);
    known->in_step = !((state ^ sample->state) & ~TOKEN_STATE_RAW);
    replay->direct_count++;
    replay->direct_min_ms = MIN(replay->direct_min_ms, sample->t_ms);
    return true;
}

/* What came out of order stays so, even where what it was late for is in a block. */
static uint8_t replay_verdict(bool out_of_order)
{
    return out_of_order ? VERDICT_OUT_OF_ORDER : VERDICT_DROP;
}

/* Is the sample in the snapshot, or in a block? */
static inline bool is_stored(const struct replay *replay, int64_t t_ms, bool out_of_order)
{
    return replay->muted || (out_of_order ? replay->late_is_stored : t_ms < replay->floor_ms);
}

static void replay_sample(struct replay *replay, const struct wal_sample *sample, bool out_of_order)
{
    struct replay_series *known = &replay->series.items[sample->series];
    replay->max_ms = MAX(replay->max_ms, sample->t_ms);
    bool wanted = !is_stored(replay, sample->t_ms, out_of_order);
    if (LIKELY(wanted && !out_of_order && replay_directly(replay, known, sample)))
        return;
    known->in_step &= out_of_order;
    if (wanted)
        vec_push(&replay->transaction->samples,
                 (struct staged_sample){.series = known->series,
                                        .t_ms = sample->t_ms,
                                        .bits = sample->bits,
                                        .verdict = replay_verdict(out_of_order)});
}

static void replay_samples(void *context, const struct wal_sample *samples, size_t count,
                           bool out_of_order)
{
    struct replay *replay = context;
    const struct replay_series *known = replay->series.items;
    for (size_t i = 0; i < count; i++) {
        if (i + SERIES_AHEAD < count)
            series_prefetch(known[samples[i + SERIES_AHEAD].series].series);
        if (i + BYTES_AHEAD < count)
            __builtin_prefetch(known[samples[i + BYTES_AHEAD].series].series->bytes, 1);
        replay_sample(replay, &samples[i], out_of_order);
    }
}

/* What went by the commits is counted here. */
static void replay_count(struct replay *replay)
{
    if (replay->direct_count > 0)
        head_widen(&replay->db->head, replay->direct_min_ms, replay->max_ms);
    replay->db->head.samples_appended += replay->direct_count;
    replay->direct_count = 0;
    replay->direct_min_ms = INT64_MAX;
}

static void replay_histogram(void *context, uint32_t id, int64_t t_ms, struct slice encoded,
                             bool out_of_order)
{
    struct replay *replay = context;
    struct transaction *transaction = replay->transaction;
    size_t start = transaction->histogram_bytes.len;
    replay->max_ms = MAX(replay->max_ms, t_ms);
    if (is_stored(replay, t_ms, out_of_order))
        return;
    if (!buf_append_slice(&transaction->histogram_bytes, encoded))
        return;
    vec_push(&transaction->samples,
             (struct staged_sample){.series = replay->series.items[id].series,
                                    .t_ms = t_ms,
                                    .bits = start,
                                    .histogram_len = (uint32_t)encoded.len,
                                    .kind = STAGED_HISTOGRAM,
                                    .verdict = replay_verdict(out_of_order)});
}

static void replay_exemplar(void *context, uint32_t id, const struct exemplar_entry *entry)
{
    struct replay *replay = context;
    if (replay->muted)
        return;
    struct series *series = replay->series.items[id].series;
    exemplars_add(&replay->db->exemplars, series->labels, entry,
                  replay->db->out_of_order_window_ms);
}

static void replay_start(void *context, uint32_t id, int64_t t_ms, int64_t start_ms, bool late)
{
    struct replay *replay = context;
    if (replay->muted || (late && replay->late_is_stored))
        return;
    struct series *series = replay->series.items[id].series;
    vec_push(&replay->transaction->starts, (struct staged_start){series, t_ms, start_ms, late});
}

static void replay_deletion(void *context, uint32_t id, int64_t min_ms, int64_t max_ms)
{
    struct replay *replay = context;
    if (replay->muted)
        return;
    struct series *series = replay->series.items[id].series;
    vec_push(&replay->deletions, (struct tombstone){series->ref, min_ms, max_ms});
    /* those that come later are not meant */
    if (series->extra == NULL || series->extra->out_of_order == NULL)
        return;
    out_of_order_delete(series->extra->out_of_order, min_ms, max_ms, 1);
    series_drop_deleted(series);
}

/* What is in blocks already may have been deleted there since. */
static void replay_late_stored(void *context, uint64_t segment)
{
    struct replay *replay = context;
    const struct segment_end *end = NULL;
    for (size_t i = 0; i < replay->ends.len && replay->ends.items[i].segment < segment; i++)
        end = &replay->ends.items[i];
    if (replay->muted || end == NULL)
        return;
    struct series *series;
    for (series_ref ref = 1; (series = refs_next(&replay->db->head.refs, &ref)) != NULL;) {
        if (series->extra == NULL || series->extra->out_of_order == NULL)
            continue;
        out_of_order_drop_commits(series->extra->out_of_order, end->commit);
        series_drop_deleted(series);
    }
}

static void replay_segment_end(struct replay *replay, uint64_t number)
{
    struct segment_end end = {number, isolation_published(&replay->db->head.isolation)};
    vec_push(&replay->ends, end);
}

static bool group_has_id(const void *value, const void *id)
{
    return ((const struct replay_group *)value)->id == *(const uint64_t *)id;
}

/* The group that stands for one of the log; its segments may be many. */
static struct replay_group *replay_group(struct replay *replay, struct wal_group *wal_group)
{
    struct replay_group *group = wal_group->context;
    uint64_t hash = hash_mix(0, wal_group->id);
    if (group == NULL)
        group = table_get(&replay->groups, hash, group_has_id, &wal_group->id);
    if (group == NULL) {
        group = mem_zalloc(sizeof(*group));
        group->id = wal_group->id;
        mutex_lock(&replay->db->commit_lock);
        group->group = tsdb_group_new_locked(replay->db);
        mutex_unlock(&replay->db->commit_lock);
        table_add(&replay->groups, hash, group);
    }
    if (wal_group->context == NULL || group->layout_version != wal_group->layout_version) {
        vec_reset(&group->refs);
        for (uint32_t i = 0; i < wal_group->count; i++) {
            uint32_t id = wal_group->series[i];
            vec_push(&group->refs,
                     id < replay->series.len ? replay->series.items[id].series->ref : 0);
        }
        group->layout_version = wal_group->layout_version;
        wal_group->context = group;
    }
    return group;
}

static void replay_stage(struct replay *replay, series_ref ref, int64_t t_ms, uint64_t bits)
{
    struct transaction *transaction = replay->transaction;
    struct series *series = head_series(&replay->db->head, ref);
    if (series == NULL)
        return;
    enum row_staged staged = ROW_UNKNOWN;
    if (transaction->row_open) {
        staged = row_stage_member(&transaction->row, series, bits);
        if (staged == ROW_UNKNOWN)
            staged = row_stage_joiner(&transaction->row, series, bits);
    }
    if (staged == ROW_UNKNOWN)
        vec_push(&transaction->samples,
                 (struct staged_sample){.series = series, .t_ms = t_ms, .bits = bits});
}

static void replay_row(void *context, struct wal_group *wal_group, int64_t t_ms)
{
    struct replay *replay = context;
    struct transaction *transaction = replay->transaction;
    replay->max_ms = MAX(replay->max_ms, t_ms);
    if (replay->muted || t_ms < replay->floor_ms)
        return;
    if (transaction->row.group != NULL)
        replay_commit(replay);
    struct replay_group *group = replay_group(replay, wal_group);
    transaction->t_ms = t_ms;
    transaction->row_open = t_ms > group->group->last_ms;
    if (transaction->row_open)
        row_begin(&transaction->row, group->group, t_ms);
    for (uint32_t base = 0; base < wal_group->count; base += 64) {
        for (uint64_t word = wal_group->present[base / 64]; word != 0; word &= word - 1) {
            uint32_t position = base + (uint32_t)__builtin_ctzll(word);
            series_ref ref = group->refs.items[position];
            uint64_t bits = wal_group->bits[position];
            if (!transaction->row_open || !row_stage_next(&transaction->row, ref, bits))
                replay_stage(replay, ref, t_ms, bits);
        }
    }
}

static const struct wal_visitor replay_visitor = {
    .series = replay_series,
    .takes_series = true,
    .row = replay_row,
    .samples = replay_samples,
    .histogram = replay_histogram,
    .exemplar = replay_exemplar,
    .start = replay_start,
    .deletion = replay_deletion,
    .late_stored = replay_late_stored,
};

static void replay_groups_end(struct replay *replay)
{
    struct replay_group *group;
    for (size_t at = 0; (group = table_next(&replay->groups, &at)) != NULL;) {
        mutex_lock(&replay->db->commit_lock);
        tsdb_group_end_locked(replay->db, group->group);
        mutex_unlock(&replay->db->commit_lock);
        vec_release(&group->refs);
        mem_free(group);
    }
    table_clear(&replay->groups);
}

/* Applies the rows that wait. Where one is damaged, *out_good is the begin of its frame. */
static enum err replay_window(struct replay *replay, struct wal_decoder *decoder, size_t *out_good,
                              struct errbuf *err)
{
    struct wal_window *window = &replay->window;
    enum err result = ERR_NONE;
    wal_window_sort(window);
    for (size_t i = 0; i < window->rows.len && result == ERR_NONE; i++) {
        result = wal_decoder_read(decoder, wal_window_payload(window, i), err);
        if (result == ERR_NONE)
            replay_commit(replay);
        else
            *out_good = window->rows.items[i].offset;
    }
    wal_window_reset(window);
    return result;
}

static enum err replay_payload(struct replay *replay, struct wal_decoder *decoder,
                               struct slice payload, size_t *out_good, struct errbuf *err)
{
    enum err result = ERR_NONE;
    if (!replay->muted && wal_window_add(&replay->window, payload, *out_good)) {
        if (wal_window_is_full(&replay->window))
            result = replay_window(replay, decoder, out_good, err);
        return result;
    }
    result = replay_window(replay, decoder, out_good, err);
    if (result == ERR_NONE)
        result = wal_decoder_read(decoder, payload, err);
    if (result == ERR_NONE)
        replay_commit(replay);
    return result;
}

/* Reads frames until the end or the first damage; *out_good is the end of the last good one. */
static enum err replay_frames(struct replay *replay, struct wal_decoder *decoder,
                              struct slice segment, size_t *out_good, struct errbuf *err)
{
    *out_good = 0;
    uint64_t run;
    enum err result = wal_segment_header_read(segment, &run, err);
    if (result != ERR_NONE)
        return result;
    if (run != replay->run)
        replay_groups_end(replay); /* another process numbered its groups anew */
    replay->run = run;
    *out_good = WAL_SEGMENT_HEADER_SIZE;
    struct buf unpacked CLEANUP(buf_release);
    buf_init(&unpacked, WAL_PAYLOAD_SIZE_MAX);
    while (*out_good < segment.len && result == ERR_NONE) {
        struct wal_frame frame;
        replay->muted = *out_good < replay->muted_until;
        result = wal_frame_read(slice_from_index(segment, *out_good), &unpacked, &frame, err);
        if (result == ERR_NONE && frame.type != WAL_FRAME_COMMIT)
            result = errbuf_set(err, ERR_UNSUPPORTED, "a frame has the unknown type %d",
                                (int)frame.type);
        if (result == ERR_NONE)
            result = replay_payload(replay, decoder, frame.payload, out_good, err);
        if (result == ERR_NONE)
            *out_good += frame.size;
    }
    /* what came before the damage counts; a second one, in a row, is further up */
    enum err waiting = replay_window(replay, decoder, out_good, err);
    result = waiting == ERR_NONE ? result : waiting;
    if (result != ERR_NONE) {
        if (replay->transaction->row.group != NULL)
            row_reset(&replay->transaction->row);
        transaction_reset(replay->transaction);
    }
    return result;
}

/* Copies the damaged rest of a segment aside and cuts the segment there. */
static enum err set_aside(struct tsdb *db, const char *path, struct slice segment, size_t good,
                          struct errbuf *err)
{
    char *name CLEANUP(mem_cleanup) = path_print("%s.damaged-%zu", path, good);
    int fd = db->fs->open(db->fs, name, FS_CREATE);
    if (fd == -EEXIST)
        return errbuf_set(err, ERR_EXISTS, "%s is there already", name);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "creating %s", name);
    enum err result =
        fs_write_all(db->fs, fd, segment.ptr + good, segment.len - good, 0, name, err);
    int failed = result == ERR_NONE ? db->fs->sync(db->fs, fd) : 0;
    db->fs->close(db->fs, fd);
    /* the name, too, before the segment is cut */
    if (result == ERR_NONE && failed == 0)
        failed = db->fs->sync_directory(db->fs, db->wal->directory);
    if (failed < 0)
        result = errbuf_set_errno(err, -failed, "syncing %s", name);
    if (result != ERR_NONE) {
        db->fs->unlink(db->fs, name);
        return result;
    }
    fd = db->fs->open(db->fs, path, FS_WRITE);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "opening %s", path);
    failed = db->fs->truncate(db->fs, fd, good);
    if (failed == 0)
        failed = db->fs->sync(db->fs, fd);
    db->fs->close(db->fs, fd);
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "truncating %s", path);
    return ERR_NONE;
}

static void report_damage(struct tsdb *db, const char *path, struct slice segment, size_t good,
                          const struct errbuf *damage)
{
    counter_inc(db->metrics.wal_corruptions);
    struct errbuf place = ERRBUF_INIT;
    (void)errbuf_set(&place, ERR_CORRUPT, "%s at offset %zu: %s", path, good, damage->text);
    damage_book_note(&db->damages, place.text);
    struct errbuf err = ERRBUF_INIT;
    enum err result = set_aside(db, path, segment, good, &err);
    log_warn("A segment of the log is damaged; what lies behind the damage was set aside",
             log_str("file", path), log_uint("offset", good), log_uint("bytes", segment.len - good),
             log_err(damage), log_str("aside", result == ERR_NONE ? "done" : err.text));
}

static enum err replay_mapped(struct replay *replay, struct wal_decoder *decoder, const char *path,
                              struct slice segment, size_t *out_good, struct errbuf *err)
{
    struct errbuf damage = ERRBUF_INIT;
    enum err result = replay_frames(replay, decoder, segment, out_good, &damage);
    if (result == ERR_UNSUPPORTED)
        return errbuf_set(err, result, "%s at offset %zu: %s", path, *out_good, damage.text);
    if (result != ERR_NONE)
        report_damage(replay->db, path, segment, *out_good, &damage);
    return ERR_NONE;
}

static enum err replay_segment(struct replay *replay, struct wal_decoder *decoder, uint64_t number,
                               struct errbuf *err)
{
    const struct fs *fs = replay->db->fs;
    char *path CLEANUP(mem_cleanup) = wal_segment_path(replay->db->wal, number);
    int fd = fs->open(fs, path, FS_READ);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "opening %s", path);
    int64_t size = fs->size(fs, fd);
    void *data = size > 0 ? fs->map(fs, fd, (size_t)size) : NULL;
    fs->close(fs, fd);
    if (size < 0 || (size > 0 && data == NULL))
        return errbuf_set(err, ERR_IO, "reading %s failed", path);
    replay->max_ms = INT64_MIN;
    replay->late_is_stored = number < replay->db->wal->late_from;
    vec_reset(&replay->series);
    wal_decoder_reset(decoder);
    size_t good = 0;
    enum err result = ERR_NONE;
    if (size == 0)
        log_warn("A segment of the log is empty; a power cut may leave one so",
                 log_str("file", path));
    if (size > 0) {
        result = replay_mapped(replay, decoder, path, slice_from(data, (size_t)size), &good, err);
        fs->unmap(fs, data, (size_t)size);
    }
    replay_count(replay);
    wal_note_segment(replay->db->wal, number, good, replay->max_ms);
    return result;
}

static void replay_finish(struct replay *replay)
{
    replay_groups_end(replay);
    head_delete(&replay->db->head, replay->deletions.items, replay->deletions.len);
    vec_release(&replay->deletions);
    vec_release(&replay->ends);
    table_release(&replay->groups);
    vec_release(&replay->series);
    vec_release(&replay->loaded);
    wal_window_release(&replay->window);
    replay->transaction->replaying = false;
    tsdb_appender_close(replay->appender);
}

/* The snapshot has this segment: all of it, or what is before an offset. */
static bool replay_skips(struct replay *replay, const struct wal_segment *segment,
                         struct wal_position from)
{
    replay->muted_until = segment->number == from.segment ? (size_t)from.offset : 0;
    return segment->number < from.segment ||
           (segment->number == from.segment && segment->size == from.offset);
}

enum err tsdb_replay(struct tsdb *db, struct wal_position from, struct errbuf *err)
{
    struct wal *wal = db->wal;
    wal_check(db, from);
    if (wal->segments.len == 0)
        return ERR_NONE;
    int64_t start_ns = clock_monotonic_ns(clock_system);
    struct replay replay = {.db = db,
                            .appender = tsdb_appender_open(db),
                            .direct_min_ms = INT64_MAX,
                            .floor_ms = db->head.floor_ms};
    table_init(&replay.groups);
    wal_window_init(&replay.window);
    replay.transaction = tsdb_appender_transaction(replay.appender);
    replay.transaction->replaying = true;
    transaction_reset(replay.transaction); /* takes the bounds of a replay: none */
    struct wal_decoder decoder;
    wal_decoder_init(&decoder, &replay_visitor, &replay);
    uint64_t last = wal->segments.items[wal->segments.len - 1].number;
    tsdb_replay_progress.segment_min = (uint32_t)wal->segments.items[0].number;
    tsdb_replay_progress.segment_max = (uint32_t)last;
    log_info("Replaying WAL, this may take a while");
    enum err result = ERR_NONE;
    for (size_t i = 0; i < wal->segments.len && result == ERR_NONE; i++) {
        uint64_t number = wal->segments.items[i].number;
        tsdb_replay_progress.segment_current = (uint32_t)number;
        if (replay_skips(&replay, &wal->segments.items[i], from)) {
            replay_segment_end(&replay, number); /* its late samples are in the snapshot */
            continue;
        }
        result = replay_segment(&replay, &decoder, number, err);
        replay_segment_end(&replay, number);
        log_info("WAL segment loaded", log_uint("segment", number), log_uint("maxSegment", last));
    }
    wal_decoder_release(&decoder);
    replay_finish(&replay);
    int64_t duration_ns = clock_monotonic_ns(clock_system) - start_ns;
    counter_set(db->metrics.replay_duration, (double)duration_ns / 1e9);
    log_info("WAL replay completed", log_duration_ns("total_replay_duration", duration_ns));
    return result;
}
