/* Any bytes are a tree or an error, and a tree can be walked. */
#include "base/compiler.h"
#include "base/json_reader.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t visit(const struct json_value *value);

static bool visit_member(struct slice name, const struct json_value *member, void *context)
{
    *(size_t *)context += name.len + visit(member);
    return true;
}

static size_t visit(const struct json_value *value)
{
    size_t seen = 1 + json_value_string(value).len;
    for (size_t i = 0; i < json_array_size(value); i++)
        seen += visit(json_array_at(value, i));
    json_object_each(value, visit_member, &seen);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_value *root = NULL;
    struct errbuf err = ERRBUF_INIT;
    if (json_parse(slice_from((const char *)data, size), &root, &err) == ERR_NONE) {
        visit(root);
        json_value_free(root);
    } else if (err.line == 0 || err.position > size) {
        __builtin_trap();
    }
    return 0;
}
