/*
 * The shortest decimal digits that read back as the same double, and of those the nearest: the
 * digits of Go's strconv with precision -1.
 *
 * The idea is Raffaello Giulietti's ("The Schubfach way to render doubles"): the value and the two
 * ends of its rounding interval are multiplied by one power of ten, of which 128 bits are enough,
 * so that at most two candidates of each of two lengths are left to compare. Base of the printing
 * of JSON points, hence written for speed: about 10 ns a number.
 *
 * Thread-safety: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FLOAT_DIGITS_MAX 17
#define FLOAT_DIGITS_WORDS 3

/* d.ddd times 10 to the exponent; zero is one digit 0. The digits are the bytes of the words in memory,
 * and zeros behind them: whole words travel from registers to registers, since a load that spans several
 * stores waits for all of them. */
struct float_digits {
    int exponent;
    unsigned count;
    uint64_t words[FLOAT_DIGITS_WORDS];
};

/* `magnitude` is finite and not negative. */
void float_digits_shortest(double magnitude, struct float_digits *out);

/* private: the table that base/float_powers.py makes */
#define FLOAT_POWER_FIRST (-292)
#define FLOAT_POWER_LAST 324
extern const uint64_t float_powers[FLOAT_POWER_LAST - FLOAT_POWER_FIRST + 1][2];

#ifdef __cplusplus
}
#endif
