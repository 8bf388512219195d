/* Values that move. */
#include "bench/walk.h"

#include <math.h>

#define PAGE_SIZE_BYTES 4096.0

struct walk walk_start(enum walk_kind kind, double constant, struct rand *rand)
{
    struct walk walk = {kind, 0};
    switch (kind) {
    case WALK_CONSTANT:
        walk.value = constant;
        break;
    case WALK_SECONDS:
        walk.value = (double)rand_below(rand, 500000000) / 100;
        break;
    case WALK_EVENTS:
    case WALK_BYTES:
        walk.value = (double)rand_below(rand, 4000000000);
        break;
    case WALK_PAGES:
        walk.value = (double)rand_below(rand, 4000000) * PAGE_SIZE_BYTES;
        break;
    case WALK_PERCENT:
        walk.value = (double)rand_below(rand, 101);
        break;
    case WALK_LOAD:
    case WALK_DURATION:
        walk.value = 0.5;
        break;
    }
    return walk;
}

/* Somewhere else within the bounds, at most `reach` away. */
static double walk_wander(double value, double low, double high, double reach, struct rand *rand)
{
    double next = value + round((rand_double(rand) * 2 - 1) * reach);
    return next < low ? low : next > high ? high : next;
}

/* Numbers of so many decimals, other than the present one. */
static double walk_decimals(double value, double scale, struct rand *rand)
{
    double next = (double)rand_below(rand, (uint64_t)(4 * scale)) / scale;
    return next == value ? next + 1 / scale : next;
}

double walk_next(struct walk *walk, double elapsed_s, struct rand *rand)
{
    switch (walk->kind) {
    case WALK_CONSTANT:
        break;
    case WALK_SECONDS: {
        double hundredths = round(walk->value * 100);
        double more = 1 + (double)rand_below(rand, (uint64_t)(elapsed_s * 100));
        walk->value = (hundredths + more) / 100;
        break;
    }
    case WALK_EVENTS:
        walk->value += 1 + (double)rand_below(rand, (uint64_t)(elapsed_s * 300) + 1);
        break;
    case WALK_BYTES:
        walk->value += 1 + (double)rand_below(rand, (uint64_t)(elapsed_s * 1e6) + 1);
        break;
    case WALK_PAGES: {
        double pages = walk_wander(walk->value / PAGE_SIZE_BYTES, 1, 8e6, 2000, rand);
        double next = pages * PAGE_SIZE_BYTES;
        walk->value = next == walk->value ? next + PAGE_SIZE_BYTES : next;
        break;
    }
    case WALK_PERCENT:
        walk->value = walk_wander(walk->value, 0, 100, 3, rand);
        break;
    case WALK_LOAD:
        walk->value = walk_decimals(walk->value, 100, rand);
        break;
    case WALK_DURATION:
        walk->value = walk_decimals(walk->value, 1e9, rand);
        break;
    }
    return walk->value;
}
