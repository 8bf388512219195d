#include "promql/natural_order.h"

#include <stdint.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A run of digits or of anything else from the front; the rest stays. */
static struct slice take_chunk(struct slice *text)
{
    size_t len = 1;
    while (len < text->len && is_digit(text->ptr[len]) == is_digit(text->ptr[0]))
        len++;
    struct slice chunk = slice_sub(*text, 0, len);
    *text = slice_from_index(*text, len);
    return chunk;
}

static bool parse_number(struct slice chunk, int64_t *out)
{
    int64_t value = 0;
    if (!is_digit(chunk.ptr[0]))
        return false;
    for (size_t i = 0; i < chunk.len; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, chunk.ptr[i] - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

bool natural_less(struct slice a, struct slice b)
{
    while (a.len > 0) {
        if (b.len == 0)
            return false;
        struct slice x = take_chunk(&a);
        struct slice y = take_chunk(&b);
        int64_t m, n;
        bool numbers = parse_number(x, &m) && parse_number(y, &n);
        if (numbers ? m != n : !slice_eq(x, y))
            return numbers ? m < n : slice_cmp(x, y) < 0;
        /* equal so far: the one that ends first comes first, of two the first */
        if (a.len == 0)
            return true;
        if (b.len == 0)
            return false;
    }
    return false;
}
