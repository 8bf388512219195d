/* Summaries: windows of samples of the observations. */
#include "base/counters_summary.h"

#include "base/alloc.h"
#include "base/mutex.h"
#include "base/rand.h"

#include <math.h>
#include <stdlib.h>

struct counters_window {
    int64_t number; /* time divided by the length of a window */
    uint64_t count;
    size_t kept_count;
    double kept[COUNTERS_SUMMARY_KEPT_MAX];
};

struct counters_summary {
    struct mutex lock;
    /* guarded by lock: */
    uint64_t count;
    double sum;
    struct rand rand;
    struct counters_window windows[COUNTERS_SUMMARY_WINDOWS];
};

struct counters_summary *counters_summary_new(void)
{
    struct counters_summary *summary = mem_zalloc(sizeof(*summary));
    mutex_init(&summary->lock, LOCK_RANK_COUNTERS_SUMMARY);
    rand_init(&summary->rand, 1);
    for (size_t i = 0; i < COUNTERS_SUMMARY_WINDOWS; i++)
        summary->windows[i].number = -1;
    return summary;
}

void counters_summary_free(struct counters_summary *summary)
{
    if (summary == NULL)
        return;
    mutex_release(&summary->lock);
    mem_free(summary);
}

void counters_summary_observe(struct counters_summary *summary, double value, int64_t now_ns)
{
    int64_t number = now_ns / COUNTERS_SUMMARY_WINDOW_NS;
    MUTEX_GUARD(&summary->lock);
    summary->count++;
    summary->sum += value;
    struct counters_window *window = &summary->windows[number % COUNTERS_SUMMARY_WINDOWS];
    if (window->number != number) {
        window->number = number;
        window->count = 0;
        window->kept_count = 0;
    }
    window->count++;
    if (window->kept_count < COUNTERS_SUMMARY_KEPT_MAX) {
        window->kept[window->kept_count++] = value;
        return;
    }
    uint64_t place = rand_below(&summary->rand, window->count);
    if (place < COUNTERS_SUMMARY_KEPT_MAX)
        window->kept[place] = value;
}

uint64_t counters_summary_count(struct counters_summary *summary)
{
    MUTEX_GUARD(&summary->lock);
    return summary->count;
}

static void counters_view_add(struct counters_summary_view *view,
                              const struct counters_window *window)
{
    double weight = (double)window->count / (double)window->kept_count;
    for (size_t i = 0; i < window->kept_count; i++) {
        view->values[view->value_count++] = (struct counters_weighted){window->kept[i], weight};
        view->weight += weight;
    }
}

static int counters_weighted_order(const void *a, const void *b)
{
    double left = ((const struct counters_weighted *)a)->value;
    double right = ((const struct counters_weighted *)b)->value;
    return left < right ? -1 : left > right;
}

void counters_summary_view_init(struct counters_summary_view *view,
                                struct counters_summary *summary, int64_t now_ns)
{
    int64_t newest = now_ns / COUNTERS_SUMMARY_WINDOW_NS;
    *view = (struct counters_summary_view){0};
    view->values = mem_alloc_array(COUNTERS_SUMMARY_WINDOWS * COUNTERS_SUMMARY_KEPT_MAX,
                                   sizeof(*view->values));
    mutex_lock(&summary->lock);
    view->count = summary->count;
    view->sum = summary->sum;
    for (size_t i = 0; i < COUNTERS_SUMMARY_WINDOWS; i++) {
        const struct counters_window *window = &summary->windows[i];
        if (window->kept_count > 0 && window->number > newest - COUNTERS_SUMMARY_WINDOWS)
            counters_view_add(view, window);
    }
    mutex_unlock(&summary->lock);
    qsort(view->values, view->value_count, sizeof(*view->values), counters_weighted_order);
}

void counters_summary_view_release(struct counters_summary_view *view)
{
    mem_free(view->values);
    view->values = NULL;
    view->value_count = 0;
}

double counters_summary_view_quantile(const struct counters_summary_view *view, double quantile)
{
    double wanted = quantile * view->weight;
    double seen = 0;
    for (size_t i = 0; i < view->value_count; i++) {
        seen += view->values[i].weight;
        if (seen >= wanted)
            return view->values[i].value;
    }
    return view->value_count == 0 ? NAN : view->values[view->value_count - 1].value;
}
