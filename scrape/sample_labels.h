/*
 * From a line's series text to the labels under which its samples are stored: target labels,
 * honor_labels or exported_, metric_relabel_configs, then the checks (metric name, legal names,
 * label limits). Done once for a series; the series cache remembers the outcome.
 *
 * Ownership: the maker holds scratch memory of its thread; the labels that come out are the
 * caller's. Thread-safety: one owner.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "config/config.h"
#include "exposition/exposition.h"
#include "model/labels.h"
#include "model/labels_builder.h"

#include <stdbool.h>

struct sample_labels {
    bool bad_text; /* the last failure was one of the text itself: the line is no sample at all */
    bool type_and_unit; /* of the metric become the labels __type__ and __unit__ */
    /* private */
    struct arena arena;
    struct labels_builder builder;
};

void sample_labels_init(struct sample_labels *maker);
void sample_labels_release(struct sample_labels *maker);

/* `target` are the target's public labels. `*out` is NULL when relabelling drops the series, else a
 * counted set. ERR_INVALID fails the whole scrape, texts as the reference's; ERR_LIMIT is a label
 * limit. */
enum err sample_labels_make(struct sample_labels *maker, const struct config_scrape *scrape,
                            const struct labels *target, const struct exposition_series *series,
                            struct labels **out, struct errbuf *err) MUST_CHECK;

/* The labels of a report series: the name and the target's labels. Counted. */
struct labels *sample_labels_make_report(struct sample_labels *maker, const struct labels *target,
                                         struct slice name) MUST_CHECK;
