/* Bit-packed integers back to an array, or their sum; one function a width, so that every shift is
 * a constant. Built once a processor like column_loops.c, with its name made by COLUMN_BUILD. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define COLUMN_JOIN_(name, build) name##_##build
#define COLUMN_JOIN(name, build) COLUMN_JOIN_(name, build)
#define COLUMN_TEXT_(build) #build
#define COLUMN_TEXT(build) COLUMN_TEXT_(build)
#define COLUMN_NAME(name) COLUMN_JOIN(name, COLUMN_BUILD)

void COLUMN_NAME(bit_unpack)(const uint8_t *bytes, unsigned width, size_t groups, uint64_t *out);
uint64_t COLUMN_NAME(bit_sum)(const uint8_t *bytes, unsigned width, size_t groups);
