/* The snapshot as a file of the data directory: written beside and renamed, tried at a start, and
 * moved to aside/ when it is of no use. */
#include "tsdb/head_snapshot.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/path.h"
#include "tsdb/tsdb_internal.h"
#include "tsdb/wal_frame.h"

#include <errno.h>
#include <string.h>

#define NAME "head/snapshot"
#define NAME_TEMPORARY "head/snapshot.tmp"
#define ASIDE_TRIES 1000

static char *path_of(const struct tsdb *db, const char *name)
{
    return path_join(db->directory.path, name);
}

/* The process that wrote the segment; 0 when that cannot be read. */
static uint64_t segment_run(const struct fs *fs, const struct wal *wal, uint64_t number)
{
    char *path CLEANUP(mem_cleanup) = wal_segment_path(wal, number);
    char header[WAL_SEGMENT_HEADER_SIZE];
    int fd = fs->open(fs, path, FS_READ);
    if (fd < 0)
        return 0;
    ssize_t len = fs->pread(fs, fd, header, sizeof(header), 0);
    fs->close(fs, fd);
    uint64_t run = 0;
    if (len != sizeof(header) ||
        wal_segment_header_read(slice_from(header, sizeof(header)), &run, NULL) != ERR_NONE)
        return 0;
    return run;
}

/* Also of a segment without frames, of which the log has nothing to sync. */
static enum err sync_segment(struct tsdb *db, struct errbuf *err)
{
    char *path CLEANUP(mem_cleanup) = wal_segment_path(db->wal, wal_end(db->wal).segment);
    int fd = db->fs->open(db->fs, path, FS_WRITE);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "opening %s", path);
    int failed = db->fs->sync(db->fs, fd);
    db->fs->close(db->fs, fd);
    return failed < 0 ? errbuf_set_errno(err, -failed, "syncing %s", path) : ERR_NONE;
}

static enum err write_file(struct tsdb *db, const char *path, struct errbuf *err)
{
    const struct fs *fs = db->fs;
    int fd = fs->open(fs, path, FS_TRUNCATE);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "creating %s", path);
    struct wal_position end = wal_end(db->wal);
    struct head_snapshot_header header = {.position = end, .run = db->wal->run};
    head_snapshot_segments segments = {0};
    for (size_t i = 0; i < db->wal->segments.len; i++)
        vec_push(&segments, db->wal->segments.items[i]);
    struct head_snapshot_parts parts = {&db->head, &db->head_files, &db->exemplars, &segments};
    enum err result = head_snapshot_write(fs, fd, path, &parts, &header, err);
    vec_release(&segments);
    int failed = result == ERR_NONE ? fs->sync(fs, fd) : 0;
    fs->close(fs, fd);
    return failed < 0 ? errbuf_set_errno(err, -failed, "syncing %s", path) : result;
}

enum err head_snapshot_store(struct tsdb *db, struct errbuf *err)
{
    ASSERT(db->groups == NULL);
    const struct fs *fs = db->fs;
    const char *directory = db->head_directory;
    char *path CLEANUP(mem_cleanup) = path_of(db, NAME);
    char *temporary CLEANUP(mem_cleanup) = path_of(db, NAME_TEMPORARY);
    enum err result = fs_make_directories(fs, directory, err);
    head_files_sweep(&db->head_files);
    if (result == ERR_NONE)
        result = sync_segment(db, err);
    if (result == ERR_NONE)
        result = head_files_sync(&db->head_files, err);
    if (result == ERR_NONE)
        result = write_file(db, temporary, err);
    int failed = result == ERR_NONE ? fs->rename(fs, temporary, path) : 0;
    if (failed < 0)
        result = errbuf_set_errno(err, -failed, "renaming %s", temporary);
    if (result != ERR_NONE) {
        fs->unlink(fs, temporary);
        return result;
    }
    failed = fs->sync_directory(fs, directory);
    return failed < 0 ? errbuf_set_errno(err, -failed, "syncing %s", directory) : ERR_NONE;
}

/* Moves the file to aside/, under a name that is free. */
static enum err set_aside(struct tsdb *db, const char *path, struct buf *out, struct errbuf *err)
{
    const struct fs *fs = db->fs;
    char *directory CLEANUP(mem_cleanup) = path_of(db, "aside");
    enum err result = fs_make_directories(fs, directory, err);
    if (result != ERR_NONE)
        return result;
    for (unsigned i = 1; i <= ASIDE_TRIES; i++) {
        struct fs_stat stat;
        buf_reset(out);
        buf_printf(out, "%s/head-snapshot.%u", directory, i);
        if (fs->stat(fs, buf_cstr(out), &stat) != -ENOENT)
            continue;
        int failed = fs->rename(fs, path, buf_cstr(out));
        return failed < 0 ? errbuf_set_errno(err, -failed, "renaming %s", path) : ERR_NONE;
    }
    return errbuf_set(err, ERR_EXISTS, "%s is full", directory);
}

static void report_damage(struct tsdb *db, const char *path, const struct errbuf *damage)
{
    struct buf aside CLEANUP(buf_release);
    buf_init(&aside, PATH_SIZE_MAX);
    struct errbuf err = ERRBUF_INIT;
    enum err result = set_aside(db, path, &aside, &err);
    counter_inc(db->metrics.snapshot_replay_errors);
    struct errbuf place = ERRBUF_INIT;
    (void)errbuf_set(&place, ERR_CORRUPT, "%s: %s", path, damage->text);
    damage_book_note(&db->damages, place.text);
    log_warn("The snapshot of the head cannot be used and was set aside; the whole log is replayed",
             log_str("file", path), log_err(damage),
             log_str("aside", result == ERR_NONE ? buf_cstr(&aside) : err.text));
}

/* Before which segments were deleted on purpose. */
static uint64_t oldest_segment(const struct wal *wal)
{
    struct wal_list list;
    uint64_t oldest = wal->segments.len > 0 ? wal->segments.items[0].number : 0;
    if (wal_read_list(wal, &list, NULL) == ERR_NONE && list.segments.len > 0)
        oldest = list.segments.items[0].number;
    wal_list_release(&list);
    return oldest;
}

/* Does the log go on where the snapshot ends? ERR_NOT_FOUND: the log has left it behind. */
static enum err check_position(struct tsdb *db, struct wal *wal,
                               const struct head_snapshot_header *header, struct errbuf *err)
{
    if (header->position.segment < oldest_segment(wal))
        return errbuf_set(err, ERR_NOT_FOUND, "its segment of the log is gone");
    uint64_t run = segment_run(db->fs, wal, header->position.segment);
    if (run != 0 && run != header->run)
        return errbuf_set(err, ERR_CORRUPT, "it belongs to another log");
    return ERR_NONE;
}

/* The log was synced before the snapshot was written, so where it ends before the snapshot's place
 * it was damaged since; all that it has lost is in the snapshot. The number of a segment that is
 * gone is not used again, or else the snapshot would seem to belong to another log. */
static void report_shorter_log(struct wal *wal, const struct head_snapshot_header *header)
{
    uint64_t number = header->position.segment;
    if (wal_segment_size(wal, number) >= header->position.offset)
        return;
    char *path CLEANUP(mem_cleanup) = wal_segment_path(wal, number);
    log_warn("The log is shorter than it was; the snapshot of the head has all that was in it",
             log_str("file", path), log_uint("bytes", wal_segment_size(wal, number)),
             log_uint("expected", header->position.offset));
    wal_reserve(wal, number);
}

/* Segments that the replay will not read. */
static void note_segments(struct wal *wal, const head_snapshot_segments *segments,
                          uint64_t position_segment, int64_t max_ms)
{
    for (size_t i = 0; i < wal->segments.len; i++) {
        struct wal_segment *segment = &wal->segments.items[i];
        if (segment->number > position_segment)
            break;
        segment->max_ms = max_ms;
        for (size_t k = 0; k < segments->len; k++) {
            if (segments->items[k].number == segment->number)
                segment->max_ms = segments->items[k].max_ms;
        }
    }
}

static enum err load_mapped(struct tsdb *db, struct wal *wal, struct slice file,
                            struct wal_position *out, struct errbuf *err)
{
    struct head_snapshot_header header;
    enum err result = head_snapshot_read_header(file, &header, err);
    if (result == ERR_NONE)
        result = check_position(db, wal, &header, err);
    if (result != ERR_NONE)
        return result;
    head_snapshot_segments segments = {0};
    struct head_snapshot_parts parts = {&db->head, &db->head_files, &db->exemplars, &segments};
    result = head_snapshot_read(file, &parts, err);
    if (result == ERR_NONE) {
        report_shorter_log(wal, &header);
        note_segments(wal, &segments, header.position.segment, header.max_ms);
        *out = header.position;
    } else {
        head_release(&db->head);
        head_init(&db->head);
        head_files_release(&db->head_files);
        exemplars_release(&db->exemplars);
        exemplars_init(&db->exemplars, db->options.exemplars_max);
    }
    vec_release(&segments);
    return result;
}

static enum err load_file(struct tsdb *db, struct wal *wal, const char *path,
                          struct wal_position *out, struct errbuf *err)
{
    const struct fs *fs = db->fs;
    int fd = fs->open(fs, path, FS_READ);
    if (fd < 0)
        return fd == -ENOENT ? ERR_NOT_FOUND : errbuf_set_errno(err, -fd, "opening %s", path);
    int64_t size = fs->size(fs, fd);
    void *data = size > 0 ? fs->map(fs, fd, (size_t)size) : NULL;
    fs->close(fs, fd);
    if (data == NULL)
        return errbuf_set(err, ERR_CORRUPT, size == 0 ? "it is empty" : "reading it failed");
    enum err result = load_mapped(db, wal, slice_from(data, (size_t)size), out, err);
    fs->unmap(fs, data, (size_t)size);
    return result;
}

struct wal_position head_snapshot_load(struct tsdb *db, struct wal *wal)
{
    struct wal_position position = {0};
    struct errbuf err = ERRBUF_INIT;
    int64_t start_ns = clock_monotonic_ns(clock_system);
    char *path CLEANUP(mem_cleanup) = path_of(db, NAME);
    enum err result = load_file(db, wal, path, &position, &err);
    if (result == ERR_NONE)
        log_info("Snapshot of the head loaded", log_uint("series", db->head.series_count),
                 log_uint("segment", position.segment), log_uint("offset", position.offset),
                 log_duration_ns("duration", clock_monotonic_ns(clock_system) - start_ns));
    else if (result == ERR_NOT_FOUND)
        db->fs->unlink(db->fs, path); /* the log has left it behind, if it is there at all */
    else
        report_damage(db, path, &err);
    return position;
}
