/*
 * A scrape from its due time to its commit: due targets are fetched; an answer is parsed and stored
 * with the report series in one transaction. And the end of a target: its last stale markers.
 *
 * Thread-safety: the scraping thread.
 */
#pragma once

#include "scrape/manager_internal.h"
#include "scrape/target.h"

#include <stdint.h>

/* Begins what is due; cheap, and called in the middle of large bodies. */
void scrape_loop_start_due(struct scrape_manager *manager);
/* Goes on with answers that were unpacked elsewhere. */
void scrape_loop_finish_inflated(struct scrape_manager *manager);
/* Reports for targets that were due but may not be fetched. */
void scrape_loop_finish_forced(struct scrape_manager *manager);
/* Writes the stale markers of gone targets whose time has come, and frees them. */
void scrape_loop_finish_endings(struct scrape_manager *manager);

/* A target enters the schedule. */
void scrape_loop_add(struct scrape_manager *manager, struct target *target);
/* Its interval or phase has changed. */
void scrape_loop_reschedule(struct scrape_manager *manager, struct target *target);
/* Stops fetching. */
void scrape_loop_remove(struct scrape_manager *manager, struct target *target);
/* The target is gone from its pool: removes it, and frees it after its stale markers. */
void scrape_loop_end(struct scrape_manager *manager, struct target *target);
