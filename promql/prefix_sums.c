#include "promql/prefix_sums.h"

#include "base/compiler.h"

#include <math.h>

#define WHOLE_MAX 0x1p53
/* Adding and subtracting this rounds what is below 2^51 to a whole number. */
#define ROUND 0x1.8p52
#define VALUE_MAX 0x1p51
/* Between two looks at whether it is worth going on. */
#define BLOCK 64

bool prefix_sums_exact(const double *values, size_t count, double *sums)
{
    double sum = 0, magnitude = 0;
    sums[0] = 0;
    for (size_t first = 0; first < count; first += BLOCK) {
        size_t end = MIN(count, first + BLOCK);
        bool whole = true;
        for (size_t i = first; i < end; i++) {
            double value = values[i];
            whole &= ((value + ROUND) - ROUND == value) & (fabs(value) < VALUE_MAX);
            magnitude += fabs(value);
            sum += value;
            sums[i + 1] = sum;
        }
        if (!whole || !(magnitude < WHOLE_MAX))
            return false;
    }
    return true;
}
