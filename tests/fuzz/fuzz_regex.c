/* The first line is an expression, the second a replacement, the rest what is matched. */
#include "base/regex.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice next_line(struct slice *rest)
{
    size_t end = slice_index(*rest, '\n');
    struct slice line = end == SLICE_NONE ? *rest : slice_sub(*rest, 0, end);
    *rest = slice_from_index(*rest, end == SLICE_NONE ? rest->len : end + 1);
    return line;
}

static void run(const struct regex *regex, struct slice replacement, struct slice text)
{
    struct regex_match match;
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 1 << 20);
    bool found = regex_match(regex, text);
    if (found != regex_match_groups(regex, text, &match))
        __builtin_trap();
    if (found)
        regex_expand(regex, replacement, &match, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_from((const char *)data, size);
    struct slice pattern = next_line(&rest);
    struct slice replacement = next_line(&rest);
    struct regex *regex = NULL;
    struct errbuf err = ERRBUF_INIT;
    if (regex_new(pattern, &regex, &err) == ERR_NONE) {
        run(regex, replacement, rest);
        regex_free(regex);
    } else if (err.text[0] == '\0') {
        __builtin_trap();
    }
    regex = NULL;
    if (regex_new_unanchored(pattern, &regex, NULL) == ERR_NONE) {
        run(regex, replacement, rest);
        regex_free(regex);
    }
    return 0;
}
