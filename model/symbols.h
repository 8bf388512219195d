/*
 * Interned strings. Every label name and value in the process is a symbol: a 32-bit id with a
 * reference count. Equal text means equal id, so label sets compare and store as integers.
 *
 * The table is process-wide and sharded by the hash of the text; a lookup by id takes no lock,
 * since an entry does not move while somebody holds a reference to it. Id 0 is the empty string and
 * is never counted or freed.
 *
 * Thread-safety: all functions from any thread.
 */
#pragma once

#include "base/compiler.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

#define SYMBOL_EMPTY 0u
/* No symbol: the answer of symbols_find. */
#define SYMBOL_NONE UINT32_MAX

/* The symbol of a text, made when it is new, with one more reference that the caller owns. */
uint32_t symbols_intern(struct slice text) MUST_CHECK;
/* One more reference to a symbol that the caller knows to be alive. */
void symbols_ref(uint32_t symbol);
/* So many more. */
void symbols_ref_many(uint32_t symbol, uint32_t count);
/* SYMBOL_NONE is fine. */
void symbols_unref(uint32_t symbol);
/* The symbol of a text if it exists, with one more reference that the caller owns, SYMBOL_NONE if
 * not. A text that is no symbol is in no series. */
uint32_t symbols_find(struct slice text) MUST_CHECK;
/* Its text; valid while a reference is held. NUL-terminated. */
struct slice symbols_text(uint32_t symbol);

/* Symbols alive, and bytes that they and the table take. */
size_t symbols_count(void);
size_t symbols_bytes(void);
