/*
 * A view over several views, such as those of blocks and of the head: one series for each label
 * set, its samples in the order of time. Where two have a sample of one time, the later view in the
 * list wins. Parts whose views append (series_source.h) decode into one memory, one behind the other;
 * only samples that overlap are moved. A histogram behind one of another part has its reset hint from the two.
 *
 * A part that is damaged does not spoil the others: whoever made the view is told, and may let the
 * query go on without what could not be read.
 *
 * Ownership: takes over the parts and closes them. Thread-safety: as series_view.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "model/series_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part shows nothing outside [min_ms, max_ms], both inclusive: what a part should not be asked
 * for, because another one has it. */
struct merged_part {
    struct series_view *view;
    int64_t min_ms;
    int64_t max_ms;
};

/* Part `part` answered ERR_CORRUPT with this text. true: go on without it. From any thread that
 * reads. */
typedef bool (*merged_damage)(void *context, size_t part, const struct errbuf *err);

struct merged_options {
    const struct merged_part *parts; /* oldest first; copied */
    size_t count;
    merged_damage damage; /* NULL: every error ends the query */
    /* What `damage` let the view go on without, as series_view_operations.warnings; NULL: nothing. */
    void (*warnings)(void *context, struct arena *arena, struct text_list *out);
    void *context;
    /* Called after the parts were closed; NULL = nothing to do. */
    void (*closed)(void *context);
};

struct series_view *merged_view_new(const struct merged_options *options) MUST_CHECK;
