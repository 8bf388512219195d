/*
 * Names and values of labels for views that have no lists of them: of all series that match.
 *
 * Ownership: the texts lie in the arena. Thread-safety: as selecting from the view.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/series_source.h"

/* Sorted, each once; made to be the operations of a view. */
enum err label_texts_names(struct series_view *view, const struct series_query *query,
                           struct arena *arena, struct text_list *out,
                           struct errbuf *err) MUST_CHECK;
enum err label_texts_values(struct series_view *view, struct slice name,
                            const struct series_query *query, struct arena *arena,
                            struct text_list *out, struct errbuf *err) MUST_CHECK;
