/*
 * SHA-256 (FIPS 180-4), for the tokens by which clients ask for the next page of rule groups: they are
 * the reference's. Not for secrets. Thread-safety: no state.
 */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#define SHA256_BYTES 32

void sha256(struct slice text, uint8_t out[SHA256_BYTES]);
