#include "tsdb/chunk_cutter.h"

#include "base/assert.h"
#include "base/compiler.h"

#define BASE_WINDOW_MS INT64_C(7200000)
#define WINDOW_MS_MAX (BASE_WINDOW_MS << 16)
/* The first samples tell the distance. */
#define SAMPLES_LOOKED_AT 16

static int64_t distance_ms(const int64_t *times_ms, size_t count)
{
    int64_t least = INT64_MAX;
    for (size_t i = 1; i < MIN(count, (size_t)SAMPLES_LOOKED_AT); i++)
        least = MIN(least, times_ms[i] - times_ms[i - 1]);
    return MAX(least, 1);
}

int64_t chunk_cut_window_ms(const int64_t *times_ms, size_t count, bool dense)
{
    int64_t wanted = dense ? CHUNK_CUT_SAMPLES_DENSE : CHUNK_CUT_SAMPLES;
    int64_t window_ms = BASE_WINDOW_MS;
    if (count < 2)
        return window_ms;
    int64_t distance = distance_ms(times_ms, count);
    while (window_ms / distance > wanted + wanted / 2 && window_ms > 1)
        window_ms /= 2;
    while (window_ms < WINDOW_MS_MAX && window_ms / distance < wanted * 3 / 4)
        window_ms *= 2;
    return window_ms;
}

size_t chunk_cut_count(const int64_t *times_ms, size_t count, int64_t window_ms, bool dense)
{
    ASSERT(count > 0 && window_ms > 0);
    size_t most = 2 * (size_t)(dense ? CHUNK_CUT_SAMPLES_DENSE : CHUNK_CUT_SAMPLES);
    int64_t into = times_ms[0] % window_ms;
    int64_t left = window_ms - (into < 0 ? into + window_ms : into);
    size_t taken = 1;
    while (taken < MIN(count, most) &&
           (uint64_t)times_ms[taken] - (uint64_t)times_ms[0] < (uint64_t)left)
        taken++;
    return taken;
}
