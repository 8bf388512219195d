/* MD5 (RFC 1321), for relabelling's hashmod only, whose results must be the reference's.
 * Thread-safety: no state. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#define MD5_SIZE 16

void md5(struct slice message, uint8_t out[MD5_SIZE]);
