/* xoshiro256**, seeded by splitmix64 as its authors advise. */
#include "base/rand.h"

#include "base/assert.h"

#include <sys/random.h>
#include <time.h>

static uint64_t rand_splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void rand_init(struct rand *rand, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rand->state[i] = rand_splitmix(&seed);
}

uint64_t rand_seed_system(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
        return seed;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec;
}

static uint64_t rand_rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t rand_u64(struct rand *rand)
{
    uint64_t *s = rand->state;
    uint64_t result = rand_rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rand_rotate_left(s[3], 45);
    return result;
}

/* Lemire's multiplication, with the rejection that makes it exact. */
uint64_t rand_below(struct rand *rand, uint64_t bound)
{
    ASSERT(bound > 0);
    unsigned __int128 product = (unsigned __int128)rand_u64(rand) * bound;
    if ((uint64_t)product < bound) {
        uint64_t threshold = -bound % bound;
        while ((uint64_t)product < threshold)
            product = (unsigned __int128)rand_u64(rand) * bound;
    }
    return (uint64_t)(product >> 64);
}

double rand_double(struct rand *rand)
{
    return (double)(rand_u64(rand) >> 11) * 0x1p-53;
}
