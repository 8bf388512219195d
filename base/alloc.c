/* Heap memory that is there or ends the process. */
#include "base/alloc.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Such blocks are pages of their own from the system. Lower, and every query pays for pages that it
 * gave back a moment ago: with 128 KiB those of megabytes took half as long again. */
#define MEM_LARGE_BYTES (4 << 20)
/* What may lie free at the end of the heap: for the same reason not little. */
#define MEM_SPARE_BYTES (32 << 20)

NORETURN static void alloc_failed(size_t size)
{
    fprintf(stderr, "ferula: out of memory: %zu bytes were asked for\n", size);
    abort();
}

static size_t alloc_array_size(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        alloc_failed(SIZE_MAX);
    return total;
}

void *mem_alloc(size_t size)
{
    void *pointer = malloc(size == 0 ? 1 : size);
    if (UNLIKELY(pointer == NULL))
        alloc_failed(size);
    return pointer;
}

void *mem_zalloc(size_t size)
{
    void *pointer = calloc(1, size == 0 ? 1 : size);
    if (UNLIKELY(pointer == NULL))
        alloc_failed(size);
    return pointer;
}

void *mem_realloc(void *pointer, size_t size)
{
    void *moved = realloc(pointer, size == 0 ? 1 : size);
    if (UNLIKELY(moved == NULL))
        alloc_failed(size);
    return moved;
}

void *mem_alloc_array(size_t count, size_t size)
{
    return mem_alloc(alloc_array_size(count, size));
}

void *mem_zalloc_array(size_t count, size_t size)
{
    return mem_zalloc(alloc_array_size(count, size));
}

void *mem_realloc_array(void *pointer, size_t count, size_t size)
{
    return mem_realloc(pointer, alloc_array_size(count, size));
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t size)
{
    char *copy = mem_alloc(size + 1);
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

void *mem_dup(const void *data, size_t size)
{
    void *copy = mem_alloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

void mem_keep_large_apart(void)
{
    mallopt(M_MMAP_THRESHOLD, MEM_LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, MEM_SPARE_BYTES);
}

void mem_trim(void)
{
    malloc_trim(0);
}

void mem_free(void *pointer)
{
    free(pointer);
}

/* Whole pages only, and an error is none: they come at the first touch, then. */
void mem_populate(void *pointer, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)pointer + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)pointer + size) / page * page;
    if (first < end)
        (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}
