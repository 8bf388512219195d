/*
 * Series and samples in memory behind model/series_source.h, with the shape of the benchmark suite: so
 * the query engine is measured without storage.
 *
 * Ownership: the source owns everything that its views hand out. Thread-safety: as series_source.
 */
#pragma once

#include "model/series_source.h"

#include <stddef.h>
#include <stdint.h>

struct memory_source;

/* Hosts of 29 series each, with a sample every 10 s from start_ms on. */
struct memory_source *memory_source_new(size_t host_count, int64_t start_ms, size_t sample_count);
void memory_source_free(struct memory_source *source);
struct series_source *memory_source_source(struct memory_source *source);
