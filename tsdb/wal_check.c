#include "tsdb/wal_check.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/path.h"
#include "tsdb/tsdb_internal.h"

#define LIST_DAMAGED_SUFFIX ".damaged"

/* The list is written anew at every start: what was there is kept for a person to look at. */
static void report_damaged_list(struct tsdb *db, const struct errbuf *damage)
{
    char *path CLEANUP(mem_cleanup) = path_print("%s/" WAL_LIST_NAME, db->wal->directory);
    char *aside CLEANUP(mem_cleanup) = path_print("%s" LIST_DAMAGED_SUFFIX, path);
    int failed = db->fs->rename(db->fs, path, aside);
    counter_inc(db->metrics.wal_corruptions);
    damage_book_note(&db->damages, damage->text);
    log_warn(
        "The list of the log's segments is damaged and was set aside: the log is replayed, but "
        "it cannot be told whether any of it is missing",
        log_str("aside", failed == 0 ? aside : "failed"), log_err(damage));
}

/* What is lost is counted and noted; what a snapshot has is only logged. */
static void note_loss(struct tsdb *db, const char *path, const char *what)
{
    struct errbuf place = ERRBUF_INIT;
    (void)errbuf_set(&place, ERR_CORRUPT, "%s is %s", path, what);
    damage_book_note(&db->damages, place.text);
    counter_inc(db->metrics.wal_corruptions);
}

static void report_missing(struct tsdb *db, uint64_t number, uint64_t count,
                           struct wal_position from)
{
    char *path CLEANUP(mem_cleanup) = wal_segment_path(db->wal, number);
    bool is_stored = number + count - 1 <= from.segment;
    if (!is_stored)
        note_loss(db, path, "missing");
    log_warn(is_stored
                 ? "A segment of the log is missing; the snapshot of the head has what was in it"
                 : "A segment of the log is missing, and what was in it alone is lost",
             log_str("file", path), log_uint("count", count));
}

/* Without a list: segments go from the oldest on, so one that is missing between two was taken by
 * something else. */
static void report_gaps(struct tsdb *db, struct wal_position from)
{
    const struct wal *wal = db->wal;
    for (size_t i = 1; i < wal->segments.len; i++) {
        uint64_t number = wal->segments.items[i - 1].number + 1;
        uint64_t count = wal->segments.items[i].number - number;
        if (count > 0)
            report_missing(db, number, count, from);
    }
}

static void report_shorter(struct tsdb *db, const struct wal_segment *segment, uint64_t expected,
                           struct wal_position from)
{
    char *path CLEANUP(mem_cleanup) = wal_segment_path(db->wal, segment->number);
    bool is_stored = segment->number < from.segment;
    if (!is_stored)
        note_loss(db, path, "shorter than it was");
    log_warn(
        is_stored ? "A segment of the log is shorter than it was; the snapshot of the head has all"
                  : "A segment of the log is shorter than it was, and what is missing is lost",
        log_str("file", path), log_uint("bytes", segment->size), log_uint("expected", expected));
}

static const struct wal_segment *segment_find(const struct wal *wal, uint64_t number)
{
    for (size_t i = 0; i < wal->segments.len; i++) {
        if (wal->segments.items[i].number == number)
            return &wal->segments.items[i];
    }
    return NULL;
}

static void compare(struct tsdb *db, const struct wal_list *list, struct wal_position from)
{
    for (size_t i = 0; i < list->segments.len; i++) {
        const struct wal_listed *listed = &list->segments.items[i];
        if (listed->number == from.segment)
            continue; /* said where the snapshot was loaded */
        const struct wal_segment *segment = segment_find(db->wal, listed->number);
        if (segment == NULL)
            report_missing(db, listed->number, 1, from);
        else if (listed->size != WAL_LIST_OPEN && segment->size < listed->size)
            report_shorter(db, segment, listed->size, from);
    }
}

void wal_check(struct tsdb *db, struct wal_position from)
{
    struct wal *wal = db->wal;
    struct wal_list list;
    struct errbuf err = ERRBUF_INIT;
    enum err code = wal_read_list(wal, &list, &err);
    if (code == ERR_NONE) {
        if (list.segments.len > 0)
            wal_reserve(wal, vec_last(&list.segments)->number);
        wal->late_from = list.late_from;
        compare(db, &list, from);
    } else if (code == ERR_NOT_FOUND) {
        if (wal->segments.len > 0)
            log_warn("The list of the log's segments is missing: the log is replayed, but it "
                     "cannot be told whether the first or the last of it is there",
                     log_err(&err));
        report_gaps(db, from);
    } else {
        report_damaged_list(db, &err);
        report_gaps(db, from);
    }
    wal_list_release(&list);
}
