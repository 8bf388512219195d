/*
 * ASSERT checks a promise of the program to itself and stays on in release builds; DCHECK is for
 * costly checks and exists in debug builds only. Neither may look at bytes that come from a socket
 * or a file: those are ERR_CORRUPT or ERR_INVALID.
 */
#pragma once

#include "base/compiler.h"

NORETURN void assert_failed(const char *file, int line, const char *text);

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (UNLIKELY(!(condition)))                                                                \
            assert_failed(__FILE__, __LINE__, #condition);                                         \
    } while (0)

#ifdef NDEBUG
#define DCHECK(condition)                                                                          \
    do {                                                                                           \
        (void)sizeof(condition);                                                                   \
    } while (0)
#else
#define DCHECK(condition) ASSERT(condition)
#endif
