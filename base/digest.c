/* Two digests by nettle, which the TLS library of libcurl loads anyway. */
#include "base/digest.h"

#include <nettle/md5.h>
#include <nettle/sha2.h>

_Static_assert(DIGEST_MD5_BYTES == MD5_DIGEST_SIZE, "size of MD5");
_Static_assert(DIGEST_SHA256_BYTES == SHA256_DIGEST_SIZE, "size of SHA-256");

void digest_md5(struct slice message, uint8_t out[DIGEST_MD5_BYTES])
{
    struct md5_ctx state;
    md5_init(&state);
    md5_update(&state, message.len, (const uint8_t *)message.ptr);
    md5_digest(&state, DIGEST_MD5_BYTES, out);
}

void digest_sha256(struct slice message, uint8_t out[DIGEST_SHA256_BYTES])
{
    struct sha256_ctx state;
    sha256_init(&state);
    sha256_update(&state, message.len, (const uint8_t *)message.ptr);
    sha256_digest(&state, DIGEST_SHA256_BYTES, out);
}
