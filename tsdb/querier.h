/*
 * Reading from storage: how tsdb implements model/series_source.h.
 *
 * A view takes a watermark, the number of the last commit, and keeps it until it is closed; what was
 * committed later is not seen. While a view is open, the memory of the series that it was handed stays.
 */
#pragma once

#include "model/series_source.h"
#include "tsdb/tsdb.h"

/* As series_source_open(tsdb_source(db), ...). */
enum err querier_open(struct tsdb *db, int64_t min_ms, int64_t max_ms, struct series_view **out,
                      struct errbuf *err) MUST_CHECK;
