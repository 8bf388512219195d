/*
 * A growing array: `struct VEC(struct sample)` has items, len and cap. Zero-initialised is empty.
 *
 *     VEC(struct sample) samples = {0};
 *     vec_push(&samples, (struct sample){...});
 *     vec_release(&samples);
 *
 * Elements are moved by growth: do not keep pointers to them across a push. Thread-safety: none.
 */
#pragma once

#include "base/alloc.h"
#include "base/assert.h"
#include "base/compiler.h"

#include <stddef.h>
#include <string.h>

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t len;                                                                                \
        size_t cap;                                                                                \
    }

/* The capacity that follows `cap` and holds at least `needed`. */
static inline size_t vec_capacity(size_t cap, size_t needed)
{
    size_t next = cap < 8 ? 8 : cap + cap / 2;
    return next < needed ? needed : next;
}

#define vec_reserve(vec, more)                                                                     \
    do {                                                                                           \
        size_t vec_needed_ = (vec)->len + (more);                                                  \
        if (vec_needed_ > (vec)->cap) {                                                            \
            (vec)->cap = vec_capacity((vec)->cap, vec_needed_);                                    \
            (vec)->items = mem_realloc_array((vec)->items, (vec)->cap, sizeof(*(vec)->items));     \
        }                                                                                          \
    } while (0)

#define vec_push(vec, ...)                                                                         \
    do {                                                                                           \
        vec_reserve((vec), 1);                                                                     \
        (vec)->items[(vec)->len++] = (__VA_ARGS__);                                                \
    } while (0)

/* Adds an element with all bytes 0 and returns its address. */
#define vec_add(vec)                                                                               \
    ({                                                                                             \
        vec_reserve((vec), 1);                                                                     \
        memset(&(vec)->items[(vec)->len], 0, sizeof(*(vec)->items));                               \
        &(vec)->items[(vec)->len++];                                                               \
    })

#define vec_pop(vec)                                                                               \
    ({                                                                                             \
        ASSERT((vec)->len > 0);                                                                    \
        (vec)->items[--(vec)->len];                                                                \
    })

#define vec_last(vec)                                                                              \
    ({                                                                                             \
        ASSERT((vec)->len > 0);                                                                    \
        &(vec)->items[(vec)->len - 1];                                                             \
    })

#define vec_reset(vec) ((void)((vec)->len = 0))

#define vec_release(vec)                                                                           \
    do {                                                                                           \
        mem_free((vec)->items);                                                                    \
        (vec)->items = NULL;                                                                       \
        (vec)->len = (vec)->cap = 0;                                                               \
    } while (0)
