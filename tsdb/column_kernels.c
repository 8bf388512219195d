/* Which build of the kernels this processor runs. */
#include "tsdb/column_kernels.h"

#include <pthread.h>

extern const struct column_kernels column_loops_plain;
#ifdef COLUMN_WITH_V3
extern const struct column_kernels column_loops_v3;
#endif

static pthread_once_t column_once = PTHREAD_ONCE_INIT;
static const struct column_kernels *column_chosen = &column_loops_plain;

static void column_choose(void)
{
#ifdef COLUMN_WITH_V3
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        column_chosen = &column_loops_v3;
#endif
}

const struct column_kernels *column_kernels(void)
{
    pthread_once(&column_once, column_choose);
    return column_chosen;
}

const struct column_kernels *column_kernels_plain(void)
{
    return &column_loops_plain;
}
