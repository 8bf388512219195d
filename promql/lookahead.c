#include "promql/lookahead.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/queue.h"

/* Rows of a batch have so many cells together: little enough for a cache, enough to be worth a
 * lock. */
#define BATCH_CELLS 8192
#define BATCH_ROWS_MAX 256
/* Batches of the ring, for each thread. */
#define BATCHES_PER_THREAD 3
/* Histograms make rows of any size: batches above this get smaller from one to the next. */
#define BATCH_MADE_BYTES ((uint64_t)1 << 20)
/* A row of so many more steps is as much work as one more row: decoding costs about as much as
 * these. */
#define STEPS_AS_A_ROW 64
/* The part of a query's memory that may be in flight. */
#define MEMORY_PART 16

enum batch_state {
    BATCH_FREE,
    BATCH_COMPUTING,
    BATCH_DONE,
};

struct batch {
    /* guarded by the lock: */
    enum batch_state state;
    /* of whoever computes, then of the reader: */
    size_t first; /* in the list */
    size_t count;
    struct ahead_row *rows;
    size_t row_count;
    uint64_t samples_skipped; /* of series without a row */
    struct arena made;
    enum err error; /* behind the rows */
    struct errbuf err;
};

/* `memory` is the lane of the operator's kind. */
struct lane {
    struct evaluation fork;
    struct arena fork_result; /* stays empty: answers are made by the reader */
    struct errbuf err;
    void *memory;
};

struct lookahead {
    /* immutable from begin to end: */
    struct operator* op;
    const struct lookahead_methods *methods;
    struct helpers *helpers;
    const struct series_entry *entries;
    size_t entry_count;
    size_t thread_count;
    size_t batch_count;
    struct batch *batches; /* ring */
    struct lane *lanes;    /* [0] is the reader's */
    atomic_bool closing;   /* nobody needs the rest */

    /* owned by the reader: */
    bool is_on;
    size_t row_room; /* rows and steps that the ring has room for */
    size_t step_room;
    bool is_reading; /* the batch `taken` is done and at row `at` */
    size_t at;

    struct condition changed;
    /* guarded by the lock of the helpers: */
    size_t entry_next; /* the first that nobody has claimed */
    size_t claimed;    /* batches so far */
    size_t taken;      /* of these, read to the end */
    size_t rows_a_batch;
    uint64_t made_bytes; /* by batches that are done */
    bool failed;         /* no use to go beyond */
    size_t helper_count; /* called or at work */
    uint64_t lanes_free; /* a bit each */
};

#define THREADS_MAX 64

static struct batch *batch_at(struct lookahead *lookahead, size_t number)
{
    return &lookahead->batches[number % lookahead->batch_count];
}

/* --- computing, on any thread --- */

static void batch_fail(struct batch *batch, struct lane *lane)
{
    ASSERT(lane->fork.error != ERR_NONE);
    batch->error = lane->fork.error;
    batch->err = lane->err;
    lane->fork.error = ERR_NONE;
}

static void batch_compute(struct lookahead *lookahead, struct batch *batch, struct lane *lane)
{
    arena_reset(&batch->made);
    batch->row_count = 0;
    batch->samples_skipped = 0;
    batch->error = ERR_NONE;
    for (size_t i = 0; i < batch->count; i++) {
        if (atomic_load_explicit(&lookahead->closing, memory_order_relaxed))
            return;
        struct ahead_row *row = &batch->rows[batch->row_count];
        row->failed = false;
        row->samples = 0;
        row->totals = row->reads = NULL;
        switch (lookahead->methods->compute(lane->memory, &lookahead->entries[batch->first + i],
                                            &batch->made, row)) {
        case AHEAD_NOTHING:
            batch->samples_skipped += row->samples + 1;
            break;
        case AHEAD_ROW:
            batch->row_count++;
            break;
        case AHEAD_FAILED_LATE:
            batch->row_count++;
            row->failed = true;
            batch_fail(batch, lane);
            return;
        case AHEAD_FAILED:
            batch_fail(batch, lane);
            return;
        }
    }
}

/* NULL when all is claimed, or enough in flight. */
static struct batch *lookahead_claim_locked(struct lookahead *lookahead)
{
    size_t in_flight = lookahead->claimed - lookahead->taken;
    if (lookahead->failed || lookahead->entry_next == lookahead->entry_count ||
        in_flight == lookahead->batch_count ||
        atomic_load_explicit(&lookahead->closing, memory_order_relaxed))
        return NULL;
    if (in_flight > 0 && lookahead->made_bytes > lookahead->op->ev->bytes_max / MEMORY_PART)
        return NULL;
    struct batch *batch = batch_at(lookahead, lookahead->claimed++);
    ASSERT(batch->state == BATCH_FREE);
    batch->state = BATCH_COMPUTING;
    batch->first = lookahead->entry_next;
    batch->count = MIN(lookahead->rows_a_batch, lookahead->entry_count - batch->first);
    lookahead->entry_next += batch->count;
    return batch;
}

/* Gives up the lock in between. */
static void lookahead_compute_locked(struct lookahead *lookahead, struct batch *batch,
                                     struct lane *lane)
{
    mutex_unlock(&lookahead->helpers->lock);
    batch_compute(lookahead, batch, lane);
    mutex_lock(&lookahead->helpers->lock);
    batch->state = BATCH_DONE;
    lookahead->failed = lookahead->failed || batch->error != ERR_NONE;
    lookahead->made_bytes += batch->made.used;
    if (batch->made.used > BATCH_MADE_BYTES)
        lookahead->rows_a_batch = MAX(lookahead->rows_a_batch / 2, (size_t)1);
}

/* A helper's task: batch after batch, until there is none to claim or a query waits for a turn. */
static void lookahead_help(void *context)
{
    struct lookahead *lookahead = context;
    struct helpers *helpers = lookahead->helpers;
    mutex_lock(&helpers->lock);
    ASSERT(lookahead->lanes_free != 0);
    size_t number = (size_t)__builtin_ctzll(lookahead->lanes_free);
    lookahead->lanes_free &= ~(UINT64_C(1) << number);
    struct batch *batch;
    while ((batch = lookahead_claim_locked(lookahead)) != NULL) {
        lookahead_compute_locked(lookahead, batch, &lookahead->lanes[number]);
        condition_signal(&lookahead->changed);
        if (turns_are_wanted(helpers->turns))
            break;
    }
    lookahead->lanes_free |= UINT64_C(1) << number;
    lookahead->helper_count--;
    condition_signal(&lookahead->changed);
    /* the lookahead may be gone as soon as the lock is free */
    mutex_unlock(&helpers->lock);
    turns_return_spare(helpers->turns);
}

/* Helpers come when there is some work for them, so that they do not come and go with every batch.
 */
static void lookahead_call_helpers_locked(struct lookahead *lookahead)
{
    struct helpers *helpers = lookahead->helpers;
    size_t unclaimed = lookahead->entry_count - lookahead->entry_next;
    size_t room = lookahead->batch_count - (lookahead->claimed - lookahead->taken);
    if (unclaimed == 0 || lookahead->failed || room <= lookahead->batch_count / 2)
        return;
    size_t wanted = MIN(room, unclaimed / lookahead->rows_a_batch);
    wanted = MIN(wanted, lookahead->thread_count - 1);
    while (lookahead->helper_count < wanted && turns_take_spare(helpers->turns)) {
        lookahead->helper_count++;
        if (worker_pool_submit(helpers->pool, lookahead_help, lookahead))
            continue;
        lookahead->helper_count--;
        turns_return_spare(helpers->turns);
        return;
    }
}

/* --- beginning and end --- */

static size_t batch_rows(const struct lookahead *lookahead)
{
    size_t rows = BATCH_CELLS / lookahead->op->steps.count;
    rows = MIN(rows, lookahead->entry_count / (lookahead->thread_count * 4));
    return MAX(MIN(rows, (size_t)BATCH_ROWS_MAX), (size_t)1);
}

static uint64_t ring_bytes(const struct lookahead *lookahead)
{
    uint64_t row_bytes = sizeof(struct ahead_row) + lookahead->op->steps.count * sizeof(double) +
                         promql_bitmap_words(lookahead->op->steps.count) * sizeof(uint64_t);
    return lookahead->batch_count * lookahead->rows_a_batch * row_bytes;
}

static bool lookahead_reserve_ring(struct lookahead *lookahead)
{
    struct evaluation *ev = lookahead->op->ev;
    size_t rows = lookahead->rows_a_batch, steps = lookahead->op->steps.count;
    if (rows <= lookahead->row_room && steps <= lookahead->step_room)
        return true;
    for (size_t i = 0; i < lookahead->batch_count; i++) {
        struct batch *batch = &lookahead->batches[i];
        batch->rows = evaluation_alloc(ev, rows, sizeof(*batch->rows));
        for (size_t k = 0; k < rows && ev->error == ERR_NONE; k++)
            (void)evaluation_row(ev, steps, &batch->rows[k].row);
    }
    lookahead->row_room = rows;
    lookahead->step_room = steps;
    return ev->error == ERR_NONE;
}

static void lane_init(struct lane *lane, struct lookahead *lookahead)
{
    struct evaluation *ev = lookahead->op->ev;
    evaluation_fork(&lane->fork, ev, &lane->fork_result, &lane->err);
    lane->memory = arena_zalloc(&ev->scratch, lookahead->methods->lane_size);
    lookahead->methods->lane_init(lane->memory, lookahead->op, &lane->fork);
}

static struct lookahead *lookahead_new(struct operator* op, const struct lookahead_methods *methods)
{
    struct arena *arena = &op->ev->scratch;
    struct lookahead *lookahead = arena_zalloc(arena, sizeof(*lookahead));
    lookahead->op = op;
    lookahead->methods = methods;
    lookahead->helpers = op->ev->helpers;
    lookahead->thread_count = MIN(lookahead->helpers->threads, (size_t)THREADS_MAX);
    ASSERT(lookahead->thread_count > 1);
    lookahead->batch_count = lookahead->thread_count * BATCHES_PER_THREAD;
    lookahead->batches =
        arena_zalloc_array(arena, lookahead->batch_count, sizeof(*lookahead->batches));
    for (size_t i = 0; i < lookahead->batch_count; i++)
        arena_init(&lookahead->batches[i].made, SIZE_MAX);
    lookahead->lanes =
        arena_zalloc_array(arena, lookahead->thread_count, sizeof(*lookahead->lanes));
    for (size_t i = 0; i < lookahead->thread_count; i++)
        lane_init(&lookahead->lanes[i], lookahead);
    condition_init(&lookahead->changed);
    return lookahead;
}

static void lookahead_rewind(struct lookahead *lookahead)
{
    lookahead->is_reading = false;
    lookahead->entry_next = lookahead->claimed = lookahead->taken = 0;
    lookahead->made_bytes = 0;
    lookahead->failed = false;
    lookahead->lanes_free = ~UINT64_C(1); /* of more lanes than there are helpers, none is taken */
    atomic_store_explicit(&lookahead->closing, false, memory_order_relaxed);
    for (size_t i = 0; i < lookahead->batch_count; i++)
        lookahead->batches[i].state = BATCH_FREE;
}

/* Is the work worth the hand-over? */
static bool is_worth_it(const struct helpers *helpers, size_t series, size_t steps)
{
    return series > 1 && series >= helpers->series_min / (1 + steps / STEPS_AS_A_ROW);
}

bool lookahead_begin(struct lookahead **at, struct operator* op,
                     const struct lookahead_methods *methods, const struct series_list *list)
{
    struct evaluation *ev = op->ev;
    lookahead_end(*at);
    if (ev->helpers == NULL || !is_worth_it(ev->helpers, list->entries.len, op->steps.count))
        return true;
    if (*at == NULL)
        *at = lookahead_new(op, methods);
    struct lookahead *lookahead = *at;
    lookahead->entries = list->entries.items;
    lookahead->entry_count = list->entries.len;
    lookahead->rows_a_batch = batch_rows(lookahead);
    if (ring_bytes(lookahead) > ev->bytes_max / MEMORY_PART)
        return true;
    lookahead_rewind(lookahead);
    if (!lookahead_reserve_ring(lookahead))
        return false;
    for (size_t i = 0; i < lookahead->thread_count; i++) {
        if (!methods->lane_start(lookahead->lanes[i].memory))
            return false;
    }
    lookahead->is_on = true;
    return true;
}

bool lookahead_is_on(const struct lookahead *lookahead)
{
    return lookahead != NULL && lookahead->is_on;
}

void lookahead_end(struct lookahead *lookahead)
{
    if (lookahead == NULL || !lookahead->is_on)
        return;
    atomic_store_explicit(&lookahead->closing, true, memory_order_relaxed);
    mutex_lock(&lookahead->helpers->lock);
    while (lookahead->helper_count > 0)
        condition_wait(&lookahead->changed, &lookahead->helpers->lock);
    mutex_unlock(&lookahead->helpers->lock);
    lookahead->is_on = false;
}

void lookahead_release(struct lookahead *lookahead)
{
    if (lookahead == NULL)
        return;
    lookahead_end(lookahead);
    for (size_t i = 0; i < lookahead->batch_count; i++)
        arena_release(&lookahead->batches[i].made);
    for (size_t i = 0; i < lookahead->thread_count; i++) {
        lookahead->methods->lane_release(lookahead->lanes[i].memory);
        arena_release(&lookahead->lanes[i].fork.scratch);
        arena_release(&lookahead->lanes[i].fork_result);
    }
    condition_release(&lookahead->changed);
}

/* --- reading --- */

/* The reader goes on to the next batch: one that is done, or that it computes itself, or the one
 * that a helper is at. While a helper is, it does a later one. false at the end. */
static bool lookahead_open_locked(struct lookahead *lookahead)
{
    for (;;) {
        lookahead_call_helpers_locked(lookahead);
        if (lookahead->taken < lookahead->claimed &&
            batch_at(lookahead, lookahead->taken)->state == BATCH_DONE)
            return true;
        struct batch *batch = lookahead_claim_locked(lookahead);
        if (batch != NULL)
            lookahead_compute_locked(lookahead, batch, &lookahead->lanes[0]);
        else if (lookahead->taken == lookahead->claimed)
            return false;
        else
            condition_wait(&lookahead->changed, &lookahead->helpers->lock);
    }
}

static bool lookahead_open(struct lookahead *lookahead)
{
    struct evaluation *ev = lookahead->op->ev;
    mutex_lock(&lookahead->helpers->lock);
    lookahead->is_reading = lookahead_open_locked(lookahead);
    uint64_t made_bytes = lookahead->made_bytes;
    mutex_unlock(&lookahead->helpers->lock);
    lookahead->at = 0;
    return lookahead->is_reading && evaluation_room(ev, made_bytes) && evaluation_check_now(ev);
}

static void lookahead_leave(struct lookahead *lookahead, struct batch *batch)
{
    MUTEX_GUARD(&lookahead->helpers->lock);
    batch->state = BATCH_FREE;
    lookahead->made_bytes -= batch->made.used;
    lookahead->taken++;
    lookahead->is_reading = false;
}

bool lookahead_fail(struct lookahead *lookahead)
{
    struct evaluation *ev = lookahead->op->ev;
    const struct batch *batch = batch_at(lookahead, lookahead->taken);
    ASSERT(lookahead->is_reading && batch->error != ERR_NONE);
    if (ev->error == ERR_NONE)
        *ev->err = batch->err;
    return evaluation_failed(ev, batch->error);
}

bool lookahead_next(struct lookahead *lookahead, struct ahead_row *out)
{
    ASSERT(lookahead->is_on);
    struct evaluation *ev = lookahead->op->ev;
    for (;;) {
        if (!lookahead->is_reading && !lookahead_open(lookahead))
            return false;
        /* nobody but the reader frees it */
        struct batch *batch = batch_at(lookahead, lookahead->taken);
        if (lookahead->at < batch->row_count) {
            *out = batch->rows[lookahead->at++];
            return evaluation_check(ev, out->samples + 1);
        }
        if (batch->error != ERR_NONE)
            return lookahead_fail(lookahead);
        if (!evaluation_check(ev, batch->samples_skipped))
            return false;
        lookahead_leave(lookahead, batch);
    }
}
