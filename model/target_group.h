/*
 * What discovery finds: groups of targets with labels. A target is a set of labels, of which
 * `__address__` is one; the group's labels apply where the target has none of that name.
 *
 * Ownership: a group owns its label sets. Thread-safety: immutable after it is handed over.
 */
#pragma once

#include "base/vec.h"
#include "model/labels.h"

struct target_group {
    char *source;                /* identifies the group within its discovery: file name, index */
    const struct labels *labels; /* counted */
    VEC(const struct labels *) targets; /* counted */
};

struct target_group *target_group_new(const char *source) MUST_CHECK;
void target_group_free(struct target_group *group);
