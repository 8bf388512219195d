/* What is not understood is moved or left, never deleted. */
#include "tsdb/block_directory.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/path.h"
#include "tsdb/block_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The same block may be damaged, put right by hand and damaged again. */
#define ASIDE_NAMES_MAX 100

char *block_directory_path(const char *directory)
{
    return path_join(directory, "blocks");
}

enum err block_directory_make(const struct fs *fs, const char *directory, struct errbuf *err)
{
    char *blocks CLEANUP(mem_cleanup) = block_directory_path(directory);
    struct fs_stat stat;
    if (fs->stat(fs, blocks, &stat) == 0)
        return ERR_NONE;
    enum err code = fs_make_directories(fs, blocks, err);
    if (code != ERR_NONE)
        return code;
    int failed = fs->sync_directory(fs, directory);
    if (failed < 0) {
        fs->remove_directory(fs, blocks); /* or it would be taken for synced */
        return errbuf_set_errno(err, -failed, "syncing %s", directory);
    }
    return ERR_NONE;
}

/* The names in the directory, by what they are. */
struct name_scan {
    VEC(struct ulid) blocks;
    VEC(char *) leftovers;
};

static int scan_name(const char *name, void *context)
{
    struct name_scan *scan = context;
    size_t len = strlen(name);
    if (len < ULID_LEN || !ulid_is_valid(slice_from(name, ULID_LEN)))
        return 0;
    if (len == ULID_LEN) {
        struct ulid *ulid = vec_add(&scan->blocks);
        memcpy(ulid->text, name, ULID_LEN);
    } else if (strcmp(name + ULID_LEN, BLOCK_SUFFIX_WRITING) == 0 ||
               strcmp(name + ULID_LEN, BLOCK_SUFFIX_DELETING) == 0) {
        vec_push(&scan->leftovers, mem_strdup(name));
    }
    return 0;
}

static void scan_release(struct name_scan *scan)
{
    for (size_t i = 0; i < scan->leftovers.len; i++)
        mem_free(scan->leftovers.items[i]);
    vec_release(&scan->leftovers);
    vec_release(&scan->blocks);
}

static void remove_leftovers(const struct fs *fs, const char *blocks, const struct name_scan *scan)
{
    for (size_t i = 0; i < scan->leftovers.len; i++) {
        struct errbuf err = ERRBUF_INIT;
        char *path CLEANUP(mem_cleanup) = path_join(blocks, scan->leftovers.items[i]);
        if (fs_remove_tree(fs, path, &err) != ERR_NONE)
            log_warn("An unfinished block could not be removed", log_str("path", path),
                     log_err(&err));
        else
            log_info("Removed an unfinished block", log_str("path", path));
    }
}

/* Moves a damaged block to aside/, under the first name that is free. */
static enum err move_aside(const struct fs *fs, const char *directory, const char *path,
                           const char *name, char **out_path, struct errbuf *err)
{
    char *aside CLEANUP(mem_cleanup) = path_join(directory, "aside");
    enum err code = fs_make_directories(fs, aside, err);
    if (code != ERR_NONE)
        return code;
    for (unsigned i = 0; i < ASIDE_NAMES_MAX; i++) {
        char suffix[16] = "";
        if (i > 0)
            snprintf(suffix, sizeof(suffix), "-%u", i);
        char *to = path_print("%s/%s%s", aside, name, suffix);
        struct fs_stat stat;
        int failed = fs->stat(fs, to, &stat) == 0 ? -EEXIST : fs->rename(fs, path, to);
        if (failed == 0) {
            *out_path = to;
            return ERR_NONE;
        }
        mem_free(to);
        if (failed != -EEXIST && failed != -ENOTEMPTY)
            return errbuf_set_errno(err, -failed, "moving %s to %s", path, aside);
    }
    return errbuf_set(err, ERR_EXISTS, "%s has too many of %s", aside, name);
}

/* Is it the files that are wrong? What another version wrote, or what cannot be read just now,
 * stays where it is. */
static bool is_damage(enum err code)
{
    return code == ERR_CORRUPT || code == ERR_INVALID || code == ERR_NOT_FOUND || code == ERR_LIMIT;
}

static void report_damage(const struct fs *fs, const char *directory, const char *path,
                          const char *name, const struct errbuf *damage,
                          struct block_leftovers *leftovers)
{
    if (!is_damage(damage->code)) {
        block_leftovers_add_unopened(leftovers, path);
        log_error("A block could not be opened and is not served", log_str("block", name),
                  log_err(damage));
        return;
    }
    struct errbuf err = ERRBUF_INIT;
    char *to CLEANUP(mem_cleanup) = NULL;
    if (move_aside(fs, directory, path, name, &to, &err) == ERR_NONE)
        log_error("A block is damaged and was set aside; the others are served",
                  log_str("block", name), log_str("aside", to), log_err(damage));
    else
        log_error("A block is damaged and is not served; it could not be set aside",
                  log_str("block", name), log_err(damage), log_str("aside", err.text));
}

/* What was found, while it is sorted out. */
struct opened_blocks {
    VEC(struct block *) items;
    /* not opened, with the reason: */
    VEC(struct unopened {
        struct ulid ulid;
        struct errbuf *err;
    })
    damaged;
};

static void open_all(const struct fs *fs, const char *blocks, const struct name_scan *scan,
                     struct opened_blocks *out)
{
    for (size_t i = 0; i < scan->blocks.len; i++) {
        struct block *block;
        struct errbuf *err = mem_zalloc(sizeof(*err));
        char *path CLEANUP(mem_cleanup) = path_join(blocks, scan->blocks.items[i].text);
        if (block_open(fs, path, &block, err) == ERR_NONE) {
            vec_push(&out->items, block);
            mem_free(err);
        } else {
            vec_push(&out->damaged, (struct unopened){scan->blocks.items[i], err});
        }
    }
}

static bool is_parent(const struct opened_blocks *opened, const char *ulid)
{
    for (size_t i = 0; i < opened->items.len; i++) {
        const struct block_meta *meta = block_meta(opened->items.items[i]);
        for (size_t k = 0; k < meta->parents.len; k++) {
            if (strcmp(meta->parents.items[k].ulid.text, ulid) == 0)
                return true;
        }
    }
    return false;
}

static void delete_parent(const struct fs *fs, const char *path, struct block_leftovers *leftovers)
{
    struct errbuf err = ERRBUF_INIT;
    if (block_directory_delete(fs, path, &err) == ERR_NONE) {
        log_info("Removed a block that was compacted into another", log_str("path", path));
        return;
    }
    log_warn("A block that was compacted into another could not be removed", log_str("path", path),
             log_err(&err));
    block_leftovers_add(leftovers, path);
}

/* Parents first, as a damaged one is no loss. */
static void settle(const struct fs *fs, const char *directory, const char *blocks,
                   struct opened_blocks *opened, struct block_leftovers *leftovers,
                   struct damage_book *damages)
{
    for (size_t i = 0; i < opened->damaged.len; i++) {
        const char *name = opened->damaged.items[i].ulid.text;
        char *path CLEANUP(mem_cleanup) = path_join(blocks, name);
        if (is_parent(opened, name)) {
            delete_parent(fs, path, leftovers);
        } else {
            damage_book_note(damages, opened->damaged.items[i].err->text);
            report_damage(fs, directory, path, name, opened->damaged.items[i].err, leftovers);
        }
        mem_free(opened->damaged.items[i].err);
    }
    vec_release(&opened->damaged);
    VEC(struct block *) kept = {0};
    VEC(struct block *) parents = {0};
    for (size_t i = 0; i < opened->items.len; i++) {
        struct block *block = opened->items.items[i];
        if (is_parent(opened, block_meta(block)->ulid.text))
            vec_push(&parents, block);
        else
            vec_push(&kept, block);
    }
    for (size_t i = 0; i < parents.len; i++) {
        delete_parent(fs, block_path(parents.items[i]), leftovers);
        block_unref(parents.items[i]);
    }
    vec_release(&parents);
    vec_release(&opened->items);
    opened->items.items = kept.items;
    opened->items.len = kept.len;
    opened->items.cap = kept.cap;
}

enum err block_directory_open(const struct fs *fs, const char *directory, struct block_list **out,
                              struct block_leftovers *leftovers, struct damage_book *damages,
                              struct errbuf *err)
{
    char *blocks CLEANUP(mem_cleanup) = block_directory_path(directory);
    struct name_scan scan = {0};
    int failed = fs->list(fs, blocks, scan_name, &scan);
    if (failed < 0 && failed != -ENOENT) {
        scan_release(&scan);
        return errbuf_set_errno(err, -failed, "listing %s", blocks);
    }
    remove_leftovers(fs, blocks, &scan);
    struct opened_blocks opened = {0};
    open_all(fs, blocks, &scan, &opened);
    settle(fs, directory, blocks, &opened, leftovers, damages);
    scan_release(&scan);
    *out = block_list_new(opened.items.items, opened.items.len, INT64_MIN);
    (*out)->head_from_ms = block_list_cut_ms(*out);
    for (size_t i = 0; i < opened.items.len; i++)
        block_unref(opened.items.items[i]);
    vec_release(&opened.items);
    return ERR_NONE;
}

enum err block_directory_delete(const struct fs *fs, const char *path, struct errbuf *err)
{
    const char *slash = strrchr(path, '/');
    ASSERT(slash != NULL && strlen(slash + 1) == ULID_LEN);
    char *directory CLEANUP(mem_cleanup) = mem_strdup(path);
    directory[slash - path] = '\0';
    char *going CLEANUP(mem_cleanup) =
        path_print("%s/%s%s", directory, slash + 1, BLOCK_SUFFIX_DELETING);
    int failed = fs->rename(fs, path, going);
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "renaming %s", path);
    /* else a power cut could bring the name back with some of its files gone */
    failed = fs->sync_directory(fs, directory);
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "syncing %s", directory);
    return fs_remove_tree(fs, going, err);
}
