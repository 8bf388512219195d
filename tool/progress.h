/*
 * One line on a terminal that says how far long work has come; nothing where stderr is none.
 *
 * Thread-safety: one owner.
 */
#pragma once

#include "base/compiler.h"

#include <stddef.h>

/* "text: 12/345", at most a few times a second. */
void progress_show(const char *text, size_t done, size_t total);
/* Clears the line, before anything else is written to the terminal. */
void progress_clear(void);
