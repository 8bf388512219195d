/*
 * A borrowed run of bytes: pointer and length, not terminated. Text in ferula is UTF-8 unless a
 * header says otherwise. Whoever hands out a slice says how long it is valid.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *ptr;
    size_t len;
};

/* For string literals only. */
#define SLICE(literal) ((struct slice){"" literal "", sizeof(literal) - 1})
#define SLICE_EMPTY ((struct slice){"", 0})
/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)(s).len, (s).ptr

static inline struct slice slice_from(const char *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

static inline struct slice slice_str(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *text)
{
    return slice_eq(a, slice_str(text));
}

/* Byte order, shorter first where one is the prefix of the other. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static inline bool slice_has_prefix(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool slice_has_suffix(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* From `start` to the end; start must not be above len. */
static inline struct slice slice_from_index(struct slice s, size_t start)
{
    return (struct slice){s.ptr + start, s.len - start};
}

static inline struct slice slice_sub(struct slice s, size_t start, size_t len)
{
    return (struct slice){s.ptr + start, len};
}

#define SLICE_NONE SIZE_MAX

/* Index of the first `byte`, or SLICE_NONE. */
static inline size_t slice_index(struct slice s, char byte)
{
    const char *at =
        s.len == 0 ? NULL : (const char *)memchr(s.ptr, byte, s.len);
    return at == NULL ? SLICE_NONE : (size_t)(at - s.ptr);
}

/* Index of the first `needle`, or SLICE_NONE. An empty needle is at 0. */
static inline size_t slice_find(struct slice s, struct slice needle)
{
    if (needle.len == 0)
        return 0;
    const char *at =
        s.len < needle.len ? NULL : (const char *)memmem(s.ptr, s.len, needle.ptr, needle.len);
    return at == NULL ? SLICE_NONE : (size_t)(at - s.ptr);
}

/* Without the bytes of ASCII white space (space, tab, CR, LF) at both ends. */
static inline struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[0]) != NULL && s.ptr[0] != '\0')
        s.ptr++, s.len--;
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1]) != NULL && s.ptr[s.len - 1] != '\0')
        s.len--;
    return s;
}
