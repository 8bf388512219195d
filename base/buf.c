/* Growing buffers with a maximum. */
#include "base/buf.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *buf, size_t size_max)
{
    ASSERT(size_max <= BUF_SIZE_ANY);
    *buf = (struct buf){.size_max = size_max};
}

void buf_release(struct buf *buf)
{
    if (buf == NULL)
        return;
    mem_free(buf->data);
    *buf = (struct buf){.size_max = buf->size_max};
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->overflow = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

char *buf_reserve(struct buf *buf, size_t len)
{
    if (UNLIKELY(len > buf->size_max || buf->len > buf->size_max - len)) {
        buf->overflow = true;
        return NULL;
    }
    size_t needed = buf->len + len + 1;
    if (needed > buf->capacity) {
        size_t capacity = buf->capacity < 64 ? 64 : buf->capacity + buf->capacity / 2;
        if (capacity < needed)
            capacity = needed;
        if (capacity > buf->size_max + 1)
            capacity = buf->size_max + 1;
        buf->data = mem_realloc(buf->data, capacity);
        buf->capacity = capacity;
        buf->data[buf->len] = '\0';
    }
    return buf->data + buf->len;
}

void buf_commit(struct buf *buf, size_t len)
{
    ASSERT(buf->len + len < buf->capacity || len == 0);
    buf->len += len;
    if (buf->data != NULL)
        buf->data[buf->len] = '\0';
}

bool buf_append(struct buf *buf, const void *data, size_t len)
{
    char *to = buf_reserve(buf, len);
    if (UNLIKELY(to == NULL))
        return false;
    if (len > 0)
        memcpy(to, data, len);
    buf_commit(buf, len);
    return true;
}

bool buf_append_slice(struct buf *buf, struct slice slice)
{
    return buf_append(buf, slice.ptr, slice.len);
}

bool buf_append_str(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

bool buf_append_byte(struct buf *buf, char byte)
{
    return buf_append(buf, &byte, 1);
}

bool buf_vprintf(struct buf *buf, const char *format, va_list arguments)
{
    va_list copy;
    va_copy(copy, arguments);
    int len = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    ASSERT(len >= 0);
    char *to = buf_reserve(buf, (size_t)len);
    if (to == NULL)
        return false;
    vsnprintf(to, (size_t)len + 1, format, arguments);
    buf_commit(buf, (size_t)len);
    return true;
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool fits = buf_vprintf(buf, format, arguments);
    va_end(arguments);
    return fits;
}

bool buf_append_uint(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return buf_append(buf, digits + at, sizeof(digits) - at);
}

bool buf_append_int(struct buf *buf, int64_t value)
{
    if (value >= 0)
        return buf_append_uint(buf, (uint64_t)value);
    return buf_append_byte(buf, '-') && buf_append_uint(buf, -(uint64_t)value);
}

void buf_truncate(struct buf *buf, size_t len)
{
    ASSERT(len <= buf->len);
    buf->len = len;
    if (buf->data != NULL)
        buf->data[len] = '\0';
}

void buf_consume(struct buf *buf, size_t len)
{
    ASSERT(len <= buf->len);
    if (len == 0)
        return;
    memmove(buf->data, buf->data + len, buf->len - len);
    buf_truncate(buf, buf->len - len);
}

char *buf_take(struct buf *buf)
{
    char *data = buf->data != NULL ? buf->data : mem_strndup("", 0);
    *buf = (struct buf){.size_max = buf->size_max};
    return data;
}
