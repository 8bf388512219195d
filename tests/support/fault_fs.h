/*
 * A file system that fails on demand, around the system's own.
 *
 * Operations that change something or sync are counted. The k-th can be made to fail, once or from
 * then on; a write that fails may have written a part. The power can be cut: then files lose what
 * was not synced, and names are gone that were made without syncing their directory.
 *
 * Thread-safety: as the system's, but fault_fs_cut_power, which wants all files closed.
 */
#pragma once

#include "base/fs.h"
#include "base/mutex.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct fault_file {
    char *path;
    uint64_t synced_size;
    bool named; /* its directory was synced since it was made */
    bool gone;
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
    struct {
        char *path;
    } descriptors[1024];
};

void fault_fs_init(struct fault_fs *faults);
void fault_fs_release(struct fault_fs *faults);
/* Operation `number` counted from now fails; 0 = none. */
void fault_fs_fail(struct fault_fs *faults, uint64_t number, bool and_after, int error);
/* What a power cut does to the files; the data base must have been closed or forgotten. */
void fault_fs_cut_power(struct fault_fs *faults);
