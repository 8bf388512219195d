#include "tests/support/directory_image.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/fs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_SIZE_MAX ((size_t)64 << 20)
#define PAGE 4096
#define SECTOR 512

struct image_walk {
    struct directory_image *image;
    const char *root;
    const char *below; /* "" or "blocks/X/" */
};

static char *path_join(const char *directory, const char *slash, const char *name)
{
    struct buf path;
    buf_init(&path, 8192);
    buf_printf(&path, "%s%s%s", directory, slash, name);
    return buf_take(&path);
}

static void walk(struct directory_image *image, const char *root, const char *below);

static int take_name(const char *name, void *context)
{
    struct image_walk *at = context;
    char *relative = path_join(at->below, "", name);
    char *path CLEANUP(mem_cleanup) = path_join(at->root, "/", relative);
    struct fs_stat stat;
    if (fs_system->stat(fs_system, path, &stat) < 0) {
        mem_free(relative);
        return 0;
    }
    if (stat.is_directory) {
        vec_push(&at->image->directories, relative);
        char *below CLEANUP(mem_cleanup) = path_join(relative, "/", "");
        walk(at->image, at->root, below);
        return 0;
    }
    struct buf content;
    buf_init(&content, FILE_SIZE_MAX);
    ASSERT(fs_read_file(fs_system, path, &content, NULL) == ERR_NONE);
    struct image_file file = {.name = relative, .size = content.len};
    file.data = mem_alloc(content.len + 1);
    memcpy(file.data, buf_cstr(&content), content.len);
    buf_release(&content);
    vec_push(&at->image->files, file);
    return 0;
}

static void walk(struct directory_image *image, const char *root, const char *below)
{
    struct image_walk at = {image, root, below};
    char *path CLEANUP(mem_cleanup) = path_join(root, "/", below);
    ASSERT(fs_system->list(fs_system, path, take_name, &at) == 0);
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct image_file *)a)->name, ((const struct image_file *)b)->name);
}

void directory_image_take(struct directory_image *image, const char *path)
{
    memset(image, 0, sizeof(*image));
    walk(image, path, "");
    qsort(image->files.items, image->files.len, sizeof(image->files.items[0]), compare_files);
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    int fd = fs_system->open(fs_system, path, FS_TRUNCATE);
    ASSERT(fd >= 0);
    ASSERT(fs_write_all(fs_system, fd, data, size, 0, path, NULL) == ERR_NONE);
    fs_system->close(fs_system, fd);
}

void directory_image_write(const struct directory_image *image, const char *path)
{
    for (size_t i = 0; i < image->directories.len; i++) {
        char *directory CLEANUP(mem_cleanup) = path_join(path, "/", image->directories.items[i]);
        ASSERT(fs_system->make_directory(fs_system, directory) == 0);
    }
    for (size_t i = 0; i < image->files.len; i++) {
        const struct image_file *file = &image->files.items[i];
        char *name CLEANUP(mem_cleanup) = path_join(path, "/", file->name);
        write_file(name, file->data, file->size);
    }
}

void directory_image_release(struct directory_image *image)
{
    for (size_t i = 0; i < image->files.len; i++) {
        mem_free(image->files.items[i].name);
        mem_free(image->files.items[i].data);
    }
    for (size_t i = 0; i < image->directories.len; i++)
        mem_free(image->directories.items[i]);
    vec_release(&image->files);
    vec_release(&image->directories);
}

const char *damage_name(enum damage_type type)
{
    static const char *const names[] = {"flip",  "truncate", "zero", "rubbish",
                                        "empty", "grow",     "gone"};
    return names[type];
}

struct damage damage_random(const struct directory_image *image, size_t file, struct rand *rand)
{
    size_t size = image->files.items[file].size;
    struct damage damage = {.file = file};
    if (size == 0) {
        damage.type = rand_below(rand, 2) == 0 ? DAMAGE_GONE : DAMAGE_GROW;
        return damage;
    }
    /* most of all bits, since there are so many */
    uint64_t dice = rand_below(rand, 2 * DAMAGE_TYPE_COUNT);
    damage.type = dice < DAMAGE_TYPE_COUNT ? (enum damage_type)dice : DAMAGE_FLIP;
    damage.offset = rand_below(rand, size);
    damage.size = 1;
    if (damage.type == DAMAGE_RUBBISH)
        damage.size = 1 + rand_below(rand, 16);
    if (damage.type == DAMAGE_ZERO) {
        damage.size = size > PAGE ? PAGE : SECTOR;
        damage.offset -= damage.offset % damage.size;
    }
    if (damage.size > size - damage.offset)
        damage.size = size - damage.offset;
    return damage;
}

static void damage_bytes(const struct damage *damage, uint8_t *bytes, struct rand *rand)
{
    uint8_t *at = bytes + damage->offset;
    if (damage->type == DAMAGE_FLIP)
        *at = (uint8_t)(*at ^ (1u << rand_below(rand, 8)));
    else if (damage->type == DAMAGE_ZERO)
        memset(at, 0, damage->size);
    for (size_t i = 0; damage->type == DAMAGE_RUBBISH && i < damage->size; i++)
        at[i] = (uint8_t)rand_u64(rand);
}

void damage_do(const struct directory_image *image, const struct damage *damage, const char *path,
               struct rand *rand)
{
    const struct image_file *file = &image->files.items[damage->file];
    char *name CLEANUP(mem_cleanup) = path_join(path, "/", file->name);
    if (damage->type == DAMAGE_GONE) {
        ASSERT(unlink(name) == 0);
        return;
    }
    uint8_t *bytes CLEANUP(mem_cleanup) = mem_zalloc(file->size + PAGE);
    if (file->size > 0)
        memcpy(bytes, file->data, file->size);
    size_t size = file->size;
    if (damage->type == DAMAGE_TRUNCATE)
        size = damage->offset;
    else if (damage->type == DAMAGE_EMPTY)
        size = 0;
    else if (damage->type == DAMAGE_GROW)
        size += 1 + rand_below(rand, PAGE);
    else
        damage_bytes(damage, bytes, rand);
    write_file(name, bytes, size);
}
