/* Any bytes are fields or an error; bytes fields are tried as messages themselves. */
#include "base/protobuf_wire.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t visit(struct slice message, int depth)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    size_t seen = 0;
    while (protobuf_next(&reader, &field)) {
        seen += field.number;
        for (size_t i = 0; i < field.bytes.len; i++)
            seen += (unsigned char)field.bytes.ptr[i];
        if (field.type == PROTOBUF_BYTES && depth < 8)
            seen += visit(field.bytes, depth + 1);
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile size_t sink;
    sink = visit(slice_from((const char *)data, size), 0);
    (void)sink;
    return 0;
}
