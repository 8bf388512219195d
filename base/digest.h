/*
 * Digests whose results others expect (nettle; digest.c is its only user): MD5 (RFC 1321) for
 * relabelling's hashmod, SHA-256 (FIPS 180-4) for the tokens of the rules API. Not for secrets.
 * Thread-safety: no state.
 */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#define DIGEST_MD5_BYTES 16
#define DIGEST_SHA256_BYTES 32

void digest_md5(struct slice message, uint8_t out[DIGEST_MD5_BYTES]);
void digest_sha256(struct slice message, uint8_t out[DIGEST_SHA256_BYTES]);
