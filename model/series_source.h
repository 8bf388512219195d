/*
 * Where series come from: the contract between those who hold samples (storage, remote read, test
 * fakes) and those who ask for them (PromQL, the API).
 *
 * A *source* opens *views*. A view is a consistent picture: it takes one watermark when it is
 * opened and shows nothing that was committed later, so never half a scrape. select gives the
 * matching series as a list; read copies the samples of one series into columns. Selecting and
 * reading are apart so that a query can order, split and parallelise its work.
 *
 * A view that answers without what it cannot read says so: its *warnings* are for the answer.
 *
 * Ownership: everything that a view hands out is borrowed from it and valid until it is closed.
 * Thread-safety: a source from any thread; select and the label functions of one view from one
 * thread at a time; read from any number of threads at once, each with its own columns, also while
 * something else is selected; warnings from any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/memory_budget.h"
#include "base/slice.h"
#include "base/vec.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/matcher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One series of a selection. */
struct series_entry {
    const struct labels *labels;
    uint64_t handle; /* the view's own name for it */
};

/* Zero-initialised is empty. */
struct series_list {
    VEC(struct series_entry) entries;
    bool truncated; /* the limit cut it */
};

static inline void series_list_release(struct series_list *list)
{
    vec_release(&list->entries);
}

/* What to select. Times are inclusive at both ends. */
struct series_query {
    const struct matcher *const *matchers;
    size_t matcher_count;
    int64_t min_ms;
    int64_t max_ms;
    bool sorted;  /* in the order of labels_compare */
    size_t limit; /* 0 = none */
    struct memory_hold *memory; /* what the answer takes is asked of it; NULL: nothing is */
};

/* Samples of one series in time order, float and histogram samples in one sequence. `histograms` is
 * NULL where all are floats; else histograms[i] != NULL means that sample i is a histogram.
 * `start_timestamps_ms` says since when sample i counts, 0 = not known; NULL where none is known.
 * The arrays may point into the view or into the columns' own memory: valid until the next read
 * into the same columns or the end of the view. Stale markers are included. */
struct sample_columns {
    const int64_t *timestamps_ms;
    const double *values;
    const struct histogram *const *histograms;
    const int64_t *start_timestamps_ms;
    size_t count;
    /* Said by the asker: the last sample of the range is all that counts. A reader may leave out the
     * others, which spares decoding where it knows the last one anyway. */
    bool newest_only;
    /* Said by an asker that puts parts of a series together, and only to a view that `appends`: so
     * many samples in the memory stay, and those that are read come behind them. */
    size_t kept;
    /* memory that a reader may fill and point to; kept between reads */
    VEC(int64_t) timestamp_memory;
    VEC(double) value_memory;
    VEC(const struct histogram *) histogram_memory;
    VEC(int64_t) start_timestamp_memory;
    struct arena histogram_arena; /* initialised by sample_columns_init */
    /* What a kind of view keeps from read to read, such as the page that it unpacked last: made by
     * the first read, freed with the columns. A reader takes only what is its own: `owner` tells. */
    struct columns_reader {
        const void *owner;
        void *state;
        void (*free_state)(void *state);
    } reader;
};

void sample_columns_init(struct sample_columns *columns);
void sample_columns_release(struct sample_columns *columns);
void columns_reader_release(struct columns_reader *reader);

/* For readers that fill the memory: empties it but for what is kept. */
void sample_columns_begin(struct sample_columns *columns);
/* And shows all of it in the end. Samples of times and values may lack histograms and start times,
 * where others have some: these are filled up. */
void sample_columns_publish(struct sample_columns *columns);

/* A list of names or values in byte order; the memory is the arena's that was handed in. */
struct text_list {
    struct slice *items;
    size_t count;
    bool truncated;
};

struct series_view;
struct series_source;

struct series_view_operations {
    /* Reads into the columns' memory, behind the samples that are kept. */
    bool appends;
    enum err (*select)(struct series_view *view, const struct series_query *query,
                       struct series_list *out, struct errbuf *err);
    /* All samples of [min_ms, max_ms] that the view may see. */
    enum err (*read)(struct series_view *view, const struct series_entry *series, int64_t min_ms,
                     int64_t max_ms, struct sample_columns *out, struct errbuf *err);
    /* Names (values of `name`) of the series that match; all series when there is no matcher. */
    enum err (*label_names)(struct series_view *view, const struct series_query *query,
                            struct arena *arena, struct text_list *out, struct errbuf *err);
    enum err (*label_values)(struct series_view *view, struct slice name,
                             const struct series_query *query, struct arena *arena,
                             struct text_list *out, struct errbuf *err);
    /* What this view has left out of its answers so far: each a text for people, told once, in the
     * arena. NULL: the view leaves nothing out, but fails. */
    void (*warnings)(struct series_view *view, struct arena *arena, struct text_list *out);
    void (*close)(struct series_view *view);
};

/* Implementers embed it as their first member. */
struct series_view {
    const struct series_view_operations *operations;
};

struct series_source_operations {
    enum err (*open)(struct series_source *source, int64_t min_ms, int64_t max_ms,
                     struct series_view **out, struct errbuf *err);
};

struct series_source {
    const struct series_source_operations *operations;
};

static inline enum err series_source_open(struct series_source *source, int64_t min_ms,
                                          int64_t max_ms, struct series_view **out,
                                          struct errbuf *err)
{
    return source->operations->open(source, min_ms, max_ms, out, err);
}
static inline enum err series_view_select(struct series_view *view,
                                          const struct series_query *query, struct series_list *out,
                                          struct errbuf *err)
{
    return view->operations->select(view, query, out, err);
}
static inline enum err series_view_read(struct series_view *view, const struct series_entry *series,
                                        int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                                        struct errbuf *err)
{
    out->start_timestamps_ms = NULL; /* readers without such times need not know of them */
    return view->operations->read(view, series, min_ms, max_ms, out, err);
}
static inline enum err series_view_label_names(struct series_view *view,
                                               const struct series_query *query,
                                               struct arena *arena, struct text_list *out,
                                               struct errbuf *err)
{
    return view->operations->label_names(view, query, arena, out, err);
}
static inline enum err series_view_label_values(struct series_view *view, struct slice name,
                                                const struct series_query *query,
                                                struct arena *arena, struct text_list *out,
                                                struct errbuf *err)
{
    return view->operations->label_values(view, name, query, arena, out, err);
}
static inline void series_view_warnings(struct series_view *view, struct arena *arena,
                                        struct text_list *out)
{
    *out = (struct text_list){0};
    if (view->operations->warnings != NULL)
        view->operations->warnings(view, arena, out);
}
static inline void series_view_close(struct series_view *view)
{
    if (view != NULL)
        view->operations->close(view);
}
