/*
 * The protobuf wire format (https://protobuf.dev/programming-guides/encoding/): a cursor over fields,
 * and a writer. No schemas: the caller switches on the field number. Every length is checked against
 * what is left; groups are refused.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum protobuf_wire_type {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5,
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire_type type;
    uint64_t value;     /* varint, fixed64, fixed32 */
    struct slice bytes; /* PROTOBUF_BYTES; borrowed from the input */
};

struct protobuf_reader {
    struct slice left;
    bool failed;
};

static inline struct protobuf_reader protobuf_reader(struct slice message)
{
    return (struct protobuf_reader){message, false};
}
/* The next field; false at the end, or with `failed` where the bytes are wrong. */
bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *out);
double protobuf_field_double(const struct protobuf_field *field);
static inline int64_t protobuf_field_sint64(const struct protobuf_field *field)
{
    return (int64_t)(field->value >> 1) ^ -(int64_t)(field->value & 1);
}

void protobuf_write_varint(struct buf *out, uint32_t number, uint64_t value);
void protobuf_write_sint(struct buf *out, uint32_t number, int64_t value);
void protobuf_write_fixed64(struct buf *out, uint32_t number, uint64_t value);
void protobuf_write_double(struct buf *out, uint32_t number, double value);
void protobuf_write_bytes(struct buf *out, uint32_t number, struct slice value);
