/*
 * The series that selectors of a command line choose, sorted, each once.
 *
 * Ownership: an embedded value; label sets are borrowed from the view. Thread-safety: one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "model/series_source.h"

/* Adds what `selector`, such as up{job="x"}, matches. ERR_INVALID with the parser's text. */
enum err selection_add(struct series_view *view, const char *selector, int64_t min_ms,
                       int64_t max_ms, struct series_list *list, struct errbuf *err) MUST_CHECK;
