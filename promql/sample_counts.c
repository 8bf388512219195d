#include "promql/sample_counts.h"

#include <string.h>

#include "base/assert.h"
#include "promql/evaluation.h"
#include "promql/row.h"

static struct sample_sheet *sheet_new(struct sample_counts *counts, enum sample_sheet_kind kind)
{
    struct sample_sheet *sheet = arena_zalloc(&counts->ev->scratch, sizeof(*sheet));
    sheet->kind = kind;
    sheet->outer = counts->open;
    sheet->older = counts->newest;
    sheet->steps.count = 1;
    counts->newest = sheet;
    return sheet;
}

static uint64_t *column_new(struct sample_counts *counts, size_t step_count)
{
    uint64_t *column = evaluation_alloc(counts->ev, step_count, sizeof(*column));
    if (column != NULL)
        memset(column, 0, step_count * sizeof(*column));
    return column;
}

bool sample_counts_init(struct sample_counts *counts, struct evaluation *ev,
                        const struct promql_steps *steps, bool by_step)
{
    *counts = (struct sample_counts){.ev = ev, .by_step = by_step};
    struct sample_sheet *sheet = counts->query = sheet_new(counts, SAMPLE_SHEET_QUERY);
    counts->open = sheet;
    sheet->steps = *steps;
    if (!by_step)
        return true;
    sheet->total_by_step = column_new(counts, steps->count);
    sheet->read_by_step = column_new(counts, steps->count);
    return sheet->total_by_step != NULL && sheet->read_by_step != NULL;
}

struct sample_sheet *sample_counts_open(struct sample_counts *counts, enum sample_sheet_kind kind)
{
    ASSERT(kind != SAMPLE_SHEET_QUERY);
    struct sample_sheet *before = counts->open;
    counts->open = sheet_new(counts, kind);
    return before;
}

void sample_counts_close(struct sample_counts *counts, struct sample_sheet *before)
{
    ASSERT(counts->open->outer == before);
    counts->open = before;
}

void sample_sheet_add(struct sample_sheet *sheet, size_t step, uint64_t total, uint64_t read)
{
    sheet->total += total;
    sheet->read += read;
    if (sheet->total_by_step != NULL)
        sheet->total_by_step[step] += total;
    if (sheet->read_by_step != NULL)
        sheet->read_by_step[step] += read;
}

size_t sample_sheet_index(const struct sample_sheet *sheet, const struct promql_steps *steps)
{
    if (sheet->steps.step_ms <= 0)
        return 0;
    int64_t index = (steps->start_ms - sheet->steps.start_ms) / sheet->steps.step_ms;
    ASSERT(index >= 0 && (size_t)index + steps->count <= sheet->steps.count);
    return (size_t)index;
}

void sample_sheet_add_row(struct sample_sheet *sheet, const struct promql_steps *steps,
                          const struct row *row, uint64_t cells)
{
    if (!sample_sheet_has_steps(sheet)) {
        sheet->total += cells;
        sheet->read += cells;
        return;
    }
    size_t first = sample_sheet_index(sheet, steps);
    BITMAP_FOR_EACH(row->present, steps->count, i)
    {
        const struct histogram *histogram = row->histograms == NULL ? NULL : row->histograms[i];
        uint64_t size = histogram == NULL ? 1 : histogram_cells(histogram);
        sample_sheet_add(sheet, first + i, size, size);
    }
}

/* The first outer step that sees an inner one; the outer count when none does. */
static size_t outer_step(const struct sample_sheet *sheet, size_t inner)
{
    const struct promql_steps *outer = &sheet->outer->steps;
    int64_t time_ms = steps_time(&sheet->steps, inner) + sheet->offset_ms;
    int64_t step = 0;
    if (time_ms > outer->start_ms)
        step = (time_ms - outer->start_ms + outer->step_ms - 1) / outer->step_ms;
    step = MIN(step, (int64_t)outer->count - 1);
    bool in_gap =
        sheet->range_ms > 0 && time_ms <= steps_time(outer, (size_t)step) - sheet->range_ms;
    return in_gap ? outer->count : (size_t)step;
}

/* What was read goes out; the sheet is empty afterwards. */
static void subquery_finish(struct sample_sheet *sheet)
{
    struct sample_sheet *outer = sheet->outer;
    uint64_t total = sheet->is_answer ? sheet->total : 0;
    if (outer->steps.count <= 1 || sheet->read_by_step == NULL) {
        sample_sheet_add(outer, 0, total, sheet->read);
    } else {
        for (size_t i = 0; i < sheet->steps.count; i++) {
            uint64_t read = sheet->read_by_step[i];
            size_t step = read == 0 ? outer->steps.count : outer_step(sheet, i);
            if (step < outer->steps.count)
                sample_sheet_add(outer, step, 0, read);
        }
    }
    sheet->total = sheet->read = 0;
}

bool sample_sheet_start(struct sample_counts *counts, struct sample_sheet *sheet,
                        const struct promql_steps *steps)
{
    subquery_finish(sheet);
    sheet->steps = *steps;
    sheet->read_by_step = NULL;
    /* one outer step sees all */
    if (sheet->outer->steps.count <= 1)
        return true;
    sheet->read_by_step = column_new(counts, steps->count);
    return sheet->read_by_step != NULL;
}

static void invariant_finish(struct sample_sheet *sheet)
{
    struct sample_sheet *outer = sheet->outer;
    for (size_t i = 0; i < outer->steps.count; i++)
        sample_sheet_add(outer, i, sheet->total, i == 0 ? sheet->read : 0);
}

void sample_counts_finish(struct sample_counts *counts)
{
    for (struct sample_sheet *sheet = counts->newest; sheet != NULL; sheet = sheet->older) {
        if (sheet->kind == SAMPLE_SHEET_SUBQUERY)
            subquery_finish(sheet);
        else if (sheet->kind == SAMPLE_SHEET_INVARIANT)
            invariant_finish(sheet);
    }
}
