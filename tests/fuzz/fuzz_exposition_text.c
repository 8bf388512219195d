/* The text format: fast path and tokens agree. A newline is put behind the body, for one without it
 * is refused at once. */
#include "tests/fuzz/exposition_fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = malloc(size + 1);
    memcpy(body, data, size);
    body[size] = '\n';
    fuzz_exposition(slice_from(body, size + 1), false);
    free(body);
    return 0;
}
