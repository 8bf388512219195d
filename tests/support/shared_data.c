/* Finding and reading test data outside of the project. */
#include "tests/support/shared_data.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/fs.h"

#ifndef SOURCE_ROOT
#error "SOURCE_ROOT must be defined by the build"
#endif

static void shared_data_path(const char *path, struct buf *out)
{
    const char *root = getenv("FERULA_SHARED");
    buf_init(out, 4096);
    buf_printf(out, "%s/%s", root != NULL ? root : SOURCE_ROOT "/../shared", path);
}

static void shared_data_missing(const char *path)
{
    const char *ci = getenv("CI");
    printf("skipped: no %s (set FERULA_SHARED to the folder with test data)\n", path);
    if (ci != NULL && strcmp(ci, "true") == 0)
        exit(EXIT_FAILURE);
}

bool shared_data_read(const char *path, struct buf *out)
{
    struct buf whole CLEANUP(buf_release);
    shared_data_path(path, &whole);
    if (fs_read_file(fs_system, buf_cstr(&whole), out, NULL) == ERR_NONE)
        return true;
    shared_data_missing(buf_cstr(&whole));
    return false;
}

size_t shared_data_each(const char *folder, const char *suffix,
                        void (*each)(const char *name, struct slice content, void *context),
                        void *context)
{
    struct buf whole CLEANUP(buf_release);
    shared_data_path(folder, &whole);
    DIR *directory = opendir(buf_cstr(&whole));
    if (directory == NULL) {
        shared_data_missing(buf_cstr(&whole));
        return 0;
    }
    size_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (!slice_has_suffix(slice_str(entry->d_name), slice_str(suffix)))
            continue;
        struct buf path CLEANUP(buf_release);
        struct buf content CLEANUP(buf_release);
        buf_init(&path, 8192);
        buf_init(&content, 64 << 20);
        buf_printf(&path, "%s/%s", folder, entry->d_name);
        if (!shared_data_read(buf_cstr(&path), &content))
            continue;
        each(entry->d_name, buf_slice(&content), context);
        count++;
    }
    closedir(directory);
    return count;
}
