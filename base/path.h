/*
 * Paths of files: what most callers do with a buffer of their own otherwise.
 *
 * Ownership: the caller frees what is returned with mem_free. Thread-safety: pure.
 */
#pragma once

#include "base/compiler.h"

/* Longer than any path that the kernel takes; what is beyond it is cut, and refused there. */
#define PATH_SIZE_MAX 8192

char *path_print(const char *format, ...) PRINTF_LIKE(1, 2);

/* "directory/name" */
char *path_join(const char *directory, const char *name);
