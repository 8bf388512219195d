/*
 * What the code under test logs, kept as text instead of being printed.
 *
 * Thread-safety: lines may come from any thread; the rest from one, while nobody logs.
 */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

void kept_log_start(void);
/* Lines go to stderr again; the text is gone. */
void kept_log_stop(void);
void kept_log_clear(void);
/* All lines since the start or the last clear. */
const char *kept_log_text(void);
bool kept_log_has(const char *text);
/* How often the text stands in it. */
size_t kept_log_count(const char *text);
