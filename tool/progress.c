#include "tool/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define INTERVAL_NS INT64_C(200000000)

static int64_t shown_ns;
static bool is_shown;

void progress_show(const char *text, size_t done, size_t total)
{
    int64_t now_ns = clock_monotonic_ns(clock_system);
    if (now_ns - shown_ns < INTERVAL_NS || isatty(STDERR_FILENO) == 0)
        return;
    shown_ns = now_ns;
    is_shown = true;
    fprintf(stderr, "\r\033[K%s: %zu/%zu", text, done, total);
    fflush(stderr);
}

void progress_clear(void)
{
    if (is_shown)
        fputs("\r\033[K", stderr);
    is_shown = false;
}
