/*
 * Random numbers from a seed (xoshiro256**, public domain by Blackman and Vigna), so that tests repeat.
 * Not for secrets. Thread-safety: one owner.
 */
#pragma once

#include <stdint.h>

struct rand {
    uint64_t state[4];
};

void rand_init(struct rand *rand, uint64_t seed);
/* A seed from the system. */
uint64_t rand_seed_system(void);
uint64_t rand_u64(struct rand *rand);
/* 0 <= result < bound; bound must not be 0. */
uint64_t rand_below(struct rand *rand, uint64_t bound);
/* 0 <= result < 1 */
double rand_double(struct rand *rand);
