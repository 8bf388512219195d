/*
 * Heap memory. Allocation never returns NULL: it ends the process with the size that was asked for.
 * That is safe only because every size that a user can influence is checked against a limit first
 * (ERR_LIMIT), every buffer is created with a maximum, and every arena and queue has a cap.
 *
 * Thread-safety: as malloc.
 */
#pragma once

#include "base/compiler.h"

#include <stddef.h>

void *mem_alloc(size_t size) MUST_CHECK;
void *mem_zalloc(size_t size) MUST_CHECK;
void *mem_realloc(void *pointer, size_t size) MUST_CHECK;
/* count * size with a check for overflow, which ends the process. */
void *mem_alloc_array(size_t count, size_t size) MUST_CHECK;
void *mem_zalloc_array(size_t count, size_t size) MUST_CHECK;
void *mem_realloc_array(void *pointer, size_t count, size_t size) MUST_CHECK;
char *mem_strdup(const char *text) MUST_CHECK;
/* A copy of `size` bytes with a NUL behind them. */
char *mem_strndup(const char *text, size_t size) MUST_CHECK;
void *mem_dup(const void *data, size_t size) MUST_CHECK;
void mem_free(void *pointer);
/* Gives what is free to the system, as far as whole pages are: after work that took much. */
void mem_trim(void);
/* Gets the pages behind large memory that will soon be written all over, in one go: taken one by one, at
 * the first touch, they cost several times as much. */
void mem_populate(void *pointer, size_t size);
/* At the start: larger blocks never share the heap with small ones, so that a table that doubled
 * leaves no hole among what lives for long. (Left alone, the allocator raises that limit up to 32 MiB
 * as it sees large blocks freed.) */
void mem_keep_large_apart(void);

/* For CLEANUP(mem_cleanup) on any pointer variable. */
static inline void mem_cleanup(void *pointer_to_pointer)
{
    mem_free(*(void **)pointer_to_pointer);
}
