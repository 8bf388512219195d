/*
 * The URL of a target from its labels: scheme, address, path, and a query sorted by name in which a
 * label
 * __param_<name> stands for the first value of that parameter. Written as Go's net/url writes it.
 * Thread-safety: no state.
 */
#pragma once

#include "base/buf.h"
#include "config/config.h"
#include "model/labels.h"

void target_url_print(const struct labels *labels, const struct config_scrape *scrape,
                      struct buf *out);
