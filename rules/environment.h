/*
 * What rules need to be evaluated: storage, the query engine, time, and where alerts go. One of a
 * manager, the same for all its groups.
 *
 * Thread-safety: immutable but for `canceled`.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "promql/promql.h"
#include "rules/notifier.h"
#include "tsdb/tsdb.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rule_environment {
    struct tsdb *db;
    struct promql_engine *engine;
    const struct clock *clock;
    struct notifier *notifier; /* NULL = alerts go nowhere */
    struct slice external_url; /* without a slash at its end */
    unsigned promql_features;
    int64_t outage_tolerance_ms;
    int64_t grace_period_ms;
    int64_t resend_delay_ms;
    atomic_bool canceled; /* the manager ends: queries give up */
};
