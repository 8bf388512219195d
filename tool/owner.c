#include "tool/owner.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"

#define BESIDE_NAME "/ferula"

struct owner {
    uid_t user;
    gid_t group;
    const char *directory;
};

static void give(const char *path, const struct owner *owner);

static int give_entry(const char *name, void *context)
{
    const struct owner *owner = context;
    char *path CLEANUP(mem_cleanup) = path_join(owner->directory, name);
    give(path, owner);
    return 0;
}

static void give(const char *path, const struct owner *owner)
{
    struct stat found;
    if (lstat(path, &found) != 0)
        return;
    if (found.st_uid == 0 && lchown(path, owner->user, owner->group) != 0)
        fprintf(stderr, "%s stays with root: %m\n", path);
    struct owner inner = {owner->user, owner->group, path};
    if (S_ISDIR(found.st_mode))
        (void)fs_system->list(fs_system, path, give_entry, &inner);
}

void owner_restore(const char *path)
{
    struct stat found;
    if (geteuid() != 0 || stat(path, &found) != 0)
        return;
    size_t len = strlen(path), beside = strlen(BESIDE_NAME);
    if (found.st_uid == 0 && len > beside && strcmp(path + len - beside, BESIDE_NAME) == 0) {
        char *parent CLEANUP(mem_cleanup) = mem_strndup(path, len - beside);
        if (stat(parent, &found) != 0)
            return;
    }
    struct owner owner = {found.st_uid, found.st_gid, NULL};
    if (owner.user != 0)
        give(path, &owner);
}
