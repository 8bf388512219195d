#include "server/data_filesystem.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/compiler.h"
#include "base/log.h"

/* Not in the kernel's header, being of a module outside of it. */
#define ZFS_SUPER_MAGIC 0x2fc12fc1

static const struct filesystem_kind kinds[] = {
    {EXT4_SUPER_MAGIC, "EXT4_SUPER_MAGIC", false},
    {XFS_SUPER_MAGIC, "XFS_SUPER_MAGIC", false},
    {BTRFS_SUPER_MAGIC, "BTRFS_SUPER_MAGIC", false},
    {ZFS_SUPER_MAGIC, "ZFS_SUPER_MAGIC", false},
    {F2FS_SUPER_MAGIC, "F2FS_SUPER_MAGIC", false},
    {OVERLAYFS_SUPER_MAGIC, "OVERLAYFS_SUPER_MAGIC", false},
    {TMPFS_MAGIC, "TMPFS_MAGIC", false},
    {RAMFS_MAGIC, "RAMFS_MAGIC", false},
    {NFS_SUPER_MAGIC, "NFS_SUPER_MAGIC", true},
    {SMB_SUPER_MAGIC, "SMB_SUPER_MAGIC", true},
    {CIFS_SUPER_MAGIC, "CIFS_SUPER_MAGIC", true},
    {SMB2_SUPER_MAGIC, "SMB2_SUPER_MAGIC", true},
    {AFS_SUPER_MAGIC, "AFS_SUPER_MAGIC", true},
    {CEPH_SUPER_MAGIC, "CEPH_SUPER_MAGIC", true},
    {V9FS_MAGIC, "V9FS_MAGIC", true},
};

const struct filesystem_kind *filesystem_kind_find(uint32_t magic)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].magic == magic)
            return &kinds[i];
    }
    return NULL;
}

void data_filesystem_report(const char *path)
{
    struct statfs status;
    if (statfs(path, &status) != 0) {
        log_warn("The kind of file system of the data directory is not known",
                 log_str("path", path), log_str("err", strerror(errno)));
        return;
    }
    uint32_t magic = (uint32_t)status.f_type;
    const struct filesystem_kind *kind = filesystem_kind_find(magic);
    char number[16];
    snprintf(number, sizeof(number), "%" PRIx32, magic);
    const char *name = kind == NULL ? number : kind->name;
    if (kind != NULL && kind->is_remote)
        log_warn("This filesystem is not supported and may lead to data corruption and data loss: "
                 "use a local one for --storage.tsdb.path",
                 log_str("fs_type", name), log_str("path", path));
    else
        log_info("Filesystem information", log_str("fs_type", name));
}
