/*
 * Blocks that are on disk and not served: one that had its name when making it failed, one that was
 * merged or is too old and could not be deleted. A start would take them for what they were,
 * without what was deleted since. So they are remembered, every maintenance tries again to remove
 * them, and a deletion is not acknowledged before they are gone.
 *
 * Blocks that a start could not open, though nothing says that they are damaged, may be opened by
 * the next. While there are any, a deletion cannot be done.
 *
 * Ownership: copies of paths. Thread-safety: the holder of the maintenance lock.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/vec.h"

#include <stdbool.h>

struct block_leftovers {
    VEC(char *) paths;
    VEC(char *) unopened;
};

void block_leftovers_release(struct block_leftovers *leftovers);
/* `path` is the name of the block, be it there or not, or that which is being written or deleted.
 */
void block_leftovers_add(struct block_leftovers *leftovers, const char *path);
void block_leftovers_add_unopened(struct block_leftovers *leftovers, const char *path);

bool block_leftovers_have(const struct block_leftovers *leftovers, const char *path);
/* It could be opened after all. */
void block_leftovers_forget_unopened(struct block_leftovers *leftovers, const char *path);

/* Removes what can be removed. An error: the name of one may be there at the next start. */
enum err block_leftovers_remove(struct block_leftovers *leftovers, const struct fs *fs,
                                struct errbuf *err) MUST_CHECK;
/* The same, and there is no block that deletions do not reach. */
enum err block_leftovers_settle(struct block_leftovers *leftovers, const struct fs *fs,
                                struct errbuf *err) MUST_CHECK;
