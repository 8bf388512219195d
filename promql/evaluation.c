/* Limits, memory and failure of one evaluation. */
#include "promql/evaluation.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "model/symbols.h"
#include "promql/turns.h"

#define TEXT_CANCELED "query was canceled in expression evaluation"
#define TEXT_TIMEOUT "query timed out in expression evaluation"
#define TEXT_SAMPLES "query processing would load too many samples into memory in query execution"

void evaluation_fork(struct evaluation *fork, const struct evaluation *ev, struct arena *result,
                     struct errbuf *err)
{
    *fork = (struct evaluation){
        .query = ev->query,
        .text = ev->text,
        .delayed_name_removal = ev->delayed_name_removal,
        .start_timestamps = ev->start_timestamps,
        .lookback_ms = ev->lookback_ms,
        .default_subquery_step_ms = ev->default_subquery_step_ms,
        .clock = ev->clock,
        .deadline_ns = ev->deadline_ns,
        .samples_max = ev->samples_max,
        .bytes_max = ev->bytes_max,
        .bytes_granted = ev->bytes_max, /* who takes the rows asks for their memory */
        .view = ev->view,
        .reserved = ev->reserved,
        .result = result,
        .err = err,
    };
    arena_init(result, SIZE_MAX);
    arena_init(&fork->scratch, SIZE_MAX);
}

bool evaluation_fail(struct evaluation *ev, enum err code, const char *format, ...)
{
    if (ev->error != ERR_NONE)
        return false;
    va_list arguments;
    va_start(arguments, format);
    ev->error = errbuf_set_va(ev->err, code, format, arguments);
    va_end(arguments);
    return false;
}

bool evaluation_failed(struct evaluation *ev, enum err code)
{
    ASSERT(code != ERR_NONE);
    if (ev->error == ERR_NONE)
        ev->error = code;
    return false;
}

bool evaluation_check_now(struct evaluation *ev)
{
    ev->work = 0;
    if (ev->error != ERR_NONE)
        return false;
    const atomic_bool *canceled = ev->query->canceled;
    if (canceled != NULL && atomic_load_explicit(canceled, memory_order_relaxed))
        return evaluation_fail(ev, ERR_CANCELED, TEXT_CANCELED);
    int64_t now_ns = clock_monotonic_ns(ev->clock);
    if (ev->turn != NULL && turn_pass(ev->turn, now_ns))
        now_ns = clock_monotonic_ns(ev->clock);
    if (now_ns >= ev->deadline_ns)
        return evaluation_fail(ev, ERR_TIMEOUT, TEXT_TIMEOUT);
    return true;
}

/* Takes `missing` bytes, and a step more where there is so much, out of what all queries share. */
static bool evaluation_take(struct evaluation *ev, uint64_t missing, uint64_t missing_max)
{
    uint64_t taken = MIN(missing + EVALUATION_BYTES_STEP, missing_max);
    if (!memory_budget_take(ev->memory, MEMORY_QUERIES, taken)) {
        taken = missing;
        if (!memory_budget_take(ev->memory, MEMORY_QUERIES, taken))
            return false;
    }
    ev->bytes_taken += taken;
    ev->bytes_granted += taken;
    return true;
}

static bool evaluation_grow(struct evaluation *ev, uint64_t used, uint64_t more)
{
    if (ev->error != ERR_NONE)
        return false;
    if (used > ev->bytes_max || more > ev->bytes_max - used)
        return evaluation_fail(ev, ERR_LIMIT, TEXT_SAMPLES);
    uint64_t missing = used + more - ev->bytes_granted;
    if (evaluation_take(ev, missing, ev->bytes_max - ev->bytes_granted))
        return true;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 1024);
    memory_budget_refuse(ev->memory, missing, &text);
    return evaluation_fail(ev, ERR_LIMIT, "%s", buf_cstr(&text));
}

bool evaluation_room(struct evaluation *ev, uint64_t more)
{
    uint64_t used =
        (uint64_t)ev->result->used + ev->scratch.used + ev->symbol_bytes + ev->made_bytes;
    if (LIKELY(used <= ev->bytes_granted && more <= ev->bytes_granted - used))
        return true;
    return evaluation_grow(ev, used, more);
}

void *evaluation_alloc(struct evaluation *ev, uint64_t count, size_t size)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(count, (uint64_t)size, &bytes))
        bytes = UINT64_MAX;
    if (!evaluation_room(ev, bytes))
        return NULL;
    return arena_alloc(&ev->scratch, (size_t)bytes);
}

double *evaluation_column(struct evaluation *ev, size_t steps)
{
    return evaluation_alloc(ev, steps, sizeof(double));
}

uint64_t *evaluation_bitmap(struct evaluation *ev, size_t steps)
{
    uint64_t *bitmap = evaluation_alloc(ev, promql_bitmap_words(steps), sizeof(*bitmap));
    if (bitmap != NULL)
        bitmap_clear(bitmap, steps);
    return bitmap;
}

bool evaluation_row(struct evaluation *ev, size_t steps, struct row *out)
{
    double *values = evaluation_column(ev, steps);
    uint64_t *present = values == NULL ? NULL : evaluation_bitmap(ev, steps);
    *out = (struct row){.values = values, .present = present};
    return present != NULL;
}

const struct histogram **evaluation_histograms(struct evaluation *ev, size_t steps)
{
    const struct histogram **histograms = evaluation_alloc(ev, steps, sizeof(*histograms));
    if (histograms != NULL)
        memset(histograms, 0, steps * sizeof(*histograms));
    return histograms;
}

const struct histogram *evaluation_keep_histogram(struct evaluation *ev, struct arena *arena,
                                                  const struct histogram *histogram)
{
    if (!evaluation_room(ev, histogram_size_bytes(histogram)))
        return NULL;
    return histogram_copy_into(arena, histogram);
}

void row_copy_histograms(struct row *row, size_t steps, struct arena *arena)
{
    BITMAP_FOR_EACH(row->present, steps, i)
    {
        if (row->histograms[i] != NULL)
            row->histograms[i] = histogram_copy_into(arena, row->histograms[i]);
    }
}

uint64_t histogram_cells(const struct histogram *histogram)
{
    return (histogram_size_bytes(histogram) + 8) / 16;
}

uint64_t row_cells(const struct row *row, size_t steps)
{
    uint64_t cells = bitmap_count(row->present, steps);
    if (LIKELY(row->histograms == NULL))
        return cells;
    BITMAP_FOR_EACH(row->present, steps, i)
    {
        if (row->histograms[i] != NULL)
            cells += histogram_cells(row->histograms[i]) - 1;
    }
    return cells;
}

bool evaluation_fits(struct evaluation *ev, uint64_t cells)
{
    if (cells > ev->samples_max || ev->samples_current > ev->samples_max - cells)
        return evaluation_fail(ev, ERR_LIMIT, TEXT_SAMPLES);
    return true;
}

bool evaluation_hold(struct evaluation *ev, uint64_t cells)
{
    ev->samples_current += cells;
    if (ev->samples_current > ev->statistics.samples_peak)
        ev->statistics.samples_peak = ev->samples_current;
    if (ev->samples_current > ev->samples_max)
        return evaluation_fail(ev, ERR_LIMIT, TEXT_SAMPLES);
    return true;
}

void evaluation_drop(struct evaluation *ev, uint64_t cells)
{
    ASSERT(cells <= ev->samples_current);
    ev->samples_current -= cells;
}

uint32_t evaluation_symbol(struct evaluation *ev, struct slice text)
{
    if (text.len == 0)
        return SYMBOL_EMPTY;
    uint32_t symbol = symbols_intern(text);
    ev->symbol_bytes += text.len;
    vec_push(&ev->symbols, symbol);
    return symbol;
}
