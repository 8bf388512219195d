/*
 * The data directory: finding the place, claiming it, and saying in plain words why that fails.
 *
 *     FERULA   "ferula storage, format 1": whose directory this is
 *     lock     held while a process has it open, with its process id; emptied by a clean end
 *     wal/     segments
 *     blocks/  blocks (block.h)
 *     head/    sealed chunks (head_file.h), and what a clean stop leaves (head_snapshot.h)
 *     aside/   what could not be read
 *
 * A path that holds a Prometheus layout is not written to: ours goes to ferula/ inside it.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"

#include <stdbool.h>

struct tsdb_directory {
    char *path; /* ours */
    bool beside_prometheus;
    int lock_fd;      /* -1 = not locked */
    bool was_unclean; /* the process before did not come to its end */
    bool format_was_lost; /* FERULA was missing or damaged, and was written again */
};

enum err directory_open(const struct fs *fs, const char *path, bool no_lockfile,
                        struct tsdb_directory *out, struct errbuf *err) MUST_CHECK;
void directory_close(const struct fs *fs, struct tsdb_directory *directory);
/* Has it blocks or a log of Prometheus, and is not ours? */
bool directory_holds_prometheus(const struct fs *fs, const char *path);
