/*
 * What a reader of foreign files found on its way and read on: damage, and what is worth a word.
 * The reader collects, the command tells.
 *
 * Ownership: an embedded value. Thread-safety: one owner. Limits: of many notes only the first are
 * kept; all are counted.
 */
#pragma once

#include "base/compiler.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>

#define NOTES_KEPT_MAX 50

struct notes {
    VEC(char *) texts;
    size_t damaged;  /* how many spoke of damage */
    size_t left_out; /* notes that were not kept */
};

/* `notes` may be NULL: then nobody is interested. */
void notes_add(struct notes *notes, bool is_damage, const char *format, ...) PRINTF_LIKE(3, 4);
void notes_release(struct notes *notes);
