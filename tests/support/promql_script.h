/*
 * Runs PromQL test scripts: load, clear, eval instant, eval range, with expected series and expect
 * lines, as described in the README of the reference's promql/promqltest.
 *
 * Every instant query is run as a range query too, whose middle step must agree, and both again
 * with their time fixed by the @ modifier, at other times. Values agree within a relative 1e-6.
 */
#pragma once

#include "base/slice.h"
#include "promql/promql.h"

#include <stdbool.h>
#include <stddef.h>

struct script_counts {
    size_t evals;
    size_t passed;
};

/* An engine that evaluates with FERULA_QUERY_THREADS threads where that is set, however small the data
 * are. */
struct promql_engine *script_engine_new(unsigned features);

struct fake_source;

/* Where samples are when they are asked for, if not where they were loaded: `store` is called before
 * the first eval after the samples changed, and what it answers is used until the next call. */
struct script_storage {
    struct series_source *(*store)(void *context, const struct fake_source *samples);
    void *context;
};

/* `verbose`: failures are printed with the name and their line. */
struct script_counts promql_script_run(const char *name, struct slice script,
                                       struct promql_engine *engine, unsigned features,
                                       bool verbose);
/* The same on a storage. */
struct script_counts promql_script_run_on(const struct script_storage *storage, const char *name,
                                          struct slice script, struct promql_engine *engine,
                                          unsigned features, bool verbose);
