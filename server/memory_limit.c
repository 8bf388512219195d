#include "server/memory_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Version 1 writes a number near 2^63 for "no limit". */
#define NO_LIMIT ((uint64_t)1 << 60)

/* The number in a file, UINT64_MAX when there is none. */
static uint64_t read_limit(const char *path)
{
    char text[64];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    char *line = fgets(text, sizeof(text), file);
    (void)fclose(file);
    if (line == NULL || text[0] < '0' || text[0] > '9')
        return UINT64_MAX; /* max */
    uint64_t limit = strtoull(text, NULL, 10);
    return limit == 0 || limit >= NO_LIMIT ? UINT64_MAX : limit;
}

/* The smallest limit from a group up to the root of the mount. */
static uint64_t walk_up(const char *mount_path, const char *group, const char *file)
{
    char path[4096];
    char parent[2048];
    uint64_t smallest = UINT64_MAX;
    snprintf(parent, sizeof(parent), "%s", group);
    for (;;) {
        snprintf(path, sizeof(path), "%s%s/%s", mount_path, parent, file);
        uint64_t limit = read_limit(path);
        if (limit < smallest)
            smallest = limit;
        char *slash = strrchr(parent, '/');
        if (slash == NULL)
            return smallest;
        *slash = '\0';
    }
}

uint64_t memory_limit_of_groups(const char *groups_path, const char *mount_path)
{
    char line[2048];
    char memory_mount[2048];
    uint64_t smallest = UINT64_MAX;
    FILE *file = fopen(groups_path, "re");
    if (file == NULL)
        return UINT64_MAX;
    snprintf(memory_mount, sizeof(memory_mount), "%s/memory", mount_path);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        /* number:controllers:path; version 2 has the number 0 and no controllers */
        char *controllers = strchr(line, ':');
        char *separator = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (separator == NULL)
            continue;
        *separator = '\0';
        const char *group = strcmp(separator + 1, "/") == 0 ? "" : separator + 1;
        uint64_t limit = UINT64_MAX;
        if (strncmp(line, "0:", 2) == 0 && controllers[1] == '\0')
            limit = walk_up(mount_path, group, "memory.max");
        else if (strstr(controllers, "memory") != NULL)
            limit = walk_up(memory_mount, group, "memory.limit_in_bytes");
        if (limit < smallest)
            smallest = limit;
    }
    (void)fclose(file);
    return smallest;
}

uint64_t memory_limit_available(void)
{
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t groups = memory_limit_of_groups("/proc/self/cgroup", "/sys/fs/cgroup");
    return groups < machine ? groups : machine;
}
