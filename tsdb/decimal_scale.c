/* A decimal under one exponent is one under all higher ones, until its integer grows too large. */
#include "tsdb/decimal_scale.h"

#include "base/assert.h"
#include "base/compiler.h"
#include "tsdb/column_kernels.h"

#include <math.h>

#define SAMPLE_SIZE 32
/* What a value costs that is listed aside, and what another decimal costs each of the others, in
 * bits. */
#define EXCEPTION_BITS 85.0
#define DIGIT_BITS 3.33
/* What a value costs at most as bits, about. */
#define RAW_BITS 56.0

/* Sums of nanoseconds have 9 decimals; a sample of few would find exponents by chance. */
#define NEAR_EXPONENT_MAX 9
#define NEAR_SAMPLE_SIZE 16
#define NEAR_SHARE 64
#define INTEGER_LIMIT 2251799813685248.0 /* 2^51 */

static bool is_decimal(double value, unsigned exponent)
{
    uint64_t integer;
    return column_kernels()->to_integers(&value, 1, exponent, &integer) == 0;
}

unsigned decimal_scale_least(double value, unsigned exponent)
{
    while (exponent <= DECIMAL_EXPONENT_MAX && !is_decimal(value, exponent))
        exponent++;
    return exponent;
}

/* The same from any exponent, which is a guess. */
static unsigned least_near(double value, unsigned guess)
{
    if (!is_decimal(value, guess))
        return decimal_scale_least(value, 0);
    while (guess > 0 && is_decimal(value, guess - 1))
        guess--;
    return guess;
}

bool decimal_scale_choose(const double *values, size_t count, unsigned *out_exponent)
{
    ASSERT(count > 0);
    unsigned needs[DECIMAL_EXPONENT_MAX + 2] = {0}; /* the last: no decimal */
    size_t size = MIN(count, (size_t)SAMPLE_SIZE);
    unsigned guess = 0;
    size_t taken = 0;
    for (size_t i = 0; i < size; i++) {
        double value = values[i * count / size];
        if (!isfinite(value))
            continue;
        unsigned least = least_near(value, guess);
        needs[least]++;
        taken++;
        if (least <= DECIMAL_EXPONENT_MAX)
            guess = least;
        else if (needs[least] >= 12 && needs[least] * 2 > taken)
            return false;
    }
    size_t misses = taken;
    double best = (double)taken * RAW_BITS;
    bool found = taken == 0;
    *out_exponent = 0;
    for (unsigned exponent = 0; exponent <= DECIMAL_EXPONENT_MAX; exponent++) {
        misses -= needs[exponent];
        double bits = (double)misses * EXCEPTION_BITS + (double)taken * exponent * DIGIT_BITS;
        if (bits >= best || misses * 2 > taken)
            continue;
        best = bits;
        found = true;
        *out_exponent = exponent;
    }
    return found;
}

/* How far the value is from the nearest decimal, in units of its last place; less than a 64th of
 * the way to the next decimal, which chance does not do often. */
static bool is_near(double value, unsigned exponent)
{
    uint64_t integer;
    double nearest;
    column_kernels()->to_integers(&value, 1, exponent, &integer);
    column_kernels()->decimals(&integer, 1, exponent, &nearest);
    double step = pow(10, -(double)exponent);
    return fabs(value) < step * INTEGER_LIMIT && fabs(value - nearest) < step / NEAR_SHARE;
}

bool decimal_scale_near(const double *values, size_t count, unsigned *out_exponent)
{
    size_t size = MIN(count, (size_t)NEAR_SAMPLE_SIZE);
    for (unsigned exponent = 0; exponent <= NEAR_EXPONENT_MAX; exponent++) {
        size_t near = 0;
        while (near < size) {
            double value = values[near * count / size];
            if (isfinite(value) && !is_near(value, exponent))
                break;
            near++;
        }
        *out_exponent = exponent;
        if (near == size)
            return true;
    }
    return false;
}
