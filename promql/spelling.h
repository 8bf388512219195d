/*
 * Which word was probably meant: the one of a list that differs in a letter or two, in any case.
 * Thread-safety: functions without state.
 */
#pragma once

#include "base/slice.h"

#include <stddef.h>

/* Longer words are never suggested, and have no suggestion. */
#define SPELLING_LEN_MAX 32

struct spelling {
    struct slice word; /* as it was written */
    struct slice best; /* empty = none so far */
    size_t distance;
};

void spelling_init(struct spelling *spelling, struct slice word);
void spelling_consider(struct spelling *spelling, struct slice candidate);
