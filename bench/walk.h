/*
 * Values that move as those of real series do: counters of seconds, bytes and events, gauges that
 * wander. All come from a seed, so every server is given the same numbers.
 *
 * Thread-safety: one owner.
 */
#pragma once

#include "base/rand.h"

#include <stdbool.h>

enum walk_kind {
    WALK_CONSTANT,
    WALK_SECONDS,  /* counter of seconds with two decimals, at most one second a second */
    WALK_EVENTS,   /* counter, some to some thousands more each time */
    WALK_BYTES,    /* counter, up to a megabyte a second */
    WALK_PAGES,    /* gauge of bytes in pages of 4096 */
    WALK_PERCENT,  /* integer gauge between 0 and 100 that wanders */
    WALK_LOAD,     /* gauge with two decimals */
    WALK_DURATION, /* gauge of seconds with nine decimals */
};

struct walk {
    enum walk_kind kind;
    double value;
};

/* A start value for the kind; `constant` is that of WALK_CONSTANT. */
struct walk walk_start(enum walk_kind kind, double constant, struct rand *rand);
/* The value `elapsed_s` seconds later; of all kinds but WALK_CONSTANT and WALK_PERCENT it differs. */
double walk_next(struct walk *walk, double elapsed_s, struct rand *rand);
