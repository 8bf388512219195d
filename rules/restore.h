/*
 * After a restart: alerts that were pending go on from where they were, by the samples of
 * ALERTS_FOR_STATE that the server had written before it went away.
 *
 * Only rules whose `for` is at least the grace period are looked at; the series must have a sample
 * within the outage tolerance. What was left of `for` is kept, but at least the grace period.
 */
#pragma once

#include "rules/group.h"

/* Looks at all alerting rules of a group. From then on they write their samples. */
void restore_alerts(struct rule_group *group, int64_t now_ms);
