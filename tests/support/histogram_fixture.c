#include "tests/support/histogram_fixture.h"

#include <check.h>

#include "base/buf.h"
#include "model/histogram_arithmetic.h"
#include "tests/support/histogram_notation.h"

struct histogram *notated(struct arena *arena, const char *text)
{
    struct slice rest = slice_str(text);
    struct notated_histogram notated;
    ck_assert_msg(histogram_notation_take(&rest, arena, &notated) && rest.len == 0,
                  "cannot read %s", text);
    return notated.histogram;
}

void assert_notation(const struct histogram *histogram, const char *expected)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, 1 << 20);
    histogram_print_notation(histogram, &text);
    ck_assert_str_eq(buf_cstr(&text), expected);
}
