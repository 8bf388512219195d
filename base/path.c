#include "base/path.h"

#include "base/buf.h"

#include <stdarg.h>

char *path_print(const char *format, ...)
{
    struct buf path;
    va_list arguments;
    buf_init(&path, PATH_SIZE_MAX);
    va_start(arguments, format);
    (void)!buf_vprintf(&path, format, arguments);
    va_end(arguments);
    return buf_take(&path);
}

char *path_join(const char *directory, const char *name)
{
    return path_print("%s/%s", directory, name);
}
