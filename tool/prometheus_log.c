#include "tool/prometheus_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compress.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/path.h"
#include "tool/big_endian.h"
#include "tool/zstd.h"

#define SEGMENTS_MAX 100000
#define PAGE_SIZE 32768
#define FRAGMENT_HEADER_SIZE 7
#define RECORD_SIZE_MAX ((size_t)256 << 20)
#define CHECKPOINT_PREFIX "checkpoint."

/* The first byte of a fragment. */
#define FRAGMENT_TYPE 0x07
#define FRAGMENT_SNAPPY 0x08
#define FRAGMENT_ZSTD 0x10
enum fragment_type {
    FRAGMENT_PAGE_END = 0,
    FRAGMENT_FULL = 1,
    FRAGMENT_FIRST = 2,
    FRAGMENT_MIDDLE = 3,
    FRAGMENT_LAST = 4,
};

void prometheus_log_init(struct prometheus_log *log, const struct fs *fs, struct notes *notes)
{
    *log = (struct prometheus_log){.fs = fs, .notes = notes, .fd = -1};
    buf_init(&log->page, PAGE_SIZE);
    buf_init(&log->packed, RECORD_SIZE_MAX);
    buf_init(&log->plain, RECORD_SIZE_MAX);
}

void prometheus_log_release(struct prometheus_log *log)
{
    if (log->fd >= 0)
        log->fs->close(log->fs, log->fd);
    for (size_t i = 0; i < log->segments.len; i++)
        mem_free(log->segments.items[i].path);
    vec_release(&log->segments);
    buf_release(&log->page);
    buf_release(&log->packed);
    buf_release(&log->plain);
    log->fd = -1;
}

/* --- which segments there are --- */

static bool read_number(const char *text, uint64_t *out)
{
    if (*text == '\0' || strlen(text) > 18)
        return false;
    *out = 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *out = *out * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

struct segment_scan {
    struct prometheus_log *log;
    const char *directory;
    uint64_t number_min;
};

static int add_segment(const char *name, void *context)
{
    struct segment_scan *scan = context;
    struct prometheus_log *log = scan->log;
    uint64_t number;
    if (!read_number(name, &number) || number < scan->number_min)
        return 0;
    if (log->segments.len == SEGMENTS_MAX)
        return -E2BIG;
    char *path = path_join(scan->directory, name);
    struct fs_stat stat;
    if (log->fs->stat(log->fs, path, &stat) != 0 || stat.is_directory) {
        mem_free(path);
        return 0;
    }
    log->bytes_total += stat.size;
    vec_push(&log->segments, (struct prometheus_log_segment){path, number, stat.size});
    return 0;
}

static int segment_compare(const void *a, const void *b)
{
    const struct prometheus_log_segment *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

enum err prometheus_log_add(struct prometheus_log *log, const char *directory, uint64_t number_min,
                            struct errbuf *err)
{
    size_t first = log->segments.len;
    struct segment_scan scan = {log, directory, number_min};
    int failed = log->fs->list(log->fs, directory, add_segment, &scan);
    if (failed == -ENOENT)
        return ERR_NONE;
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "reading %s", directory);
    struct prometheus_log_segment *added = log->segments.items + first;
    size_t count = log->segments.len - first;
    if (count > 1)
        qsort(added, count, sizeof(*added), segment_compare);
    for (size_t i = 1; i < count; i++) {
        if (added[i].number != added[i - 1].number + 1)
            notes_add(log->notes, true, "%s: the segments before it are missing", added[i].path);
    }
    return ERR_NONE;
}

struct checkpoint_scan {
    bool found;
    uint64_t number;
    char name[64];
};

static int find_checkpoint(const char *name, void *context)
{
    struct checkpoint_scan *scan = context;
    size_t prefix = strlen(CHECKPOINT_PREFIX);
    uint64_t number;
    if (strncmp(name, CHECKPOINT_PREFIX, prefix) != 0 || strlen(name) >= sizeof(scan->name) ||
        !read_number(name + prefix, &number))
        return 0; /* one that is not finished ends with .tmp */
    if (!scan->found || number > scan->number) {
        scan->found = true;
        scan->number = number;
        memcpy(scan->name, name, strlen(name) + 1);
    }
    return 0;
}

enum err prometheus_log_add_checkpointed(struct prometheus_log *log, const char *directory,
                                         struct errbuf *err)
{
    struct checkpoint_scan scan = {0};
    int failed = log->fs->list(log->fs, directory, find_checkpoint, &scan);
    if (failed == -ENOENT)
        return ERR_NONE;
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "reading %s", directory);
    if (!scan.found)
        return prometheus_log_add(log, directory, 0, err);
    char *path CLEANUP(mem_cleanup) = path_join(directory, scan.name);
    enum err code = prometheus_log_add(log, path, 0, err);
    return code == ERR_NONE ? prometheus_log_add(log, directory, scan.number + 1, err) : code;
}

/* --- pages and fragments --- */

static const char *segment_path(const struct prometheus_log *log)
{
    return log->segments.items[log->segment].path;
}

/* Where `at` of the page lies in the segment. */
static unsigned long long offset_of(const struct prometheus_log *log, size_t at)
{
    return log->page_offset - log->page.len + at;
}

static void note_damage(struct prometheus_log *log, size_t at, const char *what)
{
    notes_add(log->notes, true, "%s: at offset %llu: %s", segment_path(log), offset_of(log, at),
              what);
    log->is_begun = false;
    buf_reset(&log->packed);
}

void prometheus_log_note_record(struct prometheus_log *log, const struct errbuf *why)
{
    note_damage(log, log->at, why->text);
}

static bool stop(struct prometheus_log *log, int error_number, const char *what)
{
    log->failure = errbuf_set_errno(&log->err, error_number, "%s %s", what, segment_path(log));
    return false;
}

/* The record that is begun ends with its segment. */
static void end_segment(struct prometheus_log *log)
{
    bool is_last = log->segment + 1 == log->segments.len;
    if (log->is_begun && is_last)
        notes_add(log->notes, false,
                  "%s: the last record breaks off at offset %llu, as after a power cut; all before "
                  "it was read",
                  segment_path(log), (unsigned long long)log->page_offset);
    else if (log->is_begun)
        note_damage(log, log->page.len, "a record breaks off at the end of the segment");
    log->is_begun = false;
    log->fs->close(log->fs, log->fd);
    log->fd = -1;
    log->segment++;
}

/* Fills the page with the next one; false at the end of the log. */
static bool next_page(struct prometheus_log *log)
{
    for (;;) {
        if (log->fd < 0) {
            if (log->segment == log->segments.len)
                return false;
            log->fd = log->fs->open(log->fs, segment_path(log), FS_READ);
            if (log->fd < 0)
                return stop(log, -log->fd, "opening");
            log->page_offset = 0;
        }
        buf_reset(&log->page);
        log->at = 0;
        char *to = buf_reserve(&log->page, PAGE_SIZE);
        size_t len = 0;
        while (len < PAGE_SIZE) {
            ssize_t got =
                log->fs->pread(log->fs, log->fd, to + len, PAGE_SIZE - len, log->page_offset + len);
            if (got < 0)
                return stop(log, (int)-got, "reading");
            if (got == 0)
                break;
            len += (size_t)got;
        }
        buf_commit(&log->page, len);
        log->page_offset += len;
        log->bytes_read += len;
        if (len > 0)
            return true;
        end_segment(log);
    }
}

static bool is_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != 0)
            return false;
    }
    return true;
}

struct fragment {
    enum fragment_type type;
    uint8_t compression;
    struct slice data;
};

/* A short page is the last of its segment, and what is cut there in the last segment was being
 * written when the power went. */
static bool cut_short(struct prometheus_log *log)
{
    bool is_last = log->segment + 1 == log->segments.len && log->page.len < PAGE_SIZE;
    if (is_last)
        log->is_begun = true; /* is told at the end of the segment */
    else
        note_damage(log, log->at, "a record breaks off");
    log->at = log->page.len;
    return false;
}

static bool skip_page(struct prometheus_log *log, const char *what)
{
    note_damage(log, log->at, what);
    log->at = log->page.len;
    return false;
}

/* The next fragment of the page; false at its end. */
static bool next_fragment(struct prometheus_log *log, struct fragment *out)
{
    const uint8_t *data = (const uint8_t *)log->page.data + log->at;
    size_t left = log->page.len - log->at;
    if (left == 0)
        return false;
    out->type = (enum fragment_type)(data[0] & FRAGMENT_TYPE);
    out->compression = data[0] & (FRAGMENT_SNAPPY | FRAGMENT_ZSTD);
    if (out->type == FRAGMENT_PAGE_END) {
        if (!is_zero(data, left))
            return skip_page(log, "the rest of the page should be zeros");
        log->at = log->page.len;
        return false;
    }
    if (left < FRAGMENT_HEADER_SIZE)
        return cut_short(log);
    size_t len = (size_t)data[1] << 8 | data[2];
    if (len > PAGE_SIZE - log->at % PAGE_SIZE - FRAGMENT_HEADER_SIZE)
        return skip_page(log, "a record is longer than its page");
    if (len > left - FRAGMENT_HEADER_SIZE)
        return cut_short(log);
    uint32_t checksum = crc32c(0, data + FRAGMENT_HEADER_SIZE, len);
    if (big_endian_u32(data + 3) != checksum)
        return skip_page(log, "the checksum of a record is wrong");
    if (out->type > FRAGMENT_LAST)
        return skip_page(log, "a record has an unknown type");
    log->fingerprint = hash_mix(log->fingerprint, checksum);
    out->data = slice_from((const char *)data + FRAGMENT_HEADER_SIZE, len);
    log->at += FRAGMENT_HEADER_SIZE + len;
    return true;
}

/* --- records --- */

/* Puts a fragment to the record; true where that completes it. */
static bool add_fragment(struct prometheus_log *log, const struct fragment *fragment)
{
    bool begins = fragment->type == FRAGMENT_FULL || fragment->type == FRAGMENT_FIRST;
    if (begins) {
        if (log->is_begun)
            note_damage(log, log->at, "a record has no end");
        buf_reset(&log->packed);
        log->compression = fragment->compression;
        log->is_begun = true;
    } else if (!log->is_begun) {
        return false; /* the rest of a record whose begin is damaged */
    }
    if (!buf_append_slice(&log->packed, fragment->data)) {
        note_damage(log, log->at, "a record is too long");
        return false;
    }
    bool ends = fragment->type == FRAGMENT_FULL || fragment->type == FRAGMENT_LAST;
    log->is_begun = !ends;
    return ends;
}

static bool unpack(struct prometheus_log *log, struct slice *out)
{
    struct errbuf err = ERRBUF_INIT;
    enum err code = ERR_NONE;
    struct slice packed = buf_slice(&log->packed);
    buf_reset(&log->plain);
    if (log->compression == 0) {
        *out = packed;
        return true;
    }
    code = log->compression == FRAGMENT_SNAPPY
               ? decompress_snappy(packed, RECORD_SIZE_MAX, &log->plain, &err)
               : zstd_decompress(packed, RECORD_SIZE_MAX, &log->plain, &err);
    if (code != ERR_NONE)
        note_damage(log, log->at, err.text);
    *out = buf_slice(&log->plain);
    return code == ERR_NONE;
}

bool prometheus_log_next(struct prometheus_log *log, struct slice *out_record)
{
    struct fragment fragment;
    while (log->failure == ERR_NONE) {
        if (log->fd >= 0 && next_fragment(log, &fragment)) {
            if (add_fragment(log, &fragment) && unpack(log, out_record))
                return true;
        } else if (log->fd < 0 || log->at == log->page.len) {
            if (!next_page(log))
                return false;
        }
    }
    return false;
}

void prometheus_log_rewind(struct prometheus_log *log)
{
    if (log->fd >= 0)
        log->fs->close(log->fs, log->fd);
    log->fd = -1;
    log->segment = 0;
    log->at = 0;
    log->is_begun = false;
    log->notes = NULL;
    log->fingerprint = 0;
    log->bytes_read = 0;
    buf_reset(&log->page);
    buf_reset(&log->packed);
}
