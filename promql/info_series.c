#include "promql/info_series.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "model/sample.h"

/* Beyond that many values of a label the selection is by names only, and the rest is looked up. */
#define PATTERN_VALUES_MAX 1024
#define PATTERN_BYTES_MAX ((size_t)1 << 20)
#define SERIES_TEXT_MAX ((size_t)64 * 1024)

static bool info_series_own(struct info_series *series, struct matcher **matcher,
                            enum matcher_type type, struct slice name, struct slice value)
{
    enum err code = matcher_new(type, name, value, matcher, series->ev->err);
    return code == ERR_NONE || evaluation_failed(series->ev, code);
}

/* Without a matcher of names it is target_info; where they only say what a name is not, any that
 * ends in _info. */
static bool info_series_complete_names(struct info_series *series)
{
    for (size_t i = 0; i < series->name_matchers.len; i++) {
        enum matcher_type type = series->name_matchers.items[i]->type;
        if (type == MATCHER_EQUAL || type == MATCHER_REGEX)
            return true;
    }
    bool none = series->name_matchers.len == 0;
    if (!info_series_own(series, &series->own_name, none ? MATCHER_EQUAL : MATCHER_REGEX,
                         SLICE(LABEL_METRIC_NAME), none ? SLICE("target_info") : SLICE(".+_info")))
        return false;
    vec_push(&series->name_matchers, series->own_name);
    return true;
}

bool info_series_init(struct info_series *series, struct evaluation *ev,
                      const struct node *selector)
{
    *series = (struct info_series){.ev = ev, .conflict_step = SIZE_MAX};
    const struct slice names[] = {SLICE("instance"), SLICE("job"), SLICE(LABEL_METRIC_NAME)};
    struct label_grouping grouping = {.names = label_names_make(ev, names, INFO_LABELS + 1)};
    label_groups_init(&series->keys, ev, &grouping);
    grouping.names.count = INFO_LABELS;
    series->identifying = grouping.names;
    label_groups_init(&series->targets, ev, &grouping);
    sample_columns_init(&series->columns);
    for (size_t i = 0; selector != NULL && i < selector->selector.matcher_count; i++) {
        const struct matcher *matcher = selector->selector.matchers[i];
        if (slice_eq_str(matcher->name, LABEL_METRIC_NAME))
            vec_push(&series->name_matchers, matcher);
        else
            vec_push(&series->data_matchers, matcher);
    }
    return info_series_complete_names(series);
}

void info_series_release(struct info_series *series)
{
    matcher_free(series->own_name);
    for (size_t i = 0; i < INFO_LABELS; i++)
        matcher_free(series->own_values[i]);
    vec_release(&series->name_matchers);
    vec_release(&series->data_matchers);
    label_groups_release(&series->keys);
    label_groups_release(&series->targets);
    vec_release(&series->key_counts);
    vec_release(&series->rows);
    series_list_release(&series->list);
    sample_columns_release(&series->columns);
}

bool info_series_has_name(const struct info_series *series, struct slice metric_name)
{
    for (size_t i = 0; i < series->name_matchers.len; i++) {
        if (!matcher_matches(series->name_matchers.items[i], metric_name))
            return false;
    }
    return true;
}

void info_wanted_add(struct info_wanted *wanted, const struct info_series *series,
                     const struct labels *labels)
{
    for (size_t i = 0; i < INFO_LABELS; i++) {
        uint32_t value = labels_value(labels, series->identifying.symbols[i]);
        if (value != SYMBOL_EMPTY)
            vec_push(&wanted->values[i].symbols, value);
    }
}

void info_wanted_release(struct info_wanted *wanted)
{
    for (size_t i = 0; i < INFO_LABELS; i++)
        vec_release(&wanted->values[i].symbols);
}

static int compare_symbols(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void info_values_complete(struct info_values *values)
{
    uint32_t *symbols = values->symbols.items;
    size_t kept = 0;
    if (values->symbols.len > 1)
        qsort(symbols, values->symbols.len, sizeof(*symbols), compare_symbols);
    for (size_t i = 0; i < values->symbols.len; i++) {
        if (kept == 0 || symbols[kept - 1] != symbols[i])
            symbols[kept++] = symbols[i];
    }
    values->symbols.len = kept;
}

/* A label of which no values are asked for may have any. */
static bool info_wanted_has(const struct info_wanted *wanted, const struct info_series *series,
                            const struct labels *labels)
{
    for (size_t i = 0; i < INFO_LABELS; i++) {
        const struct info_values *values = &wanted->values[i];
        uint32_t symbol = labels_value(labels, series->identifying.symbols[i]);
        if (values->symbols.len > 0 && bsearch(&symbol, values->symbols.items, values->symbols.len,
                                               sizeof(symbol), compare_symbols) == NULL)
            return false;
    }
    return true;
}

static void print_quoted(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (slice_index(SLICE("\\.+*?()|[]{}^$"), text.ptr[i]) != SLICE_NONE)
            buf_append_byte(out, '\\');
        buf_append_byte(out, text.ptr[i]);
    }
}

/* A matcher for the values of an identifying label, where there are not too many. */
static bool info_series_match_values(struct info_series *series, size_t label,
                                     const struct info_values *values)
{
    struct matcher **own = &series->own_values[label];
    struct slice name = symbols_text(series->identifying.symbols[label]);
    size_t count = values->symbols.len;
    matcher_free(*own);
    *own = NULL;
    if (count == 0 || count > PATTERN_VALUES_MAX)
        return true;
    if (count == 1)
        return info_series_own(series, own, MATCHER_EQUAL, name,
                               symbols_text(values->symbols.items[0]));
    struct buf CLEANUP(buf_release) pattern;
    buf_init(&pattern, PATTERN_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(&pattern, '|');
        print_quoted(symbols_text(values->symbols.items[i]), &pattern);
    }
    return pattern.overflow ||
           info_series_own(series, own, MATCHER_REGEX, name, buf_slice(&pattern));
}

static bool info_series_select(struct info_series *series, const struct promql_steps *steps,
                               const struct info_wanted *wanted)
{
    struct evaluation *ev = series->ev;
    size_t room = series->name_matchers.len + series->data_matchers.len + INFO_LABELS;
    const struct matcher **matchers = evaluation_alloc(ev, room, sizeof(*matchers));
    if (matchers == NULL)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < series->name_matchers.len; i++)
        matchers[count++] = series->name_matchers.items[i];
    for (size_t i = 0; i < INFO_LABELS; i++) {
        if (!info_series_match_values(series, i, &wanted->values[i]))
            return false;
        if (series->own_values[i] != NULL)
            matchers[count++] = series->own_values[i];
    }
    for (size_t i = 0; i < series->data_matchers.len; i++)
        matchers[count++] = series->data_matchers.items[i];
    ASSERT(count <= room);
    struct series_query query = {
        .matchers = matchers,
        .matcher_count = count,
        .min_ms = time_shift_apply(&series->shift, steps->start_ms) - ev->lookback_ms + 1,
        .max_ms = time_shift_apply(&series->shift, steps_end(steps)),
        .memory = &ev->selected,
    };
    enum err code = series_view_select(ev->view, &query, &series->list, ev->err);
    return code == ERR_NONE || evaluation_failed(ev, code);
}

/* Only series that are asked for stay in the list; how many there are of each name and target is
 * counted. */
static void info_series_count(struct info_series *series, const struct info_wanted *wanted)
{
    size_t kept = 0;
    for (size_t i = 0; i < series->list.entries.len; i++) {
        struct series_entry entry = series->list.entries.items[i];
        if (!info_wanted_has(wanted, series, entry.labels))
            continue;
        series->list.entries.items[kept++] = entry;
        size_t key = label_groups_add(&series->keys, entry.labels);
        if (key == series->key_counts.len)
            vec_push(&series->key_counts, 0);
        series->key_counts.items[key]++;
    }
    series->list.entries.len = kept;
}

static bool info_series_fail_histogram(struct info_series *series, const struct labels *labels)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, SERIES_TEXT_MAX);
    labels_print(labels, &text);
    return evaluation_fail(series->ev, ERR_EXECUTION,
                           "this should be an info metric, with float samples: %s",
                           buf_cstr(&text));
}

/* Where the series has a sample, as an instant selector sees it. */
static bool info_row_fill(struct info_series *series, struct info_row *row,
                          const struct promql_steps *steps)
{
    const struct sample_columns *columns = &series->columns;
    struct sample_cursor cursor = {0};
    for (size_t i = 0; i < steps->count; i++) {
        int64_t time_ms = time_shift_apply(&series->shift, steps_time(steps, i));
        size_t until = sample_cursor_move(&cursor, columns->timestamps_ms, columns->count, time_ms);
        if (until == 0 || columns->timestamps_ms[until - 1] <= time_ms - series->ev->lookback_ms)
            continue;
        const struct histogram *histogram =
            columns->histograms == NULL ? NULL : columns->histograms[until - 1];
        if (sample_is_stale(histogram == NULL ? columns->values[until - 1] : histogram->sum))
            continue;
        if (histogram != NULL)
            return info_series_fail_histogram(series, row->labels);
        promql_bitmap_set(row->present, i);
        if (row->times_ms != NULL)
            row->times_ms[i] = (double)columns->timestamps_ms[until - 1];
    }
    return true;
}

static void info_series_note_conflict(struct info_series *series, size_t step,
                                      const struct info_row *first, const struct info_row *second)
{
    if (step >= series->conflict_step)
        return;
    series->conflict_step = step;
    series->conflict[0] = first;
    series->conflict[1] = second;
}

/* At every step the newer sample stays. Two of one time are a mistake where anything asks. */
static void info_row_contest(struct info_series *series, struct info_row *old,
                             struct info_row *fresh, const struct promql_steps *steps,
                             const struct info_wanted *wanted)
{
    BITMAP_FOR_EACH(old->present, steps->count, i)
    {
        if (!promql_bitmap_get(fresh->present, i))
            continue;
        if (old->times_ms[i] == fresh->times_ms[i] && promql_bitmap_get(wanted->present, i))
            info_series_note_conflict(series, i, old, fresh);
        bitmap_unset(old->times_ms[i] >= fresh->times_ms[i] ? fresh->present : old->present, i);
    }
}

/* The rows of one target are linked, the newest first. */
static void info_series_add(struct info_series *series, struct info_row *row,
                            const struct promql_steps *steps, const struct info_wanted *wanted)
{
    size_t target = label_groups_add(&series->targets, row->labels);
    if (target == series->rows.len)
        vec_push(&series->rows, NULL);
    uint32_t name = labels_value(row->labels, series->ev->reserved.name);
    for (struct info_row *old = series->rows.items[target]; old != NULL && row->times_ms != NULL;
         old = old->next) {
        if (labels_value(old->labels, series->ev->reserved.name) == name)
            info_row_contest(series, old, row, steps, wanted);
    }
    row->next = series->rows.items[target];
    series->rows.items[target] = row;
}

static bool info_series_read(struct info_series *series, const struct series_entry *entry,
                             const struct promql_steps *steps, const struct info_wanted *wanted)
{
    struct evaluation *ev = series->ev;
    int64_t min_ms = time_shift_apply(&series->shift, steps->start_ms) - ev->lookback_ms + 1;
    int64_t max_ms = time_shift_apply(&series->shift, steps_end(steps));
    enum err code = series_view_read(ev->view, entry, min_ms, max_ms, &series->columns, ev->err);
    if (code != ERR_NONE)
        return evaluation_failed(ev, code);
    if (series->columns.count == 0)
        return true;
    size_t key = label_groups_find(&series->keys, entry->labels);
    struct info_row *row = evaluation_alloc(ev, 1, sizeof(*row));
    uint64_t *present = row == NULL ? NULL : evaluation_bitmap(ev, steps->count);
    if (present == NULL)
        return false;
    *row = (struct info_row){.labels = entry->labels, .present = present};
    if (series->key_counts.items[key] > 1) {
        row->times_ms = evaluation_column(ev, steps->count);
        if (row->times_ms == NULL)
            return false;
    }
    if (!info_row_fill(series, row, steps))
        return false;
    size_t found = bitmap_count(present, steps->count);
    if (found == 0)
        return evaluation_check(ev, series->columns.count);
    series->cells += found;
    sample_sheet_add_row(series->sheet, steps, &(struct row){.present = present}, found);
    info_series_add(series, row, steps, wanted);
    return evaluation_hold(ev, found) && evaluation_check(ev, series->columns.count + steps->count);
}

static bool info_series_check_conflict(struct info_series *series)
{
    if (series->conflict_step == SIZE_MAX)
        return true;
    struct buf CLEANUP(buf_release) first;
    struct buf CLEANUP(buf_release) second;
    buf_init(&first, SERIES_TEXT_MAX);
    buf_init(&second, SERIES_TEXT_MAX);
    labels_print(series->conflict[0]->labels, &first);
    labels_print(series->conflict[1]->labels, &second);
    long long time_ms = (long long)series->conflict[0]->times_ms[series->conflict_step];
    return evaluation_fail(
        series->ev, ERR_EXECUTION,
        "found duplicate series for info metric: existing %s @ %lld, new %s @ %lld",
        buf_cstr(&first), time_ms, buf_cstr(&second), time_ms);
}

bool info_series_load(struct info_series *series, const struct promql_steps *steps,
                      struct info_wanted *wanted)
{
    label_groups_clear(&series->keys);
    label_groups_clear(&series->targets);
    vec_reset(&series->key_counts);
    vec_reset(&series->rows);
    vec_reset(&series->list.entries);
    series->conflict_step = SIZE_MAX;
    evaluation_drop(series->ev, series->cells);
    series->cells = 0;
    size_t values = 0;
    for (size_t i = 0; i < INFO_LABELS; i++) {
        info_values_complete(&wanted->values[i]);
        values += wanted->values[i].symbols.len;
    }
    if (values == 0)
        return true;
    if (!info_series_select(series, steps, wanted))
        return false;
    info_series_count(series, wanted);
    for (size_t i = 0; i < series->list.entries.len; i++) {
        if (!info_series_read(series, &series->list.entries.items[i], steps, wanted))
            return false;
    }
    return info_series_check_conflict(series);
}

uint64_t info_series_count_at(const struct info_series *series, size_t step)
{
    uint64_t count = 0;
    for (size_t i = 0; i < series->rows.len; i++) {
        for (const struct info_row *row = series->rows.items[i]; row != NULL; row = row->next)
            count += promql_bitmap_get(row->present, step);
    }
    return count;
}

const struct info_row *info_series_find(struct info_series *series, const struct labels *labels)
{
    size_t target = label_groups_find(&series->targets, labels);
    return target == LABEL_GROUP_NONE ? NULL : series->rows.items[target];
}
