/* The lock is held across the sync that commits may wait for, and across beginning a segment;
 * writing itself is the committer's alone and needs only its bookkeeping guarded. */
#include "tsdb/wal.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/path.h"
#include "tsdb/wal_frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A new segment after a failure must be able to take this much, or the log would fail again at
 * once. */
#define WAL_PROBE_BYTES ((size_t)256 << 10)
#define WAL_CREATE_TRIES 1000

struct wal *wal_new(const struct fs *fs, const char *directory, uint64_t segment_bytes,
                    uint64_t run)
{
    struct wal *wal = mem_zalloc(sizeof(*wal));
    wal->fs = fs;
    wal->directory = mem_strdup(directory);
    wal->segment_bytes = segment_bytes == 0 ? WAL_SEGMENT_BYTES_DEFAULT : segment_bytes;
    wal->run = run;
    wal->fd = -1;
    mutex_init(&wal->sync_lock, LOCK_RANK_TSDB_SYNC);
    mutex_init(&wal->lock, LOCK_RANK_TSDB_WAL);
    buf_init(&wal->frame, BUF_SIZE_ANY);
    return wal;
}

char *wal_segment_path(const struct wal *wal, uint64_t number)
{
    return path_print("%s/%08" PRIu64, wal->directory, number);
}

/* Segments are called by a number of eight digits or more; other names are not ours. */
static bool segment_number(const char *name, uint64_t *out)
{
    size_t len = strlen(name);
    if (len < 8 || len > 18 || strspn(name, "0123456789") != len)
        return false;
    *out = strtoull(name, NULL, 10);
    return true;
}

static int load_name(const char *name, void *context)
{
    struct wal *wal = context;
    uint64_t number;
    if (!segment_number(name, &number))
        return 0;
    char *path = wal_segment_path(wal, number);
    struct fs_stat stat;
    int failed = wal->fs->stat(wal->fs, path, &stat);
    mem_free(path);
    if (failed == 0 && !stat.is_directory)
        vec_push(&wal->segments, (struct wal_segment){number, stat.size, INT64_MIN});
    return 0;
}

static int segment_compare(const void *a, const void *b)
{
    uint64_t x = ((const struct wal_segment *)a)->number;
    uint64_t y = ((const struct wal_segment *)b)->number;
    return (x > y) - (x < y);
}

enum err wal_load(struct wal *wal, struct errbuf *err)
{
    enum err result = fs_make_directories(wal->fs, wal->directory, err);
    if (result != ERR_NONE)
        return result;
    int failed = wal->fs->list(wal->fs, wal->directory, load_name, wal);
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "listing %s", wal->directory);
    if (wal->segments.len > 0)
        qsort(wal->segments.items, wal->segments.len, sizeof(*wal->segments.items),
              segment_compare);
    return ERR_NONE;
}

static struct wal_segment *segment_find(struct wal *wal, uint64_t number)
{
    for (size_t i = wal->segments.len; i > 0; i--) {
        if (wal->segments.items[i - 1].number == number)
            return &wal->segments.items[i - 1];
    }
    return NULL;
}

static char *list_path(const struct wal *wal)
{
    return path_print("%s/" WAL_LIST_NAME, wal->directory);
}

enum err wal_read_list(const struct wal *wal, struct wal_list *out, struct errbuf *err)
{
    char *path CLEANUP(mem_cleanup) = list_path(wal);
    return wal_list_read(wal->fs, path, out, err);
}

/* Writes the list without the first `gone` segments, and with a new one, `added`, unless that is 0.
 * `closed`: none but that is written any more. */
static enum err write_list_locked(struct wal *wal, size_t gone, uint64_t added, bool closed,
                                  struct errbuf *err)
{
    mutex_assert_held(&wal->lock);
    struct wal_list list = {.late_from = wal->late_from};
    for (size_t i = gone; i < wal->segments.len; i++) {
        const struct wal_segment *segment = &wal->segments.items[i];
        bool open = i + 1 == wal->segments.len && !closed;
        vec_push(&list.segments,
                 (struct wal_listed){segment->number, open ? WAL_LIST_OPEN : segment->size});
    }
    if (added != 0)
        vec_push(&list.segments, (struct wal_listed){added, WAL_LIST_OPEN});
    char *path CLEANUP(mem_cleanup) = list_path(wal);
    enum err code = wal_list_write(&list, wal->fs, path, err);
    wal_list_release(&list);
    return code;
}

static bool delete_file(const struct wal *wal, uint64_t number)
{
    char *path CLEANUP(mem_cleanup) = wal_segment_path(wal, number);
    int failed = wal->fs->unlink(wal->fs, path);
    return failed == 0 || failed == -ENOENT;
}

void wal_reserve(struct wal *wal, uint64_t number)
{
    MUTEX_GUARD(&wal->lock);
    wal->number_min = MAX(wal->number_min, number + 1);
}

void wal_note_segment(struct wal *wal, uint64_t number, uint64_t size, int64_t max_ms)
{
    MUTEX_GUARD(&wal->lock);
    struct wal_segment *segment = segment_find(wal, number);
    if (segment == NULL)
        return;
    segment->size = size;
    segment->max_ms = max_ms;
}

static struct wal_segment *segment_last(struct wal *wal)
{
    ASSERT(wal->segments.len > 0);
    return &wal->segments.items[wal->segments.len - 1];
}

/* The first reason stays until the log recovers. */
static void fail_locked(struct wal *wal, const char *text)
{
    mutex_assert_held(&wal->lock);
    if (wal->failure == NULL)
        wal->failure = mem_strdup(text);
    wal->failed = true;
}

static void close_segment_locked(struct wal *wal)
{
    if (wal->fd >= 0)
        wal->fs->close(wal->fs, wal->fd);
    wal->fd = -1;
    mem_free(wal->path);
    wal->path = NULL;
}

/* Syncs what was written; sync_lock is held, lock is not. */
static enum err sync_file(struct wal *wal, bool *out_synced, struct errbuf *err)
{
    mutex_assert_held(&wal->sync_lock);
    mutex_lock(&wal->lock);
    uint64_t written = wal->written;
    bool needed = wal->fd >= 0 && wal->synced < written;
    mutex_unlock(&wal->lock);
    *out_synced = needed;
    if (!needed)
        return ERR_NONE;
    int failed = wal->fs->sync(wal->fs, wal->fd);
    MUTEX_GUARD(&wal->lock);
    if (failed < 0) {
        /* a second try may well succeed, and would say nothing about these bytes; who wrote those
         * of an earlier failure may wait still */
        if (wal->lost_to == 0)
            wal->lost_from = wal->synced;
        wal->lost_to = written;
    }
    wal->synced = written;
    if (failed == 0)
        return ERR_NONE;
    struct errbuf own;
    enum err result = errbuf_set_errno(&own, -failed, "syncing %s", wal->path);
    fail_locked(wal, own.text);
    return errbuf_set(err, result, "%s", own.text);
}

/* Creates the file of the next segment. A number may be taken by what an earlier failure left. */
static enum err create_segment_locked(struct wal *wal, uint64_t *out_number, char **out_path,
                                      int *out_fd, struct errbuf *err)
{
    uint64_t number = wal->segments.len == 0 ? 1 : segment_last(wal)->number + 1;
    number = MAX(number, wal->number_min);
    for (unsigned tries = 0; tries < WAL_CREATE_TRIES; tries++, number++) {
        char *path = wal_segment_path(wal, number);
        int fd = wal->fs->open(wal->fs, path, FS_CREATE);
        if (fd >= 0) {
            *out_number = number;
            *out_path = path;
            *out_fd = fd;
            return ERR_NONE;
        }
        enum err result = errbuf_set_errno(err, -fd, "creating %s", path);
        mem_free(path);
        if (fd != -EEXIST)
            return result;
    }
    return errbuf_set(err, ERR_EXISTS, "%s is full of segments that are not ours", wal->directory);
}

/* Writes the header; with `probe` makes sure that there is room for more. */
static enum err write_header(struct wal *wal, int fd, const char *path, bool probe,
                             struct errbuf *err)
{
    struct buf header CLEANUP(buf_release);
    buf_init(&header, 2 * WAL_PROBE_BYTES);
    wal_segment_header(wal->run, &header);
    if (probe) {
        char *room = buf_reserve(&header, WAL_PROBE_BYTES);
        memset(room, 0, WAL_PROBE_BYTES);
        buf_commit(&header, WAL_PROBE_BYTES);
    }
    enum err result = fs_write_all(wal->fs, fd, header.data, header.len, 0, path, err);
    if (result != ERR_NONE || !probe)
        return result;
    int failed = wal->fs->truncate(wal->fs, fd, WAL_SEGMENT_HEADER_SIZE);
    return failed < 0 ? errbuf_set_errno(err, -failed, "truncating %s", path) : ERR_NONE;
}

/* May the list on disk name the segment? */
static bool is_listed(const struct wal *wal, uint64_t number)
{
    struct wal_list list;
    enum err code = wal_read_list(wal, &list, NULL);
    bool found = code != ERR_NONE && code != ERR_NOT_FOUND;
    for (size_t i = 0; i < list.segments.len; i++)
        found |= list.segments.items[i].number == number;
    wal_list_release(&list);
    return found;
}

/* Deletes a segment that could not be begun. The list may have got its name before the directory
 * could not be synced: it loses it first, or a start after a kill would miss the segment. */
static void discard_segment_locked(struct wal *wal, uint64_t number, const char *path)
{
    if (is_listed(wal, number))
        (void)!write_list_locked(wal, 0, 0, true, NULL);
    if (!is_listed(wal, number))
        wal->fs->unlink(wal->fs, path);
}

/* Opens the next segment and lets go of the one before. */
static enum err begin_segment_locked(struct wal *wal, bool probe, struct errbuf *err)
{
    uint64_t number = 0;
    char *path = NULL;
    int fd = -1;
    enum err result = create_segment_locked(wal, &number, &path, &fd, err);
    if (result != ERR_NONE)
        return result;
    result = write_header(wal, fd, path, probe, err);
    if (result == ERR_NONE)
        result = write_list_locked(wal, 0, number, true, err); /* which syncs the directory */
    if (result != ERR_NONE) {
        wal->fs->close(wal->fs, fd);
        discard_segment_locked(wal, number, path);
        mem_free(path);
        return result;
    }
    close_segment_locked(wal);
    wal->fd = fd;
    wal->path = path;
    wal->size = WAL_SEGMENT_HEADER_SIZE;
    vec_push(&wal->segments, (struct wal_segment){number, wal->size, INT64_MIN});
    return ERR_NONE;
}

enum err wal_cut(struct wal *wal, struct errbuf *err)
{
    struct errbuf own = ERRBUF_INIT;
    bool synced;
    MUTEX_GUARD(&wal->sync_lock);
    enum err result = sync_file(wal, &synced, &own);
    MUTEX_GUARD(&wal->lock);
    if (result == ERR_NONE)
        result = begin_segment_locked(wal, false, &own);
    if (result == ERR_NONE)
        return ERR_NONE;
    fail_locked(wal, own.text);
    return errbuf_set(err, result, "%s", own.text);
}

bool wal_is_full(struct wal *wal)
{
    return wal->size >= wal->segment_bytes;
}

/* Takes back what a failed write may have left, and lets go of the segment. */
static void abandon_segment(struct wal *wal, const struct errbuf *reason)
{
    MUTEX_GUARD(&wal->sync_lock);
    /* when this fails too, the next replay finds the torn frame and sets it aside */
    wal->fs->truncate(wal->fs, wal->fd, wal->size);
    bool synced;
    (void)sync_file(wal, &synced, NULL);
    MUTEX_GUARD(&wal->lock);
    fail_locked(wal, reason->text);
    close_segment_locked(wal);
}

enum err wal_append(struct wal *wal, struct slice payload, int64_t max_ms, uint64_t *out_total,
                    struct errbuf *err)
{
    struct errbuf own = ERRBUF_INIT;
    buf_reset(&wal->frame);
    enum err result = wal_frame_write(WAL_FRAME_COMMIT, payload, &wal->frame, &own);
    if (result == ERR_NONE && wal->fd < 0)
        result = errbuf_set(&own, ERR_UNAVAILABLE, "no segment of the log is open");
    if (result == ERR_NONE)
        result = fs_write_all(wal->fs, wal->fd, wal->frame.data, wal->frame.len, wal->size,
                              wal->path, &own);
    if (result != ERR_NONE) {
        abandon_segment(wal, &own);
        return errbuf_set(err, result, "%s", own.text);
    }
    wal->size += wal->frame.len;
    MUTEX_GUARD(&wal->lock);
    struct wal_segment *segment = segment_last(wal);
    segment->size = wal->size;
    segment->max_ms = MAX(segment->max_ms, max_ms);
    wal->written += wal->frame.len;
    *out_total = wal->written;
    return ERR_NONE;
}

/* Did a sync fail for what ends at `total`? */
static bool is_lost(struct wal *wal, uint64_t total)
{
    MUTEX_GUARD(&wal->lock);
    return total > wal->lost_from && total <= wal->lost_to;
}

enum err wal_sync(struct wal *wal, uint64_t total, struct errbuf *err)
{
    MUTEX_GUARD(&wal->sync_lock);
    mutex_lock(&wal->lock);
    bool done = wal->synced >= total;
    mutex_unlock(&wal->lock);
    bool synced;
    enum err result = done ? ERR_NONE : sync_file(wal, &synced, err);
    if (result == ERR_NONE && is_lost(wal, total))
        return errbuf_set(err, ERR_IO, "the disk did not take what was written");
    return result;
}

enum err wal_sync_pending(struct wal *wal, bool *out_synced, struct errbuf *err)
{
    MUTEX_GUARD(&wal->sync_lock);
    return sync_file(wal, out_synced, err);
}

bool wal_has_failed(const struct wal *wal)
{
    return wal->failed;
}

void wal_failure_text(struct wal *wal, struct buf *out)
{
    MUTEX_GUARD(&wal->lock);
    buf_append_str(out, wal->failure == NULL ? "" : wal->failure);
}

enum err wal_recover(struct wal *wal, struct errbuf *err)
{
    if (!wal->failed)
        return ERR_NONE;
    bool synced;
    MUTEX_GUARD(&wal->sync_lock);
    (void)sync_file(wal, &synced, NULL);
    MUTEX_GUARD(&wal->lock);
    enum err result = begin_segment_locked(wal, true, err);
    if (result != ERR_NONE)
        return result;
    mem_free(wal->failure);
    wal->failure = NULL;
    wal->failed = false;
    return ERR_NONE;
}

/* May the segment go, as far as readers of the log are concerned? A reader loses its hold when it
 * is further behind than it asked for. */
static bool holds_allow_locked(struct wal *wal, uint64_t number)
{
    for (size_t i = 0; i < wal->holds.len; i++) {
        struct wal_hold *hold = wal->holds.items[i];
        if (hold->lost || hold->position.segment > number)
            continue;
        uint64_t behind = 0;
        for (size_t k = 0; k < wal->segments.len; k++) {
            if (wal->segments.items[k].number >= hold->position.segment)
                behind += wal->segments.items[k].size;
        }
        if (behind <= hold->bytes_max)
            return false;
        hold->lost = true;
    }
    return true;
}

void wal_truncate(struct wal *wal, int64_t cutoff_ms, uint64_t number_end, uint64_t late_from)
{
    MUTEX_GUARD(&wal->lock);
    const struct wal_segment *segments = wal->segments.items;
    bool is_news = late_from > wal->late_from;
    wal->late_from = MAX(wal->late_from, late_from);
    size_t count = 0;
    while (count + 1 < wal->segments.len && segments[count].max_ms < cutoff_ms &&
           segments[count].number < number_end && holds_allow_locked(wal, segments[count].number))
        count++;
    /* what is deleted and still listed would be missed at the next start */
    if ((count == 0 && !is_news) || write_list_locked(wal, count, 0, false, NULL) != ERR_NONE)
        return;
    size_t deleted = 0;
    while (deleted < count && delete_file(wal, segments[deleted].number))
        deleted++;
    wal->segments.len -= deleted;
    memmove(wal->segments.items, wal->segments.items + deleted,
            wal->segments.len * sizeof(*wal->segments.items));
}

static uint64_t bytes_locked(struct wal *wal)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < wal->segments.len; i++)
        bytes += wal->segments.items[i].size;
    return bytes;
}

uint64_t wal_bytes(struct wal *wal)
{
    MUTEX_GUARD(&wal->lock);
    return bytes_locked(wal);
}

struct wal_position wal_end(struct wal *wal)
{
    MUTEX_GUARD(&wal->lock);
    struct wal_segment *segment = segment_last(wal);
    return (struct wal_position){segment->number, segment->size};
}

uint64_t wal_oldest_segment(struct wal *wal)
{
    MUTEX_GUARD(&wal->lock);
    return wal->segments.len == 0 ? 0 : wal->segments.items[0].number;
}

uint64_t wal_next_segment(struct wal *wal, uint64_t number)
{
    MUTEX_GUARD(&wal->lock);
    for (size_t i = 0; i < wal->segments.len; i++) {
        if (wal->segments.items[i].number > number)
            return wal->segments.items[i].number;
    }
    return 0;
}

uint64_t wal_segment_size(struct wal *wal, uint64_t number)
{
    MUTEX_GUARD(&wal->lock);
    struct wal_segment *segment = segment_find(wal, number);
    return segment == NULL ? 0 : segment->size;
}

void wal_hold_add(struct wal *wal, struct wal_hold *hold)
{
    MUTEX_GUARD(&wal->lock);
    vec_push(&wal->holds, hold);
}

void wal_hold_remove(struct wal *wal, struct wal_hold *hold)
{
    MUTEX_GUARD(&wal->lock);
    for (size_t i = 0; i < wal->holds.len; i++) {
        if (wal->holds.items[i] == hold)
            wal->holds.items[i] = wal->holds.items[--wal->holds.len];
    }
}

void wal_hold_move(struct wal *wal, struct wal_hold *hold, struct wal_position position)
{
    MUTEX_GUARD(&wal->lock);
    hold->position = position;
}

bool wal_hold_take_lost(struct wal *wal, struct wal_hold *hold)
{
    MUTEX_GUARD(&wal->lock);
    bool lost = hold->lost;
    hold->lost = false;
    return lost;
}

void wal_free(struct wal *wal)
{
    if (wal == NULL)
        return;
    bool synced;
    mutex_lock(&wal->sync_lock);
    enum err result = sync_file(wal, &synced, NULL);
    mutex_lock(&wal->lock);
    /* what a clean stop left is known to the byte */
    if (result == ERR_NONE && wal->fd >= 0 && !wal->failed)
        (void)!write_list_locked(wal, 0, 0, true, NULL);
    close_segment_locked(wal);
    mutex_unlock(&wal->lock);
    mutex_unlock(&wal->sync_lock);
    ASSERT(wal->holds.len == 0);
    vec_release(&wal->holds);
    vec_release(&wal->segments);
    mutex_release(&wal->sync_lock);
    mutex_release(&wal->lock);
    buf_release(&wal->frame);
    mem_free(wal->directory);
    mem_free(wal->failure);
    mem_free(wal);
}
