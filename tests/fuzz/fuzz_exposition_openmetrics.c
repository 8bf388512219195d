/* OpenMetrics: fast path and tokens agree. */
#include "tests/fuzz/exposition_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_exposition(slice_from((const char *)data, size), true);
    return 0;
}
