/* Bump allocation in blocks that double in size. */
#include "base/arena.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ARENA_BLOCK_FIRST ((size_t)4096)
#define ARENA_BLOCK_LARGEST ((size_t)1 << 20)
#define ARENA_ALIGNMENT ((size_t)16)

struct arena_block {
    struct arena_block *previous;
    size_t size; /* of data */
    _Alignas(16) char data[];
};

void arena_init(struct arena *arena, size_t size_max)
{
    *arena = (struct arena){.size_max = size_max};
}

static void arena_free_until(struct arena *arena, struct arena_block *last)
{
    while (arena->current != last) {
        struct arena_block *block = arena->current;
        ASSERT(block != NULL);
        arena->current = block->previous;
        mem_free(block);
    }
}

void arena_release(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_free_until(arena, NULL);
    arena_init(arena, arena->size_max);
}

void arena_reset(struct arena *arena)
{
    if (arena->current == NULL)
        return;
    struct arena_block *keep = arena->current;
    arena->current = keep->previous;
    arena_free_until(arena, NULL);
    keep->previous = NULL;
    arena->current = keep;
    arena->next = keep->data;
    arena->end = keep->data + keep->size;
    arena->used = 0;
}

static void arena_add_block(struct arena *arena, size_t size)
{
    size_t first = arena->block_size_first == 0 ? ARENA_BLOCK_FIRST : arena->block_size_first;
    size_t block_size = arena->current == NULL ? first : arena->current->size * 2;
    if (block_size > ARENA_BLOCK_LARGEST)
        block_size = ARENA_BLOCK_LARGEST;
    if (block_size < size)
        block_size = size;
    struct arena_block *block = mem_alloc(sizeof(*block) + block_size);
    block->previous = arena->current;
    block->size = block_size;
    arena->current = block;
    arena->next = block->data;
    arena->end = block->data + block_size;
}

void *arena_try_alloc(struct arena *arena, size_t size)
{
    if (size > arena->size_max)
        return NULL;
    size_t rounded = (size + ARENA_ALIGNMENT - 1) & ~(ARENA_ALIGNMENT - 1);
    if (rounded > arena->size_max || arena->used > arena->size_max - rounded)
        return NULL;
    if (arena->current == NULL || (size_t)(arena->end - arena->next) < rounded)
        arena_add_block(arena, rounded);
    void *pointer = arena->next;
    arena->next += rounded;
    arena->used += rounded;
    return pointer;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *pointer = arena_try_alloc(arena, size);
    if (UNLIKELY(pointer == NULL)) {
        fprintf(stderr, "ferula: arena of at most %zu bytes cannot give %zu more\n",
                arena->size_max, size);
        assert_failed(__FILE__, __LINE__, "arena within its maximum");
    }
    return pointer;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

static size_t arena_array_size(size_t count, size_t size)
{
    size_t total;
    return __builtin_mul_overflow(count, size, &total) ? SIZE_MAX : total;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    return arena_alloc(arena, arena_array_size(count, size));
}

void *arena_zalloc_array(struct arena *arena, size_t count, size_t size)
{
    return arena_zalloc(arena, arena_array_size(count, size));
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return (char *)arena_slice(arena, slice_str(text)).ptr;
}

struct slice arena_slice(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (struct slice){copy, text.len};
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return text;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->current, arena->next, arena->used};
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
    arena_free_until(arena, mark.block);
    arena->used = mark.used;
    if (mark.block == NULL) {
        arena->next = arena->end = NULL;
        return;
    }
    arena->next = mark.next;
    arena->end = mark.block->data + mark.block->size;
}
