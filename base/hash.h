/*
 * 64-bit hashes for tables (XXH3 by xxHash, the only user of that library). Fast and well spread, not
 * meant to withstand an attacker by itself: tables that hold foreign input use a seed drawn at start.
 */
#pragma once

#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);

static inline uint64_t hash_slice(struct slice slice, uint64_t seed)
{
    return hash_bytes(slice.ptr, slice.len, seed);
}

/* Mixes a word into a hash (the finalizer of MurmurHash3, public domain). */
static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
    uint64_t x = hash ^ (word * 0x9e3779b97f4a7c15u);
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53u;
    x ^= x >> 33;
    return x;
}
