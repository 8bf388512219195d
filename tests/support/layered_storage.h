/*
 * The samples of a fake source in a database, in one of several layouts of head and blocks.
 *
 * Ownership: a value; one database at a time, in a directory under /tmp that goes with it.
 * Thread-safety: one owner. A failure ends the test.
 */
#pragma once

#include "base/fs.h"
#include "tests/support/fake_source.h"
#include "tsdb/tsdb.h"

enum storage_layout {
    LAYOUT_HEAD,      /* everything in the head */
    LAYOUT_FRESH,     /* everything in blocks as the head is cut into */
    LAYOUT_COMPACTED, /* these merged, as far as they fill a longer range */
    LAYOUT_MIX,       /* merged blocks, fresh ones, the newest samples in the head */
    LAYOUT_COUNT,
};

extern const char *const storage_layout_names[LAYOUT_COUNT];

struct layered_storage {
    enum storage_layout layout;
    struct fs fs; /* the system's, that does not wait for the disk */
    struct tsdb *db;
    char path[64];
    size_t block_count; /* of all databases so far */
};

void layered_storage_init(struct layered_storage *storage, enum storage_layout layout);
void layered_storage_release(struct layered_storage *storage);
/* Forgets what it held. Valid until the next call. */
struct series_source *layered_storage_fill(struct layered_storage *storage,
                                           const struct fake_source *samples);
