/*
 * The directory of blocks on disk: opening what is there at start, and deleting.
 *
 *     blocks/NAME            a block, complete since it was renamed to this
 *     blocks/NAME.tmp        was being written: removed at start
 *     blocks/NAME.deleting   was being deleted: removed at start
 *     aside/NAME             a block that is damaged: left for a person to look at
 *
 * A block that is a parent of another one was compacted into it, so it is removed at start too: the
 * process ended in between.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "tsdb/block_leftovers.h"
#include "tsdb/block_list.h"
#include "tsdb/damage_book.h"

#include <stdint.h>

/* Opens all blocks under `directory`/blocks, which is made where it is missing. What does not open
 * is logged and noted in `damages`; what is damaged is moved to `directory`/aside. The list's
 * head_from_ms is block_list_cut_ms. What is neither served nor gone is added to `leftovers`. An
 * error means that the directory cannot be used at all. */
enum err block_directory_open(const struct fs *fs, const char *directory, struct block_list **out,
                              struct block_leftovers *leftovers, struct damage_book *damages,
                              struct errbuf *err) MUST_CHECK;

/* Makes `directory`/blocks so that it stays. */
enum err block_directory_make(const struct fs *fs, const char *directory,
                              struct errbuf *err) MUST_CHECK;
/* "`directory`/blocks": to be freed. */
char *block_directory_path(const char *directory) MUST_CHECK;

/* Deletes the block at `path`: first the name, in one step, then the files. Views that have it open
 * go on. */
enum err block_directory_delete(const struct fs *fs, const char *path,
                                struct errbuf *err) MUST_CHECK;
