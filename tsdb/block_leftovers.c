#include "tsdb/block_leftovers.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/path.h"
#include "tsdb/block_directory.h"
#include "tsdb/block_files.h"

#include <errno.h>
#include <string.h>

void block_leftovers_release(struct block_leftovers *leftovers)
{
    for (size_t i = 0; i < leftovers->paths.len; i++)
        mem_free(leftovers->paths.items[i]);
    for (size_t i = 0; i < leftovers->unopened.len; i++)
        mem_free(leftovers->unopened.items[i]);
    vec_release(&leftovers->paths);
    vec_release(&leftovers->unopened);
}

void block_leftovers_add(struct block_leftovers *leftovers, const char *path)
{
    vec_push(&leftovers->paths, mem_strdup(path));
}

bool block_leftovers_have(const struct block_leftovers *leftovers, const char *path)
{
    for (size_t i = 0; i < leftovers->paths.len; i++) {
        if (strcmp(leftovers->paths.items[i], path) == 0)
            return true;
    }
    return false;
}

void block_leftovers_forget_unopened(struct block_leftovers *leftovers, const char *path)
{
    for (size_t i = 0; i < leftovers->unopened.len; i++) {
        if (strcmp(leftovers->unopened.items[i], path) != 0)
            continue;
        mem_free(leftovers->unopened.items[i]);
        leftovers->unopened.items[i] = leftovers->unopened.items[--leftovers->unopened.len];
        return;
    }
}

void block_leftovers_add_unopened(struct block_leftovers *leftovers, const char *path)
{
    vec_push(&leftovers->unopened, mem_strdup(path));
}

/* Takes the name away for good: it is not there, and a power cut does not bring it back. */
static enum err remove_name(const struct fs *fs, const char *path, struct errbuf *err)
{
    struct fs_stat stat;
    int failed = fs->stat(fs, path, &stat);
    if (failed == 0)
        return block_directory_delete(fs, path, err);
    if (failed != -ENOENT)
        return errbuf_set_errno(err, -failed, "looking for %s", path);
    char *directory CLEANUP(mem_cleanup) = mem_strdup(path);
    *strrchr(directory, '/') = '\0';
    failed = fs->sync_directory(fs, directory);
    return failed < 0 ? errbuf_set_errno(err, -failed, "syncing %s", directory) : ERR_NONE;
}

static enum err remove_files(const struct fs *fs, const char *path, struct errbuf *err)
{
    static const char *const suffixes[] = {BLOCK_SUFFIX_WRITING, BLOCK_SUFFIX_DELETING};
    enum err code = ERR_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(suffixes) && code == ERR_NONE; i++) {
        char *name CLEANUP(mem_cleanup) = path_print("%s%s", path, suffixes[i]);
        code = fs_remove_tree(fs, name, err);
    }
    return code;
}

enum err block_leftovers_remove(struct block_leftovers *leftovers, const struct fs *fs,
                                struct errbuf *err)
{
    enum err first = ERR_NONE;
    size_t kept = 0;
    for (size_t i = 0; i < leftovers->paths.len; i++) {
        char *path = leftovers->paths.items[i];
        struct errbuf own = ERRBUF_INIT;
        enum err code = remove_name(fs, path, &own);
        /* files without the name do no harm but take room */
        if (code == ERR_NONE && remove_files(fs, path, NULL) == ERR_NONE) {
            mem_free(path);
            continue;
        }
        leftovers->paths.items[kept++] = path;
        if (code != ERR_NONE && first == ERR_NONE)
            first =
                errbuf_set(err, code, "a block that is not served cannot be removed: %s", own.text);
    }
    leftovers->paths.len = kept;
    return first;
}

enum err block_leftovers_settle(struct block_leftovers *leftovers, const struct fs *fs,
                                struct errbuf *err)
{
    if (leftovers->unopened.len > 0)
        return errbuf_set(err, ERR_UNAVAILABLE,
                          "the block %s could not be opened at start and may have some of it; make "
                          "it readable, or move it away, and start again",
                          leftovers->unopened.items[0]);
    return block_leftovers_remove(leftovers, fs, err);
}
