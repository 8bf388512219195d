/*
 * The remote write receiver. A request goes through these steps:
 *
 *   headers -> snappy -> structure (write_request) -> refs of known series (write_refs)
 *           -> one transaction: labels of new series, samples -> commit -> new refs remembered
 *
 * so that in the steady state a sample costs its share of decompressing, a hash over label bytes, a
 * look-up and an append.
 */
#include "remote/remote.h"

#include <string.h>

#include "base/alloc.h"
#include "base/compress.h"
#include "base/counters.h"
#include "base/mutex.h"
#include "base/rand.h"
#include "model/labels_builder.h"
#include "model/timestamp.h"
#include "remote/write_refs.h"
#include "remote/write_request.h"
#include "remote/write_v2.h"
#include "tsdb/appender.h"

#define MEDIA_TYPE "application/x-protobuf"
#define MESSAGE_V1 "prometheus.WriteRequest"
#define MESSAGE_V2 "io.prometheus.write.v2.Request"

/* 16 bytes each in a table at most three quarters full. */
#define REFS_MAX ((size_t)4 << 20)
#define HISTOGRAM_BYTES_MAX ((size_t)64 << 20)
/* Memory of past requests that is kept for the next ones. */
#define SCRATCHES_MAX 4
#define SCRATCH_BYTES_MAX ((size_t)4 << 20)

/* Memory of one request at a time. */
struct scratch {
    struct scratch *next;
    struct buf message;
    struct write_request request;
    VEC(struct write_ref) refs;  /* beside the request's series */
    VEC(struct write_ref) fresh; /* to be remembered after the commit */
    struct write_label *labels;  /* WRITE_LABELS_MAX */
    struct labels_builder builder;
    struct arena arena; /* histograms */
};

struct remote_write_receiver {
    /* immutable */
    struct tsdb *db;
    struct memory_budget *memory;
    struct counter *invalid_series;
    struct write_refs refs;
    struct mutex lock;
    /* guarded by lock: */
    struct scratch *scratches;
    size_t scratch_count;
};

struct remote_write_receiver *remote_write_receiver_new(struct tsdb *db,
                                                        struct memory_budget *memory)
{
    struct remote_write_receiver *receiver = mem_zalloc(sizeof(*receiver));
    receiver->db = db;
    receiver->memory = memory;
    receiver->invalid_series =
        counters_counter("prometheus_api_remote_write_invalid_labels_samples_total",
                         "The total number of received remote write samples and histogram samples "
                         "which were rejected "
                         "due to invalid labels.");
    write_refs_init(&receiver->refs, rand_seed_system(), REFS_MAX);
    mutex_init(&receiver->lock, LOCK_RANK_REMOTE_WRITE);
    return receiver;
}

static struct scratch *scratch_new(void)
{
    struct scratch *scratch = mem_zalloc(sizeof(*scratch));
    buf_init(&scratch->message, REMOTE_WRITE_DECODED_BYTES_MAX);
    scratch->labels = mem_alloc_array(WRITE_LABELS_MAX, sizeof(*scratch->labels));
    labels_builder_init(&scratch->builder);
    arena_init(&scratch->arena, HISTOGRAM_BYTES_MAX);
    return scratch;
}

static void scratch_free(struct scratch *scratch)
{
    buf_release(&scratch->message);
    write_request_release(&scratch->request);
    vec_release(&scratch->refs);
    vec_release(&scratch->fresh);
    mem_free(scratch->labels);
    labels_builder_release(&scratch->builder);
    arena_release(&scratch->arena);
    mem_free(scratch);
}

void remote_write_receiver_free(struct remote_write_receiver *receiver)
{
    if (receiver == NULL)
        return;
    while (receiver->scratches != NULL) {
        struct scratch *scratch = receiver->scratches;
        receiver->scratches = scratch->next;
        scratch_free(scratch);
    }
    mutex_release(&receiver->lock);
    write_refs_release(&receiver->refs);
    mem_free(receiver);
}

static struct scratch *scratch_take(struct remote_write_receiver *receiver)
{
    struct scratch *scratch;
    mutex_lock(&receiver->lock);
    scratch = receiver->scratches;
    if (scratch != NULL) {
        receiver->scratches = scratch->next;
        receiver->scratch_count--;
    }
    mutex_unlock(&receiver->lock);
    return scratch == NULL ? scratch_new() : scratch;
}

static void scratch_give(struct remote_write_receiver *receiver, struct scratch *scratch)
{
    bool kept = false;
    size_t bytes = scratch->message.len + scratch->arena.used +
                   scratch->request.series.cap * sizeof(*scratch->request.series.items);
    labels_builder_reset(&scratch->builder);
    arena_reset(&scratch->arena);
    buf_reset(&scratch->message);
    mutex_lock(&receiver->lock);
    if (bytes <= SCRATCH_BYTES_MAX && receiver->scratch_count < SCRATCHES_MAX) {
        scratch->next = receiver->scratches;
        receiver->scratches = scratch;
        receiver->scratch_count++;
        kept = true;
    }
    mutex_unlock(&receiver->lock);
    if (!kept)
        scratch_free(scratch);
}

/* One request on its way. */
/* A request is its message, the places of its series and their samples. */
#define MEMORY_PER_DECODED_BYTE 4

struct write {
    struct remote_write_receiver *receiver;
    struct scratch *scratch;
    struct appender *appender;
    struct remote_write_result *result;
    uint64_t memory_taken;
    bool takes_exemplars;
    int64_t newest_ms_max;
    struct errbuf *err;
    struct errbuf label_err; /* of the first series that was skipped */
};

static enum err refuse(struct write *write, unsigned status, enum err code)
{
    write->result->http_status = status;
    return code;
}

/* The part of `text` before `byte`; the rest, behind it, stays. */
static struct slice take_part(struct slice *text, char byte)
{
    size_t end = slice_index(*text, byte);
    struct slice part = slice_sub(*text, 0, end == SLICE_NONE ? text->len : end);
    *text = slice_from_index(*text, end == SLICE_NONE ? text->len : end + 1);
    return part;
}

static enum err check_content_type(struct write *write, struct slice content_type)
{
    struct slice whole = slice_trim(content_type);
    if (whole.len == 0)
        return ERR_NONE;
    struct slice left = whole;
    enum err code = ERR_NONE;
    if (!slice_eq_str(take_part(&left, ';'), MEDIA_TYPE))
        code =
            errbuf_set(write->err, ERR_INVALID,
                       "expected " MEDIA_TYPE " as the first (media) part, got %.*s content-type",
                       SLICE_ARG(whole));
    while (code == ERR_NONE && left.len > 0) {
        struct slice value = take_part(&left, ';');
        struct slice parameter = value;
        struct slice name = take_part(&value, '=');
        if (name.len == parameter.len || slice_index(value, '=') != SLICE_NONE)
            code = errbuf_set(write->err, ERR_INVALID,
                              "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected "
                              "parameters to be key-values, got %.*s in %.*s content-type",
                              SLICE_ARG(parameter), SLICE_ARG(whole));
        else if (slice_eq_str(name, "proto") && slice_eq_str(value, MESSAGE_V1))
            return ERR_NONE;
        else if (slice_eq_str(name, "proto") && slice_eq_str(value, MESSAGE_V2)) {
            write->result->counts_written = true;
            return ERR_NONE;
        } else if (slice_eq_str(name, "proto"))
            code =
                errbuf_set(write->err, ERR_INVALID,
                           "got %.*s content type; unknown type for remote write protobuf message "
                           "%.*s, supported: " MESSAGE_V1 ", " MESSAGE_V2,
                           SLICE_ARG(whole), SLICE_ARG(value));
    }
    return code == ERR_NONE ? ERR_NONE : refuse(write, 415, code);
}

static enum err check_encoding(struct write *write, struct slice encoding)
{
    if (encoding.len == 0 || slice_eq_str(encoding, "snappy"))
        return ERR_NONE;
    errbuf_set(
        write->err, ERR_INVALID,
        "%.*s encoding (compression) is not accepted by this server; only snappy is acceptable",
        SLICE_ARG(encoding));
    return refuse(write, 415, ERR_INVALID);
}

/* Of the budget, for what is decoded and what is made of it until it is stored. */
static enum err take_memory(struct write *write)
{
    uint64_t bytes = (uint64_t)write->scratch->message.len * MEMORY_PER_DECODED_BYTE;
    if (!memory_budget_take(write->receiver->memory, MEMORY_REQUESTS, bytes)) {
        errbuf_set(write->err, ERR_UNAVAILABLE,
                   "no memory for the request: others that are on their way hold all that they may "
                   "of --storage.memory-limit");
        return refuse(write, 503, ERR_UNAVAILABLE);
    }
    write->memory_taken = bytes;
    return ERR_NONE;
}

static enum err decode(struct write *write, struct slice body)
{
    struct scratch *scratch = write->scratch;
    enum err code =
        decompress_snappy(body, REMOTE_WRITE_DECODED_BYTES_MAX, &scratch->message, write->err);
    if (code == ERR_LIMIT)
        errbuf_set(write->err, ERR_LIMIT, "decoded size exceeds the %d bytes limit",
                   REMOTE_WRITE_DECODED_BYTES_MAX);
    if (code == ERR_NONE && take_memory(write) != ERR_NONE)
        return ERR_UNAVAILABLE;
    if (code == ERR_NONE && !write->result->counts_written)
        code = write_request_read(&scratch->request, buf_slice(&scratch->message), write->err);
    return code == ERR_NONE ? ERR_NONE : refuse(write, 400, code);
}

/* Times that storage must not even see: one far ahead would put all others in the past. */
static enum err check_times(struct write *write, int64_t now_ms)
{
    const struct write_request *request = &write->scratch->request;
    enum err code = ERR_NONE;
    write->newest_ms_max = now_ms + REMOTE_WRITE_AHEAD_MS_MAX;
    if (request->newest_ms > write->newest_ms_max)
        code = errbuf_set(write->err, ERR_INVALID,
                          "out of bounds: timestamp is too far in the future");
    else if (request->oldest_ms < TIMESTAMP_MIN)
        code =
            errbuf_set(write->err, ERR_INVALID, "out of bounds: timestamp is too far in the past");
    return code == ERR_NONE ? ERR_NONE : refuse(write, 400, code);
}

static void find_refs(struct write *write)
{
    struct scratch *scratch = write->scratch;
    const struct write_request *request = &scratch->request;
    struct write_refs *refs = &write->receiver->refs;
    vec_reset(&scratch->refs);
    vec_reset(&scratch->fresh);
    vec_reserve(&scratch->refs, request->series.len);
    for (size_t i = 0; i < request->series.len; i++) {
        struct slice bytes = write_series_label_bytes(&request->series.items[i]);
        scratch->refs.items[i].hash = write_refs_hash(refs, bytes);
    }
    scratch->refs.len = request->series.len;
    write_refs_find(refs, scratch->refs.items, scratch->refs.len);
}

/* The ref of a series by its labels, 0 where these are not good. */
static series_ref resolve(struct write *write, size_t index)
{
    struct scratch *scratch = write->scratch;
    const struct write_series *series = &scratch->request.series.items[index];
    size_t count;
    bool first = write->result->invalid_series == 0;
    if (write_series_labels(series, scratch->labels, &count, first ? &write->label_err : NULL) !=
        ERR_NONE) {
        write->result->invalid_series++;
        return 0;
    }
    labels_builder_reset(&scratch->builder);
    for (size_t i = 0; i < count; i++)
        labels_builder_set(&scratch->builder, scratch->labels[i].name, scratch->labels[i].value);
    struct labels *labels = labels_builder_take(&scratch->builder);
    series_ref ref = appender_series(write->appender, labels);
    labels_unref(labels);
    if (series->labels_len > 0)
        vec_push(&scratch->fresh, (struct write_ref){scratch->refs.items[index].hash, ref});
    return ref;
}

/* The complaint about a sample that storage does not take; it names the series. */
static enum err refuse_sample(struct write *write, enum append_result result, series_ref ref,
                              int64_t t_ms)
{
    static const char *const texts[] = {
        [APPEND_DUPLICATE] = "duplicate sample for timestamp",
        [APPEND_OUT_OF_ORDER] = "out of order sample",
        [APPEND_TOO_OLD] = "too old sample",
        [APPEND_OUT_OF_BOUNDS] = "out of bounds",
        [APPEND_UNKNOWN_SERIES] = "unknown series",
    };
    struct buf series;
    buf_init(&series, ERRBUF_TEXT_SIZE);
    const struct labels *labels = appender_labels(write->appender, ref);
    if (labels != NULL)
        labels_print_metric(labels, &series);
    errbuf_set(write->err, ERR_INVALID, "%s: %s at %lld", texts[result], buf_cstr(&series),
               (long long)t_ms);
    buf_release(&series);
    /* a series that goes away at once is nothing that the sender could mend */
    return refuse(write, result == APPEND_UNKNOWN_SERIES ? 500 : 400, ERR_INVALID);
}

/* Appends one item, in a second try with a new ref where the known one is gone. */
static enum append_result append_item(struct write *write, size_t index, series_ref *ref,
                                      const struct sample *sample,
                                      const struct histogram *histogram)
{
    enum append_result result = APPEND_UNKNOWN_SERIES;
    for (int attempt = 0; attempt < 2 && result == APPEND_UNKNOWN_SERIES; attempt++) {
        if (attempt > 0)
            *ref = resolve(write, index);
        if (*ref == 0)
            break;
        result = histogram == NULL
                     ? append_at(write->appender, *ref, sample->timestamp_ms, sample->value)
                     : append_histogram_at(write->appender, *ref, sample->timestamp_ms, histogram);
    }
    return result;
}

/* Best effort, as in the reference: an exemplar that is not taken refuses nothing. */
static void append_write_exemplar(struct write *write, size_t index, series_ref *ref,
                                  struct slice message)
{
    struct exemplar_label labels[EXEMPLAR_LABEL_RUNES_MAX];
    struct exemplar exemplar;
    if (!write->takes_exemplars || !write_exemplar_read(message, labels, &exemplar) ||
        exemplar.timestamp_ms > write->newest_ms_max)
        return;
    enum exemplar_result result = append_exemplar(write->appender, *ref, &exemplar);
    if (result != EXEMPLAR_UNKNOWN_SERIES)
        return;
    *ref = resolve(write, index);
    if (*ref != 0)
        (void)append_exemplar(write->appender, *ref, &exemplar);
}

static enum err append_series(struct write *write, size_t index, series_ref ref)
{
    struct scratch *scratch = write->scratch;
    struct write_items items = write_series_items(&scratch->request.series.items[index]);
    struct sample sample;
    struct slice message;
    enum write_item_kind kind;
    while ((kind = write_items_next(&items, &sample, &message)) != WRITE_ITEM_NONE) {
        struct histogram histogram;
        if (kind == WRITE_ITEM_EXEMPLAR) {
            append_write_exemplar(write, index, &ref, message);
            continue;
        }
        if (kind == WRITE_ITEM_HISTOGRAM) {
            enum err code = write_histogram_read(message, &scratch->arena, &histogram,
                                                 &sample.timestamp_ms, write->err);
            if (code != ERR_NONE)
                return refuse(write, 400, code);
        }
        enum append_result result = append_item(write, index, &ref, &sample,
                                                kind == WRITE_ITEM_HISTOGRAM ? &histogram : NULL);
        if (result != APPEND_OK && result != APPEND_DUPLICATE_SAME)
            return refuse_sample(write, result, ref, sample.timestamp_ms);
        write->result->samples++;
    }
    return ERR_NONE;
}

static enum err append_all(struct write *write)
{
    struct scratch *scratch = write->scratch;
    write->result->invalid_series = scratch->request.nameless_count;
    if (scratch->request.nameless_count > 0)
        errbuf_set(&write->label_err, ERR_INVALID, "invalid metric name or labels, got {}");
    size_t good = 0;
    for (size_t i = 0; i < scratch->request.series.len; i++) {
        series_ref ref = scratch->refs.items[i].ref;
        if (ref == 0)
            ref = resolve(write, i);
        if (ref == 0)
            continue;
        enum err code = append_series(write, i, ref);
        if (code != ERR_NONE)
            return code;
        good++;
    }
    if (good == 0 && write->result->invalid_series > 0) {
        if (write->err != NULL)
            *write->err = write->label_err;
        return refuse(write, 400, ERR_INVALID);
    }
    return ERR_NONE;
}

static enum err store(struct write *write)
{
    enum err code = appender_begin(write->receiver->db, NULL, 0, &write->appender, write->err);
    if (code != ERR_NONE)
        return refuse(write, 503, code);
    write->takes_exemplars = appender_takes_exemplars(write->appender);
    code = append_all(write);
    if (code != ERR_NONE) {
        appender_rollback(write->appender);
        return code;
    }
    code = appender_commit(write->appender, write->err);
    if (code != ERR_NONE) {
        bool passes = code == ERR_UNAVAILABLE || code == ERR_NO_SPACE || code == ERR_IO;
        return refuse(write, passes ? 503 : 500, code);
    }
    write_refs_add(&write->receiver->refs, write->scratch->fresh.items, write->scratch->fresh.len);
    write->result->http_status = 204;
    return ERR_NONE;
}

static enum err store_v1(struct write *write, int64_t now_ms)
{
    enum err code = check_times(write, now_ms);
    if (code != ERR_NONE)
        return code;
    find_refs(write);
    return store(write);
}

enum err remote_write_receive(struct remote_write_receiver *receiver, struct slice body,
                              struct slice content_type, struct slice content_encoding,
                              int64_t now_ms, struct remote_write_result *out, struct errbuf *err)
{
    *out = (struct remote_write_result){.http_status = 500};
    struct write write = {.receiver = receiver, .result = out, .err = err};
    enum err code = check_encoding(&write, content_encoding);
    if (code == ERR_NONE)
        code = check_content_type(&write, content_type);
    if (code != ERR_NONE)
        return code;
    write.scratch = scratch_take(receiver);
    code = decode(&write, body);
    if (code == ERR_NONE && out->counts_written) {
        code = write_v2_store(receiver->db, buf_slice(&write.scratch->message), now_ms, out, err);
    } else if (code == ERR_NONE) {
        code = store_v1(&write, now_ms);
        if (code != ERR_NONE)
            out->samples = 0;
    }
    if (out->invalid_series > 0)
        counter_add(receiver->invalid_series, (double)out->invalid_series);
    scratch_give(receiver, write.scratch);
    memory_budget_give(receiver->memory, MEMORY_REQUESTS, write.memory_taken);
    return code;
}
