/*
 * Recognises regular expressions that need no regex engine: sets of literals (with groups, which
 * are multiplied out), and a literal before, or between, "any text". Private to model/matcher.c.
 *
 * What is not understood for certain, an error in the expression included, is MATCHER_SHAPE_REGEX.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"
#include "model/matcher.h"

#include <stddef.h>

struct matcher_form {
    enum matcher_shape shape;
    struct slice *literals; /* in the arena; in no order, duplicates possible */
    size_t literal_count;
};

struct matcher_form matcher_form_of(struct slice pattern, struct arena *arena);
