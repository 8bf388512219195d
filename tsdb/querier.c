/*
 * Views of the head. A handle is the address of a series, whose memory stays while the view is
 * registered as a reader. Reading copies the open chunk's bytes under the lock and decodes outside.
 */
#include "tsdb/querier.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/log.h"
#include "model/symbols.h"
#include "tsdb/head_view.h"
#include "tsdb/histogram_hints.h"
#include "tsdb/out_of_order.h"
#include "tsdb/select.h"
#include "tsdb/series_starts.h"
#include "tsdb/tsdb_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct head_view {
    struct series_view view; /* first */
    struct tsdb *db;
    struct reader reader;
    const struct tombstones *deleted; /* by ref; lives as long as the reader is open */
    uint64_t deletion;                /* the last that it knows of */
    int64_t from_ms;                  /* in-order samples before are in blocks */
    enum head_samples which;
    bool leaves_out_damaged;
    uint64_t left_out;
};

/* Open chunks are small but for histograms, which get heap memory. */
#define OPEN_BYTES_INLINE 2048

/* What a reader takes from a series under its lock. */
struct series_snapshot {
    struct chunk_span open;
    bool has_open;
    bool has_out_of_order;
    bool has_starts;
    struct time_column *column; /* counted */
    struct chunk *closed;
    uint32_t hidden;
    uint8_t *heap;
    uint8_t bytes[OPEN_BYTES_INLINE];
};

static void snapshot_bytes(struct series_snapshot *snapshot, const struct series *series)
{
    uint8_t *to = snapshot->bytes;
    if (series->len > sizeof(snapshot->bytes))
        to = snapshot->heap = mem_alloc(series->len);
    if (series->len > 0)
        byte_run_copy(series->bytes, series->len, to);
    snapshot->open.bytes = to;
    snapshot->open.len = series->len;
}

/* The open chunk of a member, as far as the watermark lets it be seen. */
static void snapshot_rows(struct series_snapshot *snapshot, const struct series *series,
                          const struct sample_group *group, uint64_t watermark)
{
    if (series->row_first == SERIES_ROW_NONE)
        return;
    uint32_t row_end = time_column_visible(group->column, watermark);
    if (!group_is_present(group, series->position))
        row_end = MIN(row_end, series->tail + 1u);
    if (series->row_first >= row_end)
        return;
    snapshot->has_open = true;
    snapshot->column = time_column_ref(group->column);
    snapshot->open = (struct chunk_span){
        .kind = CHUNK_ROWS,
        .bits = group->bits[series->position],
        .column = group->column,
        .row_first = series->row_first,
        .row_end = row_end,
    };
    snapshot_bytes(snapshot, series);
}

static void snapshot_loose(struct series_snapshot *snapshot, const struct series *series)
{
    if (series->count == 0)
        return;
    bool histogram = series->flags & SERIES_HISTOGRAM;
    snapshot->has_open = true;
    snapshot->open = (struct chunk_span){
        .kind = histogram ? CHUNK_HISTOGRAM : CHUNK_LOOSE,
        .bits = series->last_bits,
        .count = series->count,
        .step_ms = series->step_ms,
        .first_ms = series->last_ms - (int64_t)series->step_ms * (series->count - 1),
    };
    snapshot_bytes(snapshot, series);
}

static bool ranges_overlap(int64_t a_min, int64_t a_max, int64_t b_min, int64_t b_max)
{
    return a_min <= b_max && b_min <= a_max;
}

/* What the open chunk spans; false when there is none. */
static bool open_range(const struct series *series, const struct sample_group *group,
                       int64_t *out_first_ms, int64_t *out_last_ms)
{
    if (group != NULL) {
        const struct time_column *column = group->column;
        if (series->row_first == SERIES_ROW_NONE || series->row_first >= column->count)
            return false;
        bool present = group_is_present(group, series->position);
        *out_first_ms = column->times_ms[series->row_first];
        *out_last_ms = present ? group->last_ms : column->times_ms[series->tail];
        return true;
    }
    if (series->count == 0)
        return false;
    *out_last_ms = series->last_ms;
    *out_first_ms = series->last_ms - (int64_t)series->step_ms * (series->count - 1);
    if (series->len > 0)
        *out_first_ms = series_loose_first_ms(series);
    return true;
}

static bool open_overlaps(const struct series *series, const struct sample_group *group,
                          int64_t min_ms, int64_t max_ms)
{
    int64_t first_ms, last_ms;
    if (group == NULL && series->last_ms < min_ms)
        return false;
    return open_range(series, group, &first_ms, &last_ms) &&
           ranges_overlap(first_ms, last_ms, min_ms, max_ms);
}

static void snapshot_take(struct head *head, struct series *series, uint64_t watermark,
                          int64_t min_ms, int64_t max_ms, struct series_snapshot *out)
{
    out->has_open = false;
    out->column = NULL;
    out->heap = NULL;
    struct sample_group *group;
    struct mutex *lock = group_lock_series(head, series, &group);
    out->hidden = series_hidden(series, watermark);
    /* hidden samples are counted from the end, so the open chunk is needed to know where that is */
    bool wanted = out->hidden > 0 || open_overlaps(series, group, min_ms, max_ms);
    if (wanted && group != NULL)
        snapshot_rows(out, series, group, watermark);
    else if (wanted)
        snapshot_loose(out, series);
    out->closed = series->closed;
    out->has_out_of_order = series->extra != NULL && series->extra->out_of_order != NULL;
    out->has_starts = series->extra != NULL && series->extra->series_starts != NULL;
    mutex_unlock(lock);
}

static void snapshot_release(struct series_snapshot *snapshot)
{
    time_column_unref(snapshot->column);
    mem_free(snapshot->heap);
}

/* A closed chunk and how many of its newest samples the view may not see. */
struct closed_part {
    const struct chunk *chunk;
    uint32_t skip_last;
};

/* The closed chunks that overlap the range, newest first. */
typedef VEC(struct closed_part) closed_parts;

static void closed_collect(struct chunk *chunk, uint32_t hidden, int64_t min_ms, int64_t max_ms,
                           closed_parts *out)
{
    for (; chunk != NULL && chunk_max_ms(chunk) >= min_ms; chunk = chunk->next) {
        uint32_t skip_last = 0;
        if (!chunk_kind_has_rows((enum chunk_kind)chunk->kind)) {
            skip_last = MIN(hidden, (uint32_t)chunk->count);
            hidden -= skip_last;
        }
        if (chunk_min_ms(chunk) <= max_ms)
            vec_push(out, (struct closed_part){chunk, skip_last});
    }
}

/* Says it to the reader and, where the file is not known to be damaged, to whoever minds the
 * database. */
static enum err chunk_is_damaged(struct head_view *view, const struct chunk *chunk,
                                 struct errbuf *err)
{
    struct tsdb *db = view->db;
    const struct head_file *file = chunk_file(chunk);
    struct errbuf place = ERRBUF_INIT;
    if (file != NULL)
        (void)errbuf_set(&place, ERR_CORRUPT, "%s/chunks.%08" PRIu64 ": the chunk at %u is damaged",
                         db->head_directory, file->number, chunk->offset);
    else
        (void)errbuf_set(&place, ERR_CORRUPT, "a chunk in memory is damaged");
    bool is_known = file != NULL && file->is_damaged;
    enum damage_news news = is_known ? DAMAGE_SAID : damage_book_note(&db->damages, place.text);
    if (news == DAMAGE_NEW)
        db->head_files.corruptions++;
    if (news != DAMAGE_SAID)
        log_error("A chunk of the head is damaged", log_err(&place));
    return errbuf_set(err, ERR_CORRUPT, "%s", place.text);
}

/* A closed chunk; what a damaged one gave up to the damage is taken back. */
static enum err read_closed(struct head_view *view, const struct closed_part *part, int64_t min_ms,
                            int64_t max_ms, struct sample_columns *out, struct errbuf *err)
{
    const struct chunk *chunk = part->chunk;
    size_t times = out->timestamp_memory.len;
    size_t values = out->value_memory.len;
    size_t histograms = out->histogram_memory.len;
    const struct head_file *file = chunk_file(chunk);
    struct chunk_span span = chunk_span(chunk, view->reader.watermark);
    bool damaged = file != NULL && head_file_is_damaged_at(file, chunk->offset, chunk->len);
    if (LIKELY(!damaged) &&
        LIKELY(chunk_read(&span, min_ms, max_ms, part->skip_last, out) == ERR_NONE))
        return ERR_NONE;
    enum err result = chunk_is_damaged(view, chunk, err);
    if (!view->leaves_out_damaged)
        return result;
    view->left_out++;
    out->timestamp_memory.len = times;
    out->value_memory.len = values;
    out->histogram_memory.len = histograms;
    return ERR_NONE;
}

static enum err read_chunks(struct head_view *view, struct series_snapshot *snapshot,
                            int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                            struct errbuf *err)
{
    uint32_t hidden = snapshot->hidden;
    uint32_t open_skip = 0;
    if (snapshot->has_open && snapshot->open.kind != CHUNK_ROWS) {
        open_skip = MIN(hidden, snapshot->open.count);
        hidden -= open_skip;
    }
    closed_parts parts = {0};
    closed_collect(snapshot->closed, hidden, min_ms, max_ms, &parts);
    enum err result = ERR_NONE;
    for (size_t i = parts.len; i > 0 && result == ERR_NONE; i--)
        result = read_closed(view, &parts.items[i - 1], min_ms, max_ms, out, err);
    vec_release(&parts);
    if (result != ERR_NONE || !snapshot->has_open)
        return result;
    result = chunk_read(&snapshot->open, min_ms, max_ms, open_skip, out);
    return result == ERR_NONE ? ERR_NONE : errbuf_set(err, result, "an open chunk is damaged");
}

/* The newest sample of all, where it is a float that the watermark lets be seen. */
static bool newest_sample(struct head *head, struct series *series, uint64_t watermark,
                          int64_t *out_ms, uint64_t *out_bits)
{
    struct sample_group *group;
    struct mutex *lock = group_lock_series(head, series, &group);
    bool known;
    if (group != NULL) {
        known = group_is_present(group, series->position) &&
                series->row_first < group->column->count &&
                time_column_visible(group->column, watermark) == group->column->count;
        *out_ms = group->last_ms;
        *out_bits = group->bits[series->position];
    } else {
        known = series->count > 0 && !(series->flags & SERIES_HISTOGRAM) &&
                series_hidden(series, watermark) == 0;
        *out_ms = series->last_ms;
        *out_bits = series->last_bits;
    }
    /* what came too late for the head may be newer than what the series had before */
    const struct out_of_order *late = series->extra == NULL ? NULL : series->extra->out_of_order;
    if (UNLIKELY(late != NULL) && late->samples.len > 0)
        known = known && late->samples.items[late->samples.len - 1].timestamp_ms <= *out_ms;
    mutex_unlock(lock);
    return known;
}

/* Answers without decoding when the newest sample lies in the range. */
static bool read_newest(struct head *head, struct series *series, uint64_t watermark,
                        int64_t min_ms, int64_t max_ms, struct sample_columns *out)
{
    int64_t time_ms;
    uint64_t bits;
    if (!newest_sample(head, series, watermark, &time_ms, &bits) || time_ms < min_ms ||
        time_ms > max_ms)
        return false;
    vec_push(&out->timestamp_memory, time_ms);
    vec_push(&out->value_memory, codec_bits_double(bits));
    sample_columns_publish(out);
    return true;
}

static struct tombstone_spans deleted_of(const struct head_view *view, const struct series *series)
{
    if (LIKELY(view->deleted == NULL))
        return (struct tombstone_spans){0};
    return tombstones_of(view->deleted, series->ref);
}

static struct out_of_order_sight view_sight(const struct head_view *view)
{
    return (struct out_of_order_sight){view->reader.watermark, view->deletion};
}

/* Takes out what is deleted of the samples in order; start times come later. */
static void columns_delete(struct sample_columns *columns, struct tombstone_spans deleted)
{
    sample_columns_publish(columns); /* all columns are of one length now */
    size_t kept = columns->kept, at = 0, count = columns->timestamp_memory.len;
    bool histograms = columns->histogram_memory.len > 0;
    for (size_t i = kept; i < count; i++) {
        int64_t time_ms = columns->timestamp_memory.items[i];
        if (tombstone_spans_find(deleted, &at, time_ms) != NULL)
            continue;
        columns->timestamp_memory.items[kept] = time_ms;
        columns->value_memory.items[kept] = columns->value_memory.items[i];
        if (histograms)
            columns->histogram_memory.items[kept] = columns->histogram_memory.items[i];
        kept++;
    }
    columns->timestamp_memory.len = columns->value_memory.len = kept;
    if (histograms)
        columns->histogram_memory.len = kept;
    columns->start_timestamp_memory.len = MIN(columns->start_timestamp_memory.len, columns->kept);
}

/* The sample before the first may be one that came late: then nothing is known of it. */
static void settle_hints(struct sample_columns *out, bool has_late)
{
    const struct histogram *const *histograms = out->histogram_memory.items + out->kept;
    if (has_late && histograms[0] != NULL)
        histogram_hint_forget((struct histogram *)(uintptr_t)histograms[0]); /* our own copy */
    histogram_hints_settle(histograms, out->histogram_memory.len - out->kept);
}

static enum err head_view_read(struct series_view *base, const struct series_entry *entry,
                               int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                               struct errbuf *err)
{
    struct head_view *view = (struct head_view *)base;
    struct head *head = &view->db->head;
    struct series *series = (struct series *)(uintptr_t)entry->handle;
    uint64_t watermark = view->reader.watermark;
    sample_columns_begin(out);
    /* samples that came out of order are here whatever their time */
    int64_t from_ms = MAX(min_ms, view->from_ms);
    struct tombstone_spans deleted = deleted_of(view, series);
    if (out->newest_only && deleted.count == 0 &&
        read_newest(head, series, watermark, from_ms, max_ms, out))
        return ERR_NONE;
    struct series_snapshot snapshot;
    snapshot_take(head, series, watermark, from_ms, max_ms, &snapshot);
    enum err result = ERR_NONE;
    if (view->which != HEAD_SAMPLES_LATE)
        result = read_chunks(view, &snapshot, from_ms, max_ms, out, err);
    if (UNLIKELY(deleted.count > 0) && result == ERR_NONE)
        columns_delete(out, deleted);
    if (view->which == HEAD_SAMPLES_IN_ORDER)
        snapshot.has_out_of_order = false;
    if (result == ERR_NONE && (snapshot.has_out_of_order || snapshot.has_starts)) {
        struct sample_group *group;
        struct mutex *lock = group_lock_series(head, series, &group);
        if (snapshot.has_out_of_order && series->extra->out_of_order != NULL)
            result = out_of_order_merge(series->extra->out_of_order, view_sight(view), min_ms,
                                        max_ms, out);
        if (series->extra->series_starts != NULL)
            series_starts_read(series->extra->series_starts, out);
        mutex_unlock(lock);
    }
    snapshot_release(&snapshot);
    if (result != ERR_NONE)
        return result;
    sample_columns_publish(out);
    if (out->histogram_memory.len > out->kept)
        settle_hints(out, snapshot.has_out_of_order);
    return ERR_NONE;
}

/* What a query asks of a series' chunks: to have something in the range that is not deleted. */
struct wanted_range {
    int64_t min_ms;
    int64_t max_ms;
    struct tombstone_spans deleted;
};

static bool is_wanted(const struct wanted_range *wanted, int64_t first_ms, int64_t last_ms)
{
    if (!ranges_overlap(first_ms, last_ms, wanted->min_ms, wanted->max_ms))
        return false;
    return wanted->deleted.count == 0 ||
           !tombstone_spans_cover(wanted->deleted, MAX(first_ms, wanted->min_ms),
                                  MIN(last_ms, wanted->max_ms));
}

/* Has it a chunk in the range? */
static bool series_overlaps(const struct head_view *view, struct series *series,
                            const struct wanted_range *wanted)
{
    struct sample_group *group;
    struct mutex *lock = group_lock_series(&view->db->head, series, &group);
    bool in_order = view->which != HEAD_SAMPLES_LATE;
    struct wanted_range recent = *wanted;
    recent.min_ms = MAX(wanted->min_ms, view->from_ms);
    int64_t first_ms, last_ms;
    bool overlaps = in_order && open_range(series, group, &first_ms, &last_ms) &&
                    is_wanted(&recent, first_ms, last_ms);
    struct chunk *closed = in_order ? series->closed : NULL;
    const struct out_of_order *late = series->extra == NULL ? NULL : series->extra->out_of_order;
    if (!overlaps && view->which != HEAD_SAMPLES_IN_ORDER && late != NULL)
        overlaps = out_of_order_overlaps(late, view_sight(view), wanted->min_ms, wanted->max_ms);
    mutex_unlock(lock);
    for (; !overlaps && closed != NULL && chunk_max_ms(closed) >= recent.min_ms;
         closed = closed->next)
        overlaps = is_wanted(&recent, chunk_min_ms(closed), chunk_max_ms(closed));
    return overlaps;
}

static int entry_compare(const void *a, const void *b)
{
    return labels_compare(((const struct series_entry *)a)->labels,
                          ((const struct series_entry *)b)->labels);
}

static enum err head_view_select(struct series_view *base, const struct series_query *query,
                                 struct series_list *out, struct errbuf *err)
{
    struct head_view *view = (struct head_view *)base;
    struct head *head = &view->db->head;
    ref_list refs = {0};
    select_refs(head, query->matchers, query->matcher_count, &refs);
    vec_reset(&out->entries);
    out->truncated = false;
    size_t more = refs.len - MIN(refs.len, (size_t)out->entries.cap);
    enum err result = memory_hold_take(query->memory, more * sizeof(*out->entries.items), err);
    if (result == ERR_NONE)
        vec_reserve(&out->entries, refs.len);
    for (size_t i = 0; i < refs.len && result == ERR_NONE; i++) {
        struct series *series = head_series(head, refs.items[i]);
        if (series == NULL)
            continue;
        struct wanted_range wanted = {query->min_ms, query->max_ms, deleted_of(view, series)};
        if (!series_overlaps(view, series, &wanted))
            continue;
        vec_push(&out->entries, (struct series_entry){series->labels, (uintptr_t)series});
    }
    vec_release(&refs);
    if (query->sorted && out->entries.len > 1)
        qsort(out->entries.items, out->entries.len, sizeof(*out->entries.items), entry_compare);
    if (query->limit > 0 && out->entries.len > query->limit) {
        out->entries.len = query->limit;
        out->truncated = true;
    }
    return result;
}

static int slice_compare(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static int symbol_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

typedef VEC(uint32_t) symbol_list;

/* Symbols, maybe with repetitions, as a sorted list of texts. */
static enum err texts_sort(symbol_list *symbols, const struct series_query *query,
                           struct arena *arena, struct text_list *out, struct errbuf *err)
{
    qsort(symbols->items, symbols->len, sizeof(*symbols->items), symbol_compare);
    size_t count = 0;
    for (size_t i = 0; i < symbols->len; i++) {
        if (i == 0 || symbols->items[i] != symbols->items[i - 1])
            symbols->items[count++] = symbols->items[i];
    }
    enum err result = memory_hold_take(query->memory, count * sizeof(*out->items), err);
    if (result != ERR_NONE)
        return result;
    out->items = arena_alloc_array(arena, count, sizeof(*out->items));
    for (size_t i = 0; i < count; i++)
        out->items[i] = symbols_text(symbols->items[i]);
    qsort(out->items, count, sizeof(*out->items), slice_compare);
    out->truncated = query->limit > 0 && count > query->limit;
    count = out->truncated ? query->limit : count;
    /* the view may close before the list is used */
    for (; out->count < count && result == ERR_NONE; out->count++) {
        struct slice text = out->items[out->count];
        result = memory_hold_take(query->memory, text.len + 16, err);
        if (result == ERR_NONE)
            out->items[out->count] = arena_slice(arena, text);
    }
    return result;
}

/* Is there nothing of that time in the head? */
static bool outside_head(const struct head_view *view, const struct series_query *query)
{
    const struct head *head = &view->db->head;
    int64_t min_ms = MAX((int64_t)head->min_ms, view->from_ms);
    return query->max_ms < MIN(min_ms, (int64_t)head->late_min_ms) || query->min_ms > head->max_ms;
}

static void symbols_from_index(struct head *head, uint32_t name, symbol_list *out)
{
    posting_values values = {0};
    if (name == SYMBOL_NONE)
        postings_names(&head->postings, &values);
    else
        postings_values(&head->postings, name, &values);
    for (size_t i = 0; i < values.len; i++)
        vec_push(out, values.items[i].symbol);
    vec_release(&values);
}

/* The values of `name`, or with SYMBOL_NONE the names, of the series that match. */
static void symbols_from_series(struct head *head, uint32_t name, const struct series_query *query,
                                symbol_list *out)
{
    ref_list refs = {0};
    select_refs(head, query->matchers, query->matcher_count, &refs);
    uint32_t last = SYMBOL_EMPTY;
    for (size_t i = 0; i < refs.len; i++) {
        struct series *series = head_series(head, refs.items[i]);
        if (series == NULL)
            continue;
        if (name != SYMBOL_NONE) {
            uint32_t value = labels_value(series->labels, name);
            if (value != SYMBOL_EMPTY && value != last)
                vec_push(out, value);
            last = value;
            continue;
        }
        for (uint32_t k = 0; k < series->labels->count; k++)
            vec_push(out, series->labels->pairs[k].name);
    }
    vec_release(&refs);
}

static enum err list_texts(struct head_view *view, uint32_t name, const struct series_query *query,
                           struct arena *arena, struct text_list *out, struct errbuf *err)
{
    struct head *head = &view->db->head;
    *out = (struct text_list){0};
    symbol_list symbols = {0};
    if (!outside_head(view, query)) {
        if (query->matcher_count == 0)
            symbols_from_index(head, name, &symbols);
        else
            symbols_from_series(head, name, query, &symbols);
    }
    enum err result = ERR_NONE;
    if (symbols.len > 0)
        result = texts_sort(&symbols, query, arena, out, err);
    vec_release(&symbols);
    return result;
}

static enum err head_view_label_names(struct series_view *base, const struct series_query *query,
                                      struct arena *arena, struct text_list *out,
                                      struct errbuf *err)
{
    return list_texts((struct head_view *)base, SYMBOL_NONE, query, arena, out, err);
}

static enum err head_view_label_values(struct series_view *base, struct slice name,
                                       const struct series_query *query, struct arena *arena,
                                       struct text_list *out, struct errbuf *err)
{
    uint32_t symbol = symbols_find(name);
    enum err result = ERR_NONE;
    *out = (struct text_list){0};
    if (symbol != SYMBOL_NONE && symbol != SYMBOL_EMPTY)
        result = list_texts((struct head_view *)base, symbol, query, arena, out, err);
    symbols_unref(symbol);
    return result;
}

static void head_view_close(struct series_view *base)
{
    struct head_view *view = (struct head_view *)base;
    isolation_close_view(&view->db->head.isolation, &view->reader);
    mem_free(view);
}

static const struct series_view_operations head_view_operations = {
    .appends = true,
    .select = head_view_select,
    .read = head_view_read,
    .label_names = head_view_label_names,
    .label_values = head_view_label_values,
    .close = head_view_close,
};

struct series_view *head_view_open(struct tsdb *db, enum head_samples which)
{
    struct head_view *view = mem_zalloc(sizeof(*view));
    view->view.operations = &head_view_operations;
    view->db = db;
    view->from_ms = INT64_MIN;
    view->which = which;
    isolation_open_view(&db->head.isolation, &view->reader);
    view->deletion = db->head.deletion;
    view->deleted = db->head.deleted;
    return &view->view;
}

struct series_view *head_view_open_beside(struct series_view *view, enum head_samples which)
{
    struct head_view *beside = (struct head_view *)view;
    struct series_view *opened = head_view_open(beside->db, which);
    ((struct head_view *)opened)->reader.watermark = beside->reader.watermark;
    ((struct head_view *)opened)->deletion = beside->deletion;
    ((struct head_view *)opened)->from_ms = beside->from_ms;
    return opened;
}

void head_view_restrict(struct series_view *view, enum head_samples which)
{
    ((struct head_view *)view)->which = which;
}

void head_view_begin_at(struct series_view *view, int64_t from_ms)
{
    ((struct head_view *)view)->from_ms = from_ms;
}

void head_view_leave_out_damaged(struct series_view *view)
{
    ((struct head_view *)view)->leaves_out_damaged = true;
}

uint64_t head_view_left_out(const struct series_view *view)
{
    return ((const struct head_view *)view)->left_out;
}

uint64_t head_view_watermark(const struct series_view *view)
{
    return ((const struct head_view *)view)->reader.watermark;
}
