/*
 * Where the samples of a series are cut into chunks: at multiples of a power-of-two part (or
 * multiple) of two hours that holds about the wanted number of them. So all series of a target are
 * cut at the same samples, whenever they begin, and share their time columns.
 *
 * Thread-safety: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Samples of a chunk in a block of hours, and of days. */
#define CHUNK_CUT_SAMPLES 480
#define CHUNK_CUT_SAMPLES_DENSE 960

/* The width of the windows for samples at these times. */
int64_t chunk_cut_window_ms(const int64_t *times_ms, size_t count, bool dense);
/* How many of the samples are in the first one's window, and not too many for a chunk. */
size_t chunk_cut_count(const int64_t *times_ms, size_t count, int64_t window_ms, bool dense);
