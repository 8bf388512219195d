/* Ends the process with the text of a broken promise. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "ferula: %s:%d: assertion failed: %s\n", file, line, text);
    abort();
}
