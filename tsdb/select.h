/*
 * Which series match: matchers to refs. Starts from the matcher that leaves least, intersects where
 * lists are short enough, and looks at the labels of what is left for the rest. A matcher that
 * matches the empty value also matches series without the label, so it can only ever filter.
 *
 * Threads: any registered reader.
 */
#pragma once

#include "model/matcher.h"
#include "tsdb/head.h"

#include <stddef.h>

/* The refs of the series that all matchers match, ascending; all series when there is no matcher.
 */
void select_refs(struct head *head, const struct matcher *const *matchers, size_t count,
                 ref_list *out);
