#include "tests/support/kept_log.h"

#include "base/buf.h"
#include "base/log.h"

#include <string.h>

#define KEPT_BYTES_MAX ((size_t)16 << 20)

static struct buf kept;

static void keep(const char *line, size_t len, void *context)
{
    buf_append(&kept, line, len);
}

void kept_log_start(void)
{
    buf_init(&kept, KEPT_BYTES_MAX);
    log_set_sink(keep, NULL);
}

void kept_log_stop(void)
{
    log_set_sink(NULL, NULL);
    buf_release(&kept);
}

void kept_log_clear(void)
{
    buf_reset(&kept);
}

const char *kept_log_text(void)
{
    return buf_cstr(&kept);
}

bool kept_log_has(const char *text)
{
    return strstr(kept_log_text(), text) != NULL;
}

size_t kept_log_count(const char *text)
{
    size_t count = 0;
    for (const char *at = kept_log_text(); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}
