/*
 * What kind of file system holds the data directory. Network file systems promise less of fsync,
 * rename and locks than a log needs, which is said once at start.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct filesystem_kind {
    uint32_t magic;
    const char *name; /* as in <linux/magic.h> */
    bool is_remote;
};

/* NULL for one that is not known. `magic` is the f_type of statfs(2). */
const struct filesystem_kind *filesystem_kind_find(uint32_t magic);
/* Logs the kind by its name, as the reference does; a warning where data may be lost. `path`
 * exists. */
void data_filesystem_report(const char *path);
