/* See the header. Nothing here is needed for the data to be safe: that is the log's task. */
#include "tsdb/head_file.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/path.h"
#include "base/vec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "FERULAHC"
#define VERSION 1
#define NAME_PREFIX "chunks."
#define ASIDE_TRIES 1000

void head_files_init(struct head_files *files, const struct fs *fs, const char *directory)
{
    *files = (struct head_files){.fs = fs, .directory = directory, .next_number = 1};
}

static void file_free(struct head_files *files, struct head_file *file)
{
    ASSERT(file->reference_count == 1);
    files->bytes -= file->size;
    files->count--;
    files->fs->unmap(files->fs, file->data, file->size);
    mem_free(file->pieces);
    mem_free(file->damaged_pieces);
    mem_free(file);
}

void head_files_release(struct head_files *files)
{
    while (files->list != NULL) {
        struct head_file *file = files->list;
        files->list = file->next;
        file_free(files, file);
    }
}

static char *file_path(const struct head_files *files, uint64_t number)
{
    return path_print("%s/" NAME_PREFIX "%08" PRIu64, files->directory, number);
}

static size_t piece_count(uint64_t size)
{
    return (size_t)((size + HEAD_FILE_PIECE_BYTES - 1) / HEAD_FILE_PIECE_BYTES);
}

static size_t piece_len(uint64_t size, size_t piece)
{
    return (size_t)MIN(size - piece * HEAD_FILE_PIECE_BYTES, (uint64_t)HEAD_FILE_PIECE_BYTES);
}

/* Takes over the checksums of the pieces. */
static struct head_file *file_add(struct head_files *files, uint64_t number, void *data,
                                  size_t size, uint32_t checksum, uint32_t *pieces)
{
    struct head_file *file = mem_zalloc(sizeof(*file));
    file->reference_count = 1;
    file->number = number;
    file->data = data;
    file->size = size;
    file->checksum = checksum;
    file->pieces = pieces;
    file->next = files->list;
    files->list = file;
    files->next_number = MAX(files->next_number, number + 1);
    files->bytes += size;
    files->count++;
    return file;
}

/* Writes and maps; the blocks are there before anybody reads, so reading cannot fail for want of
 * space. */
static enum err write_and_map(const struct fs *fs, const char *path, struct slice content,
                              void **out_data, struct errbuf *err)
{
    int fd = fs->open(fs, path, FS_TRUNCATE);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "creating %s", path);
    enum err result = fs_write_all(fs, fd, content.ptr, content.len, 0, path, err);
    if (result == ERR_NONE) {
        *out_data = fs->map(fs, fd, content.len);
        if (*out_data == NULL)
            result = errbuf_set(err, ERR_IO, "mapping %s failed", path);
    }
    fs->close(fs, fd);
    if (result != ERR_NONE)
        fs->unlink(fs, path);
    return result;
}

enum err head_files_add(struct head_files *files, struct slice content, struct head_file **out,
                        struct errbuf *err)
{
    ASSERT(content.len > HEAD_FILE_HEADER_SIZE);
    struct buf header CLEANUP(buf_release);
    buf_init(&header, HEAD_FILE_HEADER_SIZE);
    buf_append_str(&header, MAGIC);
    codec_write_u32(&header, VERSION);
    codec_write_u32(&header, 0);
    memcpy((char *)(uintptr_t)content.ptr, header.data, HEAD_FILE_HEADER_SIZE);
    enum err result = fs_make_directories(files->fs, files->directory, err);
    if (result != ERR_NONE)
        return result;
    char *path CLEANUP(mem_cleanup) = file_path(files, files->next_number);
    void *data = NULL;
    result = write_and_map(files->fs, path, content, &data, err);
    if (result != ERR_NONE)
        return result;
    uint32_t *pieces = mem_alloc_array(piece_count(content.len), sizeof(*pieces));
    for (size_t i = 0; i < piece_count(content.len); i++)
        pieces[i] = crc32c(0, content.ptr + i * HEAD_FILE_PIECE_BYTES, piece_len(content.len, i));
    *out = file_add(files, files->next_number, data, content.len,
                    crc32c(0, content.ptr, content.len), pieces);
    return ERR_NONE;
}

/* Read rather than mapped, so that a start does not take the whole file for memory of its own, and
 * a file that was cut short does no harm. */
static bool piece_read(const struct fs *fs, int fd, uint64_t at, size_t len, char *out)
{
    for (size_t done = 0; done < len;) {
        ssize_t got = fs->pread(fs, fd, out + done, len - done, at + done);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* Gives the checksums of the pieces; NULL when the file is another. */
static uint32_t *file_pieces(const struct fs *fs, int fd, uint64_t size, uint32_t checksum)
{
    char *piece CLEANUP(mem_cleanup) = mem_alloc(HEAD_FILE_PIECE_BYTES);
    uint32_t *pieces = mem_alloc_array(piece_count(size), sizeof(*pieces));
    uint32_t found = 0;
    bool good = true;
    for (size_t i = 0; i < piece_count(size) && good; i++) {
        size_t len = piece_len(size, i);
        good = piece_read(fs, fd, i * HEAD_FILE_PIECE_BYTES, len, piece);
        pieces[i] = good ? crc32c(0, piece, len) : 0;
        found = good ? crc32c(found, piece, len) : 0;
    }
    if (good && found == checksum)
        return pieces;
    mem_free(pieces);
    return NULL;
}

enum err head_files_open(struct head_files *files, uint64_t number, uint64_t size,
                         uint32_t checksum, struct head_file **out, struct errbuf *err)
{
    const struct fs *fs = files->fs;
    char *path CLEANUP(mem_cleanup) = file_path(files, number);
    for (const struct head_file *file = files->list; file != NULL; file = file->next) {
        if (file->number == number)
            return errbuf_set(err, ERR_CORRUPT, "%s is named twice", path);
    }
    int fd = fs->open(fs, path, FS_READ);
    if (fd == -ENOENT)
        return errbuf_set(err, ERR_NOT_FOUND, "%s is gone", path);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "opening %s", path);
    int64_t found = fs->size(fs, fd);
    bool fits = found >= HEAD_FILE_HEADER_SIZE && (uint64_t)found == size;
    uint32_t *pieces = fits ? file_pieces(fs, fd, size, checksum) : NULL;
    void *data = pieces != NULL ? fs->map(fs, fd, (size_t)size) : NULL;
    fs->close(fs, fd);
    if (data == NULL) {
        mem_free(pieces);
        files->corruptions++;
        return errbuf_set(err, ERR_CORRUPT, "%s does not have the %llu bytes that it should have",
                          path, (unsigned long long)size);
    }
    *out = file_add(files, number, data, (size_t)size, checksum, pieces);
    (*out)->synced = true;
    return ERR_NONE;
}

/* Which pieces are not what they were; NULL: none, or the file cannot be opened. */
static bool *find_damage(const struct fs *fs, const char *path, const struct head_file *file,
                         size_t *out_first)
{
    int fd = fs->open(fs, path, FS_READ);
    if (fd < 0)
        return NULL; /* one that was deleted is there as long as it is mapped */
    char *piece CLEANUP(mem_cleanup) = mem_alloc(HEAD_FILE_PIECE_BYTES);
    bool *damaged = mem_zalloc(piece_count(file->size) * sizeof(*damaged));
    size_t count = 0;
    for (size_t i = 0; i < piece_count(file->size); i++) {
        size_t len = piece_len(file->size, i);
        damaged[i] = !piece_read(fs, fd, i * HEAD_FILE_PIECE_BYTES, len, piece) ||
                     crc32c(0, piece, len) != file->pieces[i];
        if (damaged[i] && count++ == 0)
            *out_first = i;
    }
    fs->close(fs, fd);
    if (count > 0)
        return damaged;
    mem_free(damaged);
    return NULL;
}

struct head_file *head_files_check(struct head_files *files, struct errbuf *err)
{
    for (struct head_file *file = files->list; file != NULL; file = file->next) {
        if (file->is_damaged)
            continue;
        size_t first = 0;
        char *path CLEANUP(mem_cleanup) = file_path(files, file->number);
        file->damaged_pieces = find_damage(files->fs, path, file, &first);
        if (file->damaged_pieces == NULL)
            continue;
        file->is_damaged = true;
        files->corruptions++;
        (void)errbuf_set(err, ERR_CORRUPT, "%s: at offset %zu: it is not what was written", path,
                         first * HEAD_FILE_PIECE_BYTES);
        return file;
    }
    return NULL;
}

enum err head_files_set_aside(struct head_files *files, const struct head_file *file,
                              const char *directory, struct buf *out_path, struct errbuf *err)
{
    const struct fs *fs = files->fs;
    char *path CLEANUP(mem_cleanup) = file_path(files, file->number);
    enum err result = fs_make_directories(fs, directory, err);
    if (result != ERR_NONE)
        return result;
    for (unsigned i = 1; i <= ASIDE_TRIES; i++) {
        struct fs_stat stat;
        buf_reset(out_path);
        buf_printf(out_path, "%s/head-chunks.%u", directory, i);
        if (fs->stat(fs, buf_cstr(out_path), &stat) != -ENOENT)
            continue;
        int failed = fs->rename(fs, path, buf_cstr(out_path));
        return failed < 0 ? errbuf_set_errno(err, -failed, "renaming %s", path) : ERR_NONE;
    }
    return errbuf_set(err, ERR_EXISTS, "%s is full", directory);
}

static enum err file_sync(struct head_files *files, struct head_file *file, struct errbuf *err)
{
    const struct fs *fs = files->fs;
    char *path CLEANUP(mem_cleanup) = file_path(files, file->number);
    if (file->is_damaged)
        return errbuf_set(err, ERR_CORRUPT, "%s is damaged", path);
    int fd = fs->open(fs, path, FS_WRITE);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "opening %s", path);
    int failed = fs->sync(fs, fd);
    fs->close(fs, fd);
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "syncing %s", path);
    file->synced = true;
    return ERR_NONE;
}

enum err head_files_sync(struct head_files *files, struct errbuf *err)
{
    enum err result = ERR_NONE;
    bool any = false;
    for (struct head_file *file = files->list; file != NULL && result == ERR_NONE;
         file = file->next) {
        any = any || !file->synced;
        if (!file->synced || file->is_damaged)
            result = file_sync(files, file, err);
    }
    int failed =
        any && result == ERR_NONE ? files->fs->sync_directory(files->fs, files->directory) : 0;
    return failed < 0 ? errbuf_set_errno(err, -failed, "syncing %s", files->directory) : result;
}

void head_files_sweep(struct head_files *files)
{
    struct head_file **link = &files->list;
    while (*link != NULL) {
        struct head_file *file = *link;
        if (file->reference_count > 1) {
            link = &file->next;
            continue;
        }
        *link = file->next;
        char *path = file_path(files, file->number);
        files->fs->unlink(files->fs, path);
        mem_free(path);
        file_free(files, file);
    }
}

void head_files_evict(struct head_files *files)
{
    for (struct head_file *file = files->list; file != NULL; file = file->next)
        files->fs->evict(files->fs, file->data, file->size);
}

typedef VEC(uint64_t) number_list;

/* Only what is called like one of ours. */
static int list_number(const char *name, void *context)
{
    size_t prefix = strlen(NAME_PREFIX);
    if (strncmp(name, NAME_PREFIX, prefix) != 0)
        return 0;
    size_t digits = strspn(name + prefix, "0123456789");
    if (digits >= 8 && digits <= 18 && name[prefix + digits] == '\0')
        vec_push((number_list *)context, strtoull(name + prefix, NULL, 10));
    return 0;
}

void head_files_clean(struct head_files *files)
{
    number_list numbers = {0};
    files->fs->list(files->fs, files->directory, list_number, &numbers);
    for (size_t i = 0; i < numbers.len; i++) {
        const struct head_file *file = files->list;
        while (file != NULL && file->number != numbers.items[i])
            file = file->next;
        if (file != NULL)
            continue;
        char *path = file_path(files, numbers.items[i]);
        files->fs->unlink(files->fs, path);
        mem_free(path);
    }
    vec_release(&numbers);
}
