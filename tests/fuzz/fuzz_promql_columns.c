/*
 * Bytes choose data and a query that the type check takes; the engine's columns have to be what the
 * naive evaluator finds at every step, errors included.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "tests/support/random_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing;
    struct random_bytes bytes = {.bytes = size == 0 ? &nothing : data, .len = size};
    struct random_outcome outcome;
    struct buf text;
    buf_init(&text, 1 << 20);
    if (!random_query_check(&bytes, &outcome, &text)) {
        fprintf(stderr, "%s\n", buf_cstr(&text));
        abort();
    }
    buf_release(&text);
    return 0;
}
