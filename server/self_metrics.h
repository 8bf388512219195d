/*
 * What the process tells of itself at /metrics: process_*, prometheus_build_info, the state of the
 * configuration. Values that must be asked for are brought up to date at each collection.
 */
#pragma once

#include "base/memory_budget.h"

#include <stdbool.h>
#include <stdint.h>

/* Registers everything; `start_ms` is when the process started. Call once. The budget is looked at
 * until the end. */
void self_metrics_init(int64_t start_ms, const struct memory_budget *memory);
void self_metrics_config_loaded(bool ok, int64_t now_ms);
void self_metrics_ready(bool ready);
