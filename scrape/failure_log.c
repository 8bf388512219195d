#include "scrape/failure_log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "model/timestamp.h"

#define FAILURE_LINE_BYTES_MAX 65536

struct failure_log {
    int descriptor;
    uint32_t reference_count;
};

enum err failure_log_open(struct slice path, struct failure_log **out, struct errbuf *err)
{
    char *name = mem_strndup(path.ptr, path.len);
    int descriptor = open(name, O_APPEND | O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    mem_free(name);
    if (descriptor < 0) {
        return errbuf_set_errno(err, errno, "can't create json log file: open %.*s",
                                SLICE_ARG(path));
    }
    struct failure_log *log = mem_zalloc(sizeof(*log));
    log->descriptor = descriptor;
    log->reference_count = 1;
    *out = log;
    return ERR_NONE;
}

struct failure_log *failure_log_ref(struct failure_log *log)
{
    if (log != NULL)
        log->reference_count++;
    return log;
}

void failure_log_unref(struct failure_log *log)
{
    if (log == NULL || --log->reference_count > 0)
        return;
    close(log->descriptor);
    mem_free(log);
}

void failure_log_write(struct failure_log *log, int64_t now_ms, struct slice job,
                       const char *target, const char *text)
{
    if (log == NULL)
        return;
    struct buf line CLEANUP(buf_release);
    struct buf time CLEANUP(buf_release);
    buf_init(&line, FAILURE_LINE_BYTES_MAX);
    buf_init(&time, 64);
    timestamp_print_rfc3339(now_ms, &time);
    struct json_writer json;
    json_writer_init(&json, &line);
    json_object_begin(&json);
    json_key_string(&json, "time", buf_slice(&time));
    json_key_cstring(&json, "level", "ERROR");
    json_key_cstring(&json, "source", "scrape_loop.c");
    json_key_cstring(&json, "msg", text);
    json_key_string(&json, "job_name", job);
    json_key_cstring(&json, "target", target);
    json_object_end(&json);
    buf_append_byte(&line, '\n');
    /* A full disk must not stop scraping: a line that cannot be written is lost. */
    if (write(log->descriptor, line.data, line.len) < 0)
        return;
}
