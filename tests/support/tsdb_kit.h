/*
 * What tests of storage share: a database in a fresh directory under /tmp, label sets from text,
 * and reading back. A failure ends the test.
 */
#pragma once

#include "model/labels.h"
#include "tsdb/appender.h"
#include "tsdb/querier.h"
#include "tsdb/tsdb.h"

#include <stddef.h>
#include <stdint.h>

/* An empty directory; the text is valid until the next call. */
const char *kit_directory(void);
void kit_remove(const char *path);
struct tsdb *kit_open(const struct tsdb_options *options);

/* "a=1,b=2": counted. */
struct labels *kit_labels(const char *text);

/* A transaction of one loose sample; ends the test when it is refused. */
void kit_append(struct tsdb *db, const char *labels, int64_t t_ms, double value);
/* The result of appending without committing. */
enum append_result kit_try(struct tsdb *db, const char *labels, int64_t t_ms, double value);
struct appender *kit_begin(struct tsdb *db, struct sample_group *group, int64_t t_ms);
void kit_commit(struct appender *appender);
enum append_result kit_stage(struct appender *appender, const char *labels, double value);

/* All samples of the series with exactly these labels as "t:v t:v"; stale markers as "t:stale";
 * with a start timestamp as
 * "t:since s:v"; histograms as "t:h<count>" or "t:hstale". "" when there is none. Valid until the next call. */
const char *kit_read(struct tsdb *db, const char *labels);
const char *kit_read_range(struct tsdb *db, const char *labels, int64_t min_ms, int64_t max_ms);
const char *kit_read_view(struct series_view *view, const char *labels, int64_t min_ms,
                          int64_t max_ms);
/* The label sets that "a=1,b=~x.*,c!=2,d!~y" selects, sorted, as "{...} {...}". */
const char *kit_select(struct tsdb *db, const char *matchers);
