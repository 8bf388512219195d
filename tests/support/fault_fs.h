/*
 * A file system that fails on demand, around the system's own.
 *
 * Operations that change something or sync are counted. The k-th can be made to fail, once or from
 * then on; a write that fails may have written a part.
 *
 * The power can be cut. Then files lose what was written behind the size that they had when they
 * were last synced, and what was done to names (making, renaming, deleting) is undone from the
 * newest on, where the directory was not synced after it. A cut with a seed leaves some of both:
 * a beginning of the changes to names, and of a file's bytes up to a sector of which a part is
 * rubbish.
 *
 * Thread-safety: as the system's, but fault_fs_cut_power, which wants all files closed.
 */
#pragma once

#include "base/fs.h"
#include "base/mutex.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

#define FAULT_FS_SECTOR 512

struct fault_file {
    char *path;
    uint64_t synced_size;
    bool gone;
};

/* A change of names that a power cut may undo. */
struct fault_change {
    enum fault_change_type {
        FAULT_MADE,
        FAULT_MADE_DIRECTORY,
        FAULT_RENAMED,
        FAULT_DELETED,
        FAULT_DELETED_DIRECTORY,
    } type;
    char *path; /* as it is now */
    char *from; /* renamed: before */
    char *kept; /* where the file is that had the name before; NULL = nothing had it */
};

struct fault_fs {
    struct fs fs; /* first */
    _Atomic uint64_t operations;
    _Atomic uint64_t fail_at; /* the number of the operation that fails, from 1; 0 = none */
    _Atomic bool fail_on;     /* and all after it */
    _Atomic int error;        /* a positive errno */
    struct mutex lock;
    /* guarded by lock: */
    VEC(struct fault_file) files;
    VEC(struct fault_change) changes; /* oldest first */
    char keep[32];                    /* folder of deleted files; "" = none yet */
    uint64_t kept_count;
    struct {
        char *path;
    } descriptors[1024];
};

void fault_fs_init(struct fault_fs *faults);
void fault_fs_release(struct fault_fs *faults);
/* Operation `number` counted from now fails; 0 = none. */
void fault_fs_fail(struct fault_fs *faults, uint64_t number, bool and_after, int error);
/* What a power cut does to the files; the database must have been closed or forgotten. Seed 0 drops
 * all that was not synced. */
void fault_fs_cut_power(struct fault_fs *faults, uint64_t seed);
