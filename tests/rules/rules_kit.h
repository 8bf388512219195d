/*
 * Rules at work for tests: storage in a fresh directory, a clock that the test moves, a manager without
 * threads, and a notifier that remembers what it was given. A failure ends the test.
 */
#pragma once

#include "base/clock.h"
#include "rules/manager_internal.h"
#include "tests/support/tsdb_kit.h"

#define RULES_KIT_START_MS INT64_C(1700000000000)
#define RULES_KIT_INTERVAL_MS INT64_C(10000)

struct rules_kit {
    char directory[64];
    struct clock_manual clock;
    struct tsdb *db;
    struct promql_engine *engine;
    struct rule_manager *manager;
    int64_t slot_ms; /* of the last tick */
};

void rules_kit_start(struct rules_kit *kit);
void rules_kit_stop(struct rules_kit *kit);
/* Ends the manager and begins another, as a restart does after `away_ms`. */
void rules_kit_restart(struct rules_kit *kit, int64_t away_ms);

void rules_kit_write(struct rules_kit *kit, const char *file, const char *text);
/* Groups of "rules.yml": the text is what stands under "rules:" of a group "g". */
void rules_kit_rules(struct rules_kit *kit, const char *rules);
/* A configuration with rules*.yml, evaluation_interval 10s and what `more` adds to `global:`. */
struct config *rules_kit_config(const char *directory, const char *more);
void rules_kit_apply(struct rules_kit *kit);
/* The problems, "" when it is accepted. Valid until the next call. */
const char *rules_kit_try_apply(struct rules_kit *kit);

/* A sample at the present time; NAN = a stale marker. */
void rules_kit_feed(struct rules_kit *kit, const char *labels, double value);
/* One interval passes, and every group with the default interval has its slot. */
void rules_kit_tick(struct rules_kit *kit);
void rules_kit_ticks(struct rules_kit *kit, int count);

/* The samples of a series since the start, as "t:v t:v" with t in seconds relative to `origin_ms`. */
const char *rules_kit_read(struct rules_kit *kit, const char *labels, int64_t origin_ms);

/* The alerts of the n-th rule of the first group: "firing{alertname="A"} pending{...}". */
const char *rules_kit_alerts(struct rules_kit *kit, size_t rule);
/* "ok", "unknown" or "err: text". */
const char *rules_kit_health(struct rules_kit *kit, size_t rule);

/* What was sent since the last call: "{labels} starts..ends" with seconds relative to `origin_ms`. */
const char *rules_kit_sent(int64_t origin_ms);
/* The link of the last alert that was sent. */
extern char rules_kit_generator_url[512];
