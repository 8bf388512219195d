#include "promql/windows.h"

#include "base/assert.h"

/* With @ all windows are the same. */
static void windows_repeat(struct windows *windows, size_t step_count)
{
    for (size_t i = 1; i < step_count; i++) {
        windows->low[i] = windows->low[0];
        windows->high[i] = windows->high[0];
    }
}

void windows_find(struct windows *windows, const int64_t *timestamps_ms, size_t count,
                  const struct promql_steps *steps, const struct time_shift *shift,
                  int64_t range_ms)
{
    ASSERT(count <= UINT32_MAX);
    size_t step_count = shift->is_fixed ? 1 : steps->count;
    struct sample_cursor low = {0}, high = {0};
    for (size_t i = 0; i < step_count; i++) {
        int64_t end = time_shift_apply(shift, steps_time(steps, i));
        windows->low[i] = (uint32_t)sample_cursor_move(&low, timestamps_ms, count, end - range_ms);
        windows->high[i] = (uint32_t)sample_cursor_move(&high, timestamps_ms, count, end);
    }
    if (shift->is_fixed)
        windows_repeat(windows, steps->count);
}

void windows_anchor(struct windows *windows, const int64_t *timestamps_ms, size_t count,
                    const struct promql_steps *steps, const struct time_shift *shift,
                    int64_t range_ms)
{
    size_t step_count = shift->is_fixed ? 1 : steps->count;
    struct sample_cursor cursor = {0};
    for (size_t i = 0; i < step_count; i++) {
        int64_t start = time_shift_apply(shift, steps_time(steps, i)) - range_ms;
        uint32_t low = windows->low[i], high = windows->high[i];
        uint32_t before = (uint32_t)sample_cursor_move(&cursor, timestamps_ms, count, start);
        ASSERT(before >= low);
        if (before >= high)
            windows->low[i] = high;
        else if (before > low)
            windows->low[i] = before - 1;
    }
    if (shift->is_fixed)
        windows_repeat(windows, steps->count);
}
