/* Error codes and their texts. */
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void errbuf_reset_place(struct errbuf *err, enum err code)
{
    err->code = code;
    err->line = 0;
    err->column = 0;
    err->position = 0;
}

enum err errbuf_set_va(struct errbuf *err, enum err code, const char *format, va_list arguments)
{
    if (err == NULL)
        return code;
    errbuf_reset_place(err, code);
    vsnprintf(err->text, sizeof(err->text), format, arguments);
    return code;
}

enum err errbuf_set(struct errbuf *err, enum err code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    errbuf_set_va(err, code, format, arguments);
    va_end(arguments);
    return code;
}

enum err errbuf_set_at(struct errbuf *err, enum err code, uint32_t line, uint32_t column,
                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    errbuf_set_va(err, code, format, arguments);
    va_end(arguments);
    if (err != NULL) {
        err->line = line;
        err->column = column;
    }
    return code;
}

void errbuf_prefix(struct errbuf *err, const char *format, ...)
{
    if (err == NULL)
        return;
    char text[ERRBUF_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof(text))
        return;
    size_t left = sizeof(text) - (size_t)len - 1;
    size_t old_len = strnlen(err->text, sizeof(err->text) - 1);
    if (old_len > left)
        old_len = left;
    memcpy(text + len, err->text, old_len);
    text[(size_t)len + old_len] = '\0';
    memcpy(err->text, text, (size_t)len + old_len + 1);
}

enum err errbuf_set_errno(struct errbuf *err, int error_number, const char *format, ...)
{
    enum err code = ERR_IO;
    if (error_number == ENOSPC || error_number == EDQUOT)
        code = ERR_NO_SPACE;
    else if (error_number == ENOENT)
        code = ERR_NOT_FOUND;
    else if (error_number == EEXIST)
        code = ERR_EXISTS;
    if (err == NULL)
        return code;
    va_list arguments;
    va_start(arguments, format);
    errbuf_set_va(err, code, format, arguments);
    va_end(arguments);
    char reason[128];
    const char *text = strerror_r(error_number, reason, sizeof(reason));
    size_t len = strlen(err->text);
    /* the reference's texts begin in lower case */
    snprintf(err->text + len, sizeof(err->text) - len, ": %c%s", tolower((unsigned char)text[0]),
             text + (text[0] != '\0'));
    return code;
}

const char *err_name(enum err code)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",
        [ERR_INVALID] = "invalid",
        [ERR_NOT_FOUND] = "not_found",
        [ERR_EXISTS] = "exists",
        [ERR_LIMIT] = "limit",
        [ERR_CORRUPT] = "corrupt",
        [ERR_IO] = "io",
        [ERR_NO_SPACE] = "no_space",
        [ERR_TIMEOUT] = "timeout",
        [ERR_CANCELED] = "canceled",
        [ERR_UNAVAILABLE] = "unavailable",
        [ERR_UNSUPPORTED] = "unsupported",
        [ERR_EXECUTION] = "execution",
    };
    return (size_t)code < ARRAY_SIZE(names) ? names[code] : "unknown";
}
