/*
 * The engine: who may run when, for how long and with how much. A query waits at the gate until
 * fewer than the maximum run, and for its turn (turns.h), is evaluated on the thread of its caller,
 * and leaves its figures behind.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutex.h"
#include "base/queue.h"
#include "model/symbols.h"
#include "promql/answer.h"
#include "promql/deep_call.h"
#include "promql/engine_metrics.h"
#include "promql/lookahead.h"
#include "promql/operator.h"
#include "promql/plan.h"
#include "promql/promql.h"
#include "promql/turns.h"

#define DEFAULT_TIMEOUT_MS (2 * 60 * 1000)
#define DEFAULT_SAMPLES_MAX 50000000
#define DEFAULT_CONCURRENCY_MAX 20
#define DEFAULT_LOOKBACK_MS (5 * 60 * 1000)
#define DEFAULT_SUBQUERY_STEP_MS (60 * 1000)
#define DEFAULT_QUERY_BYTES_MAX ((uint64_t)1 << 30)
#define DEFAULT_THREADS_SERIES_MIN 1024
/* Calls for help of all queries; each is answered at once, as there are no more than threads. */
#define HELP_CALLS_MAX 1024
#define NS_PER_MS INT64_C(1000000)
/* How long a query in the queue may be canceled without noticing. */
#define GATE_LOOK_NS (50 * NS_PER_MS)
/* A step at least this long keeps step counts within what memory limits can refuse. */
#define STEPS_MAX ((int64_t)1 << 31)

struct promql_engine {
    /* immutable: */
    struct promql_engine_options options;
    struct engine_metrics metrics;
    _Atomic int64_t subquery_step_ms;
    struct turns turns;
    struct helpers helpers; /* without a pool where queries have one thread */
    struct mutex lock;
    struct condition leave;
    /* guarded by lock: */
    size_t running;
};

/* Keeps the label sets of a result alive. */
struct result_keep {
    struct series_view *view;
    VEC(uint32_t) symbols;
    struct memory_budget *memory;
    uint64_t bytes_taken; /* of it */
    struct memory_hold selected;
};

/* One processor is the query's own. */
static void engine_make_helpers(struct promql_engine *engine)
{
    const struct promql_engine_options *options = &engine->options;
    size_t helpers_max = engine->turns.count_max - 1;
    if (options->threads <= 1 || helpers_max == 0)
        return;
    engine->helpers = (struct helpers){
        .pool = worker_pool_new("query", helpers_max, HELP_CALLS_MAX),
        .turns = &engine->turns,
        .threads = options->threads,
        .series_min = options->threads_series_min == 0 ? DEFAULT_THREADS_SERIES_MIN
                                                       : options->threads_series_min,
    };
    mutex_init(&engine->helpers.lock, LOCK_RANK_PROMQL_LOOKAHEAD);
}

struct promql_engine *promql_engine_new(const struct promql_engine_options *options)
{
    struct promql_engine *engine = mem_zalloc(sizeof(*engine));
    struct promql_engine_options *o = &engine->options;
    *o = *options;
    if (o->clock == NULL)
        o->clock = clock_system;
    if (o->timeout_ms == 0)
        o->timeout_ms = DEFAULT_TIMEOUT_MS;
    if (o->samples_max == 0)
        o->samples_max = DEFAULT_SAMPLES_MAX;
    if (o->concurrency_max == 0)
        o->concurrency_max = DEFAULT_CONCURRENCY_MAX;
    if (o->lookback_delta_ms == 0)
        o->lookback_delta_ms = DEFAULT_LOOKBACK_MS;
    if (o->default_subquery_step_ms == 0)
        o->default_subquery_step_ms = DEFAULT_SUBQUERY_STEP_MS;
    if (o->query_bytes_max == 0)
        o->query_bytes_max = DEFAULT_QUERY_BYTES_MAX;
    atomic_init(&engine->subquery_step_ms, o->default_subquery_step_ms);
    turns_init(&engine->turns, o->turns_max);
    engine_make_helpers(engine);
    mutex_init(&engine->lock, LOCK_RANK_PROMQL_GATE);
    condition_init(&engine->leave);
    engine_metrics_init(&engine->metrics, o->concurrency_max);
    return engine;
}

void promql_engine_free(struct promql_engine *engine)
{
    if (engine == NULL)
        return;
    ASSERT(engine->running == 0);
    if (engine->helpers.pool != NULL) {
        worker_pool_free(engine->helpers.pool);
        mutex_release(&engine->helpers.lock);
    }
    condition_release(&engine->leave);
    mutex_release(&engine->lock);
    turns_release(&engine->turns);
    mem_free(engine);
}

void promql_engine_set_subquery_step(struct promql_engine *engine, int64_t step_ms)
{
    ASSERT(step_ms > 0);
    atomic_store_explicit(&engine->subquery_step_ms, step_ms, memory_order_relaxed);
}

/* Waits for a place among those that run. The flag of cancellation wakes nobody, so it is looked at
 * now and then. */
static enum err engine_enter(struct promql_engine *engine, const struct promql_query *query,
                             int64_t deadline_ns, struct errbuf *err)
{
    MUTEX_GUARD(&engine->lock);
    while (engine->running >= engine->options.concurrency_max) {
        int64_t now_ns = clock_monotonic_ns(engine->options.clock);
        if (now_ns >= deadline_ns)
            return errbuf_set(err, ERR_TIMEOUT, "query timed out in query queue");
        if (query->canceled != NULL && atomic_load(query->canceled))
            return errbuf_set(err, ERR_CANCELED, "query was canceled in query queue");
        int64_t wake_ns = MIN(deadline_ns, now_ns + GATE_LOOK_NS);
        (void)condition_wait_until(&engine->leave, &engine->lock, wake_ns);
    }
    engine->running++;
    return ERR_NONE;
}

static void engine_leave(struct promql_engine *engine)
{
    MUTEX_GUARD(&engine->lock);
    ASSERT(engine->running > 0);
    engine->running--;
    condition_signal(&engine->leave);
}

static void result_keep_free(void *keep_pointer)
{
    struct result_keep *keep = keep_pointer;
    if (keep == NULL)
        return;
    for (size_t i = 0; i < keep->symbols.len; i++)
        symbols_unref(keep->symbols.items[i]);
    vec_release(&keep->symbols);
    series_view_close(keep->view);
    memory_budget_give(keep->memory, MEMORY_QUERIES, keep->bytes_taken);
    memory_hold_release(&keep->selected);
    mem_free(keep);
}

/* Names that only exist where a series has them. */
static uint32_t reserved_symbol(struct evaluation *ev, const char *name)
{
    uint32_t symbol = symbols_find(slice_str(name));
    if (symbol != SYMBOL_NONE)
        vec_push(&ev->symbols, symbol);
    return symbol;
}

static void evaluation_init(struct evaluation *ev, struct promql_engine *engine,
                            const struct promql_query *query, struct promql_result *result,
                            struct turn *turn, struct errbuf *err)
{
    const struct promql_engine_options *options = &engine->options;
    *ev = (struct evaluation){
        .query = query,
        .turn = turn,
        .helpers = engine->helpers.pool == NULL ? NULL : &engine->helpers,
        .text = query->expression->text,
        .has_step_statistics =
            query->statistics_by_step && (options->features & PROMQL_PER_STEP_STATS) != 0,
        .delayed_name_removal = (options->features & PROMQL_DELAYED_NAME_REMOVAL) != 0,
        .start_timestamps = (options->features & PROMQL_START_TIMESTAMPS) != 0,
        .type_labels = (options->features & PROMQL_TYPE_AND_UNIT_LABELS) != 0,
        .lookback_ms =
            query->lookback_delta_ms > 0 ? query->lookback_delta_ms : options->lookback_delta_ms,
        .default_subquery_step_ms =
            atomic_load_explicit(&engine->subquery_step_ms, memory_order_relaxed),
        .clock = options->clock,
        .deadline_ns = turn->deadline_ns,
        .samples_max = options->samples_max,
        .bytes_max = options->query_bytes_max,
        .bytes_granted = MIN(options->query_bytes_max, (uint64_t)EVALUATION_BYTES_FREE),
        .memory = options->memory,
        .reserved = {.name = labels_name_symbol()},
        .result = &result->arena,
        .err = err,
    };
    ev->reserved.type = reserved_symbol(ev, "__type__");
    ev->reserved.unit = reserved_symbol(ev, "__unit__");
    memory_hold_init(&ev->selected, options->memory, MEMORY_QUERIES);
    arena_init(&ev->scratch, SIZE_MAX);
    annotations_init(&ev->annotations);
}

/* What was interned goes over to the result. */
static void evaluation_release(struct evaluation *ev, struct promql_result *result)
{
    struct result_keep *keep = mem_zalloc(sizeof(*keep));
    keep->view = ev->view;
    keep->symbols.items = ev->symbols.items;
    keep->symbols.len = ev->symbols.len;
    keep->symbols.cap = ev->symbols.cap;
    keep->memory = ev->memory;
    keep->bytes_taken = ev->bytes_taken;
    keep->selected = ev->selected;
    result->keep = keep;
    result->keep_free = result_keep_free;
    operators_release(ev);
    annotations_release(&ev->annotations);
    vec_release(&ev->pairs);
    vec_release(&ev->outlined);
    arena_release(&ev->scratch);
}

static bool evaluation_open_view(struct evaluation *ev)
{
    int64_t min_ms, max_ms;
    if (!plan_time_range(ev, ev->query->expression->root, &min_ms, &max_ms))
        return ev->error == ERR_NONE;
    enum err code = series_source_open(ev->query->source, min_ms, max_ms, &ev->view, ev->err);
    return code == ERR_NONE || evaluation_failed(ev, code);
}

/* The sums of all operators, and step by step where that was asked for. */
static void evaluation_count(struct evaluation *ev)
{
    struct promql_statistics *statistics = &ev->statistics;
    sample_counts_finish(&ev->counts);
    const struct sample_sheet *sheet = ev->counts.query;
    statistics->samples_total = sheet->total;
    statistics->samples_read = sheet->read;
    if (!ev->counts.by_step || ev->error != ERR_NONE)
        return;
    size_t count = sheet->steps.count;
    uint64_t *columns = arena_alloc_array(ev->result, 2 * count, sizeof(*columns));
    memcpy(columns, sheet->total_by_step, count * sizeof(*columns));
    memcpy(columns + count, sheet->read_by_step, count * sizeof(*columns));
    statistics->total_by_step = columns;
    statistics->read_by_step = columns + count;
}

/* What storage says comes first: of many, an answer shows the first. */
static void evaluation_annotate(struct evaluation *ev, struct promql_result *result)
{
    struct text_list left_out = {0};
    size_t count;
    struct promql_annotation *own =
        annotations_take(&ev->annotations, ev->text, ev->result, &count);
    if (ev->view != NULL)
        series_view_warnings(ev->view, ev->result, &left_out);
    result->annotations = own;
    result->annotation_count = left_out.count + count;
    if (left_out.count == 0)
        return;
    result->annotations =
        arena_alloc_array(ev->result, result->annotation_count, sizeof(*result->annotations));
    for (size_t i = 0; i < left_out.count; i++)
        result->annotations[i] =
            (struct promql_annotation){PROMQL_STORAGE_WARNING, left_out.items[i]};
    if (count > 0)
        memcpy(result->annotations + left_out.count, own, count * sizeof(*own));
}

static enum err evaluation_run(struct evaluation *ev, struct promql_result *result)
{
    int64_t start_ns = clock_monotonic_ns(ev->clock);
    if (!evaluation_check_now(ev) ||
        !sample_counts_init(&ev->counts, ev, &result->steps, ev->has_step_statistics) ||
        !evaluation_open_view(ev))
        return ev->error;
    ev->statistics.prepare_ns = clock_monotonic_ns(ev->clock) - start_ns;
    bool good = answer_make(ev, ev->query->expression->root, result);
    ASSERT(good == (ev->error == ERR_NONE));
    ev->statistics.evaluate_ns = clock_monotonic_ns(ev->clock) - start_ns -
                                 ev->statistics.prepare_ns - ev->statistics.sort_ns;
    if (!good)
        return ev->error;
    evaluation_annotate(ev, result);
    return ERR_NONE;
}

/* The number of steps, 0 when the query makes no sense. */
static enum err query_steps(const struct promql_query *query, struct promql_steps *out,
                            struct errbuf *err)
{
    if (query->step_ms == 0) {
        *out = (struct promql_steps){query->start_ms, 0, 1};
        return ERR_NONE;
    }
    if (query->step_ms < 0 || query->end_ms < query->start_ms)
        return errbuf_set(err, ERR_INVALID,
                          "a range query needs a positive step and an end that "
                          "is not before its start");
    enum promql_type type = promql_expression_type(query->expression);
    if (type != PROMQL_VECTOR && type != PROMQL_SCALAR)
        return errbuf_set(err, ERR_INVALID,
                          "invalid expression type \"%s\" for range query, must be Scalar or "
                          "instant Vector",
                          promql_type_documented_name(type));
    int64_t count = (query->end_ms - query->start_ms) / query->step_ms + 1;
    if (count > STEPS_MAX)
        return errbuf_set(err, ERR_LIMIT, "the range has too many steps");
    *out = (struct promql_steps){query->start_ms, query->step_ms, (size_t)count};
    return ERR_NONE;
}

struct engine_evaluation {
    struct evaluation *ev;
    struct promql_result *result;
    enum err code;
};

static void engine_evaluate(void *context)
{
    struct engine_evaluation *whole = context;
    whole->code = evaluation_run(whole->ev, whole->result);
}

static enum err engine_run(struct promql_engine *engine, const struct promql_query *query,
                           const struct promql_steps *steps, struct turn *turn, int64_t queue_ns,
                           struct promql_result **out, struct errbuf *err)
{
    struct promql_result *result = mem_zalloc(sizeof(*result));
    arena_init(&result->arena, SIZE_MAX);
    result->is_range_query = query->step_ms > 0;
    result->steps = *steps;
    struct errbuf local = ERRBUF_INIT;
    struct evaluation ev;
    evaluation_init(&ev, engine, query, result, turn, err == NULL ? &local : err);
    struct engine_evaluation whole = {&ev, result, ERR_LIMIT};
    if (!deep_call(query->expression->root, engine_evaluate, &whole))
        evaluation_fail(&ev, ERR_LIMIT, "no memory for an expression of %u levels",
                        query->expression->root->height);
    enum err code = whole.code;
    ev.statistics.queue_ns = queue_ns;
    if (ev.counts.query != NULL)
        evaluation_count(&ev);
    result->statistics = ev.statistics;
    evaluation_release(&ev, result);
    engine_metrics_observe(&engine->metrics, &result->statistics);
    if (code != ERR_NONE) {
        promql_result_free(result);
        return code;
    }
    *out = result;
    return ERR_NONE;
}

enum err promql_evaluate(struct promql_engine *engine, const struct promql_query *query,
                         struct promql_result **out, struct errbuf *err)
{
    ASSERT(query->expression != NULL);
    struct promql_steps steps;
    enum err code = query_steps(query, &steps, err);
    if (code != ERR_NONE)
        return code;
    const struct promql_engine_options *options = &engine->options;
    int64_t timeout_ms = options->timeout_ms;
    if (query->timeout_ms > 0 && query->timeout_ms < timeout_ms)
        timeout_ms = query->timeout_ms;
    int64_t start_ns = clock_monotonic_ns(options->clock);
    int64_t deadline_ns = start_ns + timeout_ms * NS_PER_MS;
    engine_metrics_begin(&engine->metrics);
    code = engine_enter(engine, query, deadline_ns, err);
    if (code == ERR_NONE) {
        struct turn turn;
        turn_begin(&turn, &engine->turns, deadline_ns, query->canceled);
        int64_t queue_ns = clock_monotonic_ns(options->clock) - start_ns;
        code = engine_run(engine, query, &steps, &turn, queue_ns, out, err);
        turn_end(&turn);
        engine_leave(engine);
    }
    engine_metrics_end(&engine->metrics);
    return code;
}
