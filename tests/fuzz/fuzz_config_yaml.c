/*
 * Any bytes as a configuration: no crash, problems with a place, and what loads prints, loads again
 * and prints the same.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "config/config.h"

/* Larger inputs only repeat. */
#define INPUT_BYTES_MAX 65536
/* Names that begin with a slash, so that no file of the working directory is included. */
#define PATH "/nonexistent/ferula.yml"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct config *again = NULL;
    struct errbuf err = ERRBUF_INIT;
    struct buf problems;
    if (size > INPUT_BYTES_MAX)
        return 0;
    buf_init(&problems, 1 << 20);
    enum err error =
        config_parse(slice_from((const char *)data, size), PATH, &config, &problems, &err);
    if (error == ERR_INVALID) {
        ASSERT(slice_has_prefix(buf_slice(&problems), SLICE(PATH ":")));
    } else if (error == ERR_NONE && slice_find(config->printed, SLICE("<secret>")) == SLICE_NONE) {
        ASSERT(problems.len == 0);
        error = config_parse(config->printed, PATH, &again, &problems, &err);
        /* what is left out when it is zero may not be zero by default, so only what loads counts */
        if (error == ERR_NONE)
            ASSERT(again->scrape_count <= config->scrape_count);
    }
    config_unref(again);
    config_unref(config);
    buf_release(&problems);
    return 0;
}
