/*
 * The order in which people count: a2 before a10. As github.com/facette/natsort compares, which the
 * reference uses. Thread-safety: no state.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

/* Does `a` come before `b`? */
bool natural_less(struct slice a, struct slice b);
