/*
 * Which series of an index match: matchers to series, ascending. A matcher that matches the empty
 * value also matches series without the label, so it only takes series out: those whose value it
 * refuses.
 *
 * Thread-safety: as its cursor.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "model/matcher.h"
#include "tsdb/index_reader.h"

#include <stddef.h>

/* Replaces `out`. All series when there is no matcher. */
enum err index_select(struct index_cursor *cursor, const struct matcher *const *matchers,
                      size_t count, series_ids *out, struct errbuf *err) MUST_CHECK;
