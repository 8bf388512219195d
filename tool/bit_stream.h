/*
 * Runs of bits, most significant first, as the chunks of the reference are written
 * (https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/chunks.md): plain bits,
 * varints byte by byte, "varbits" with a prefix that tells their width, and doubles as the
 * difference to the one before.
 *
 * A reader that ran over its end, or met what cannot be, sets `failed` and yields zeros, so that a
 * decoder may look once a sample.
 *
 * Ownership: a reader borrows its bytes, a writer appends to a buffer. Thread-safety: one owner.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bit_reader {
    const uint8_t *data;
    uint64_t bit_count;
    uint64_t at; /* bits that are read */
    bool failed;
};

void bit_reader_init(struct bit_reader *reader, const void *data, size_t len);
/* 0 to 64 bits. */
uint64_t bit_read(struct bit_reader *reader, unsigned count);
/* Bytes of LEB128, at any bit; the second one zigzag. */
uint64_t bit_read_uvarint(struct bit_reader *reader);
int64_t bit_read_varint(struct bit_reader *reader);
uint64_t bit_read_varbit_uint(struct bit_reader *reader);
int64_t bit_read_varbit_int(struct bit_reader *reader);
/* A number of `width` bits, the upper half of which stands for negative ones. */
int64_t bit_read_signed(struct bit_reader *reader, unsigned width);

struct bit_writer {
    struct buf *out;
    unsigned free_bits; /* of the last byte */
};

/* What follows begins with a new byte. */
void bit_writer_init(struct bit_writer *writer, struct buf *out);
void bit_write(struct bit_writer *writer, uint64_t bits, unsigned count);
void bit_write_uvarint(struct bit_writer *writer, uint64_t value);
void bit_write_varint(struct bit_writer *writer, int64_t value);
void bit_write_varbit_uint(struct bit_writer *writer, uint64_t value);
void bit_write_varbit_int(struct bit_writer *writer, int64_t value);
/* Does bit_read_signed of that width give the number back? */
bool bit_fits_signed(int64_t value, unsigned width);

/* A double that is told by what differs from the one before: the same, or bits within the window of
 * before, or within a new window. */
#define XOR_NO_WINDOW 0xff
struct xor_value {
    double value;
    uint8_t leading; /* zero bits around the window */
    uint8_t trailing;
};
void xor_value_init(struct xor_value *value);
void xor_value_read(struct xor_value *value, struct bit_reader *reader);
/* The parts of it: bits in the present window, and in a new one. */
void xor_value_read_window(struct xor_value *value, struct bit_reader *reader);
void xor_value_read_new_window(struct xor_value *value, struct bit_reader *reader);
void xor_value_write(struct xor_value *value, double now, struct bit_writer *writer);
