/*
 * Values to text as Go's fmt package does it: %v and the other verbs with their flags, and the
 * marks that it leaves where verb and argument do not fit: %!d(float64=1.5).
 *
 * Thread-safety: no state. Limits: the caller's buffer; width and precision are at most a million.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "rules/template_value.h"

#include <stddef.h>

/* fmt.Sprint of one value. */
void template_format_value(const struct template_value *value, struct buf *out);
/* What an action writes: pointers as what they point to, and <no value>. */
void template_print_value(const struct template_value *value, struct buf *out);
/* fmt.Sprint: a space between operands of which neither is a string. */
void template_format_print(const struct template_value *values, size_t count, struct buf *out);
/* fmt.Sprintln */
void template_format_println(const struct template_value *values, size_t count, struct buf *out);
/* fmt.Sprintf */
void template_format_printf(struct slice format, const struct template_value *values, size_t count,
                            struct buf *out);
