/*
 * The files of the web pages (ui/), embedded in the binary by ui/embed.py at build time. Static data;
 * any thread.
 */
#pragma once

#include "base/slice.h"

#include <stddef.h>

struct asset {
    const char *name; /* "style.css" */
    const char *content_type;
    struct slice content;
};

extern const struct asset assets[];
extern const size_t asset_count;
