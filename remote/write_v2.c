/* Series are looked up by their labels each time, since refs mean something in their request only.
 */
#include "remote/write_v2.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/protobuf_wire.h"
#include "base/vec.h"
#include "model/labels_builder.h"
#include "model/timestamp.h"
#include "remote/write_request.h"
#include "tsdb/appender.h"

/* Far more than any request has; each takes two bytes of a message, so memory stays bounded. */
#define SYMBOLS_MAX ((size_t)1 << 20)
#define HISTOGRAM_BYTES_MAX ((size_t)64 << 20)
/* A symbol may be named often, so what labels add up to is bounded apart. */
#define LABEL_BYTES_MAX ((size_t)256 << 20)
#define ERRORS_BYTES_MAX ((size_t)16 << 10)

enum {
    REQUEST_SYMBOL = 4,
    REQUEST_SERIES = 5,
    SERIES_LABELS = 1,
    SERIES_SAMPLE = 2,
    SERIES_HISTOGRAM = 3,
    SERIES_EXEMPLAR = 4,
    HISTOGRAM_START = 17,
};

typedef VEC(uint32_t) symbol_refs;

struct write_v2 {
    struct appender *appender;
    struct remote_write_result *result;
    VEC(struct slice) symbols;
    symbol_refs refs; /* of a series or an exemplar */
    struct write_label *labels;
    size_t label_bytes; /* of all series so far */
    struct labels_builder builder;
    struct arena arena;
    struct buf errors; /* a line each; once it is full, nothing more is written into it */
    int64_t newest_ms_max;
    /* the series at work */
    const struct labels *series;
    series_ref ref;
};

static void complain(struct write_v2 *write, const char *what)
{
    buf_printf(&write->errors, "%s%s", write->errors.len > 0 ? "\n" : "", what);
}

/* Labels may be long and samples many, so that printing what nobody will see could take hours. */
static void complain_of_labels(struct write_v2 *write, const char *what,
                               const struct labels *labels)
{
    if (write->errors.overflow)
        return;
    complain(write, what);
    buf_append_str(&write->errors, " for series ");
    labels_print(labels, &write->errors);
}

static void complain_of_series(struct write_v2 *write, const char *what)
{
    complain_of_labels(write, what, write->series);
}

/* Numbers of symbols, packed or single. */
static bool read_refs(const struct protobuf_field *field, symbol_refs *out)
{
    if (field->type == PROTOBUF_VARINT) {
        vec_push(out, (uint32_t)MIN(field->value, (uint64_t)UINT32_MAX));
        return true;
    }
    struct codec_reader bytes = codec_reader(field->bytes.ptr, field->bytes.len);
    /* behind a number that is broken the reader stands still */
    while (field->type == PROTOBUF_BYTES && codec_left(&bytes) > 0 && !bytes.failed) {
        uint64_t ref = codec_read_uvarint(&bytes);
        vec_push(out, (uint32_t)MIN(ref, (uint64_t)UINT32_MAX));
    }
    return field->type == PROTOBUF_BYTES && !bytes.failed;
}

/* "parsing labels for series [1 2]: ..." */
static void complain_of_refs(struct write_v2 *write, const struct errbuf *err)
{
    complain(write, "parsing labels for series [");
    for (size_t i = 0; i < write->refs.len && !write->errors.overflow; i++)
        buf_printf(&write->errors, "%s%u", i == 0 ? "" : " ", write->refs.items[i]);
    buf_printf(&write->errors, "]: %s", err->text);
}

/* The labels that the refs name; says what is wrong with them. */
static bool resolve_refs(struct write_v2 *write, size_t *out_count, struct errbuf *err)
{
    size_t count = write->refs.len / 2;
    if (write->refs.len % 2 != 0 || count > WRITE_LABELS_MAX) {
        errbuf_set(err, ERR_INVALID, "invalid labelRefs length %zu", write->refs.len);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t name = write->refs.items[2 * i];
        uint32_t value = write->refs.items[2 * i + 1];
        if (name >= write->symbols.len || value >= write->symbols.len) {
            errbuf_set(err, ERR_INVALID,
                       "labelRefs %u (name) = %u (value) outside of symbols table (size %zu)", name,
                       value, write->symbols.len);
            return false;
        }
        write->labels[i] =
            (struct write_label){write->symbols.items[name], write->symbols.items[value]};
        write->label_bytes += write->labels[i].name.len + write->labels[i].value.len;
    }
    if (write->label_bytes > LABEL_BYTES_MAX) {
        errbuf_set(err, ERR_INVALID, "the labels of a request add up to more than %zu bytes",
                   LABEL_BYTES_MAX);
        return false;
    }
    *out_count = count;
    return true;
}

/* Finds the series; false when its labels are not good. */
static bool find_series(struct write_v2 *write, struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    struct errbuf err;
    struct errbuf *told = write->errors.overflow ? NULL : &err;
    size_t item_count = 0;
    size_t count = 0;
    bool whole = true;
    vec_reset(&write->refs);
    while (protobuf_next(&reader, &field)) {
        whole = whole && (field.number != SERIES_LABELS || read_refs(&field, &write->refs));
        item_count += field.number == SERIES_SAMPLE || field.number == SERIES_HISTOGRAM;
    }
    if (!whole)
        errbuf_set(told, ERR_INVALID, "labelRefs are no protobuf message");
    bool named = whole && resolve_refs(write, &count, told);
    if (!named || write_labels_check(write->labels, count, &count, told) != ERR_NONE) {
        write->result->invalid_series += item_count;
        if (told != NULL && named)
            complain(write, told->text);
        else if (told != NULL)
            complain_of_refs(write, told);
        return false;
    }
    labels_builder_reset(&write->builder);
    for (size_t i = 0; i < count; i++)
        labels_builder_set(&write->builder, write->labels[i].name, write->labels[i].value);
    struct labels *labels = labels_builder_take(&write->builder);
    write->series = labels;
    if (item_count == 0) {
        complain_of_labels(write, "TimeSeries must contain at least one sample or histogram",
                           labels);
        labels_unref(labels);
        return false;
    }
    write->ref = appender_series(write->appender, labels);
    return true;
}

/* Was it taken? Complains where not. */
static bool judge(struct write_v2 *write, enum append_result result)
{
    static const char *const texts[] = {
        [APPEND_DUPLICATE] = "duplicate sample for timestamp",
        [APPEND_OUT_OF_ORDER] = "out of order sample",
        [APPEND_TOO_OLD] = "too old sample",
        [APPEND_OUT_OF_BOUNDS] = "out of bounds",
        [APPEND_UNKNOWN_SERIES] = "unknown series",
    };
    if (result == APPEND_OK || result == APPEND_DUPLICATE_SAME)
        return true;
    complain_of_series(write, texts[result]);
    return false;
}

/* Times that storage must not even see: one far ahead would put all others in the past. */
static bool is_out_of_bounds(struct write_v2 *write, int64_t t_ms)
{
    if (t_ms >= TIMESTAMP_MIN && t_ms <= write->newest_ms_max)
        return false;
    complain_of_series(write, t_ms < TIMESTAMP_MIN
                                  ? "out of bounds: timestamp is too far in the past"
                                  : "out of bounds: timestamp is too far in the future");
    return true;
}

static void store_sample(struct write_v2 *write, struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    double value = 0;
    int64_t t_ms = 0;
    int64_t start_ms = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1 && field.type == PROTOBUF_FIXED64)
            value = protobuf_field_double(&field);
        else if (field.number == 2 && field.type == PROTOBUF_VARINT)
            t_ms = (int64_t)field.value;
        else if (field.number == 3 && field.type == PROTOBUF_VARINT)
            start_ms = (int64_t)field.value;
    }
    if (is_out_of_bounds(write, t_ms))
        return;
    if (appender_takes_starts(write->appender) && t_ms != 0)
        append_start(write->appender, write->ref, t_ms, start_ms, NULL);
    write->result->samples += judge(write, append_at(write->appender, write->ref, t_ms, value));
}

static int64_t histogram_start_ms(struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    int64_t start_ms = 0;
    while (protobuf_next(&reader, &field)) {
        if (field.number == HISTOGRAM_START && field.type == PROTOBUF_VARINT)
            start_ms = (int64_t)field.value;
    }
    return start_ms;
}

static void store_histogram(struct write_v2 *write, struct slice message)
{
    struct histogram histogram;
    int64_t t_ms;
    struct errbuf err = ERRBUF_INIT;
    arena_reset(&write->arena);
    if (write_histogram_read(message, &write->arena, &histogram, &t_ms, &err) != ERR_NONE) {
        complain_of_series(write, err.text);
        return;
    }
    if (is_out_of_bounds(write, t_ms))
        return;
    if (appender_takes_starts(write->appender) && t_ms != 0)
        append_start(write->appender, write->ref, t_ms, histogram_start_ms(message), &histogram);
    write->result->histograms +=
        judge(write, append_histogram_at(write->appender, write->ref, t_ms, &histogram));
}

static void store_exemplar(struct write_v2 *write, struct slice message)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    struct exemplar_label labels[EXEMPLAR_LABEL_RUNES_MAX];
    struct exemplar exemplar = {.labels = labels};
    struct errbuf err = ERRBUF_INIT;
    bool good = true;
    vec_reset(&write->refs);
    while (protobuf_next(&reader, &field)) {
        if (field.number == 1)
            good = good && read_refs(&field, &write->refs);
        else if (field.number == 2 && field.type == PROTOBUF_FIXED64)
            exemplar.value = protobuf_field_double(&field);
        else if (field.number == 3 && field.type == PROTOBUF_VARINT)
            exemplar.timestamp_ms = (int64_t)field.value;
    }
    if (!good || !resolve_refs(write, &exemplar.label_count, &err)) {
        complain_of_series(write, good ? err.text : "an exemplar that is no protobuf message");
        return;
    }
    if (exemplar.label_count > EXEMPLAR_LABEL_RUNES_MAX ||
        exemplar.timestamp_ms > write->newest_ms_max)
        return; /* not taken, and nobody's fault */
    for (size_t i = 0; i < exemplar.label_count; i++)
        labels[i] = (struct exemplar_label){write->labels[i].name, write->labels[i].value};
    exemplar.has_timestamp = exemplar.timestamp_ms != 0;
    enum exemplar_result result = append_exemplar(write->appender, write->ref, &exemplar);
    if (result == EXEMPLAR_OUT_OF_ORDER)
        complain_of_series(write, "out of order exemplar");
    write->result->exemplars += result == EXEMPLAR_OK || result == EXEMPLAR_SAME;
}

static void store_items(struct write_v2 *write, struct slice message, uint32_t number,
                        void (*store)(struct write_v2 *write, struct slice message))
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    while (protobuf_next(&reader, &field)) {
        if (field.number == number && field.type == PROTOBUF_BYTES)
            store(write, field.bytes);
    }
}

static void store_series(struct write_v2 *write, struct slice message)
{
    if (!find_series(write, message))
        return;
    size_t before = write->result->samples + write->result->histograms;
    store_items(write, message, SERIES_SAMPLE, store_sample);
    store_items(write, message, SERIES_HISTOGRAM, store_histogram);
    /* a series of nothing but exemplars is none */
    if (write->result->samples + write->result->histograms > before ||
        appender_newest_ms(write->appender, write->ref) != INT64_MIN)
        store_items(write, message, SERIES_EXEMPLAR, store_exemplar);
    labels_unref(write->series);
}

/* Is it whole, down to the fields of its series? Collects the symbols. */
static enum err read_structure(struct write_v2 *write, struct slice message, struct errbuf *err)
{
    struct protobuf_reader reader = protobuf_reader(message);
    struct protobuf_field field;
    bool whole = true;
    while (protobuf_next(&reader, &field) && whole && write->symbols.len <= SYMBOLS_MAX) {
        if (field.type != PROTOBUF_BYTES)
            continue;
        if (field.number == REQUEST_SYMBOL)
            vec_push(&write->symbols, field.bytes);
        struct protobuf_reader series = protobuf_reader(field.bytes);
        struct protobuf_field part;
        while (field.number == REQUEST_SERIES && whole && protobuf_next(&series, &part)) {
            struct protobuf_reader item = protobuf_reader(part.bytes);
            struct protobuf_field value;
            bool is_item = part.type == PROTOBUF_BYTES && part.number >= SERIES_SAMPLE &&
                           part.number <= SERIES_EXEMPLAR;
            while (is_item && protobuf_next(&item, &value)) {
            }
            whole = !item.failed;
        }
        whole = whole && !series.failed;
    }
    if (write->symbols.len > SYMBOLS_MAX)
        return errbuf_set(err, ERR_INVALID, "a request with more than %zu symbols", SYMBOLS_MAX);
    if (reader.failed || !whole)
        return errbuf_set(err, ERR_INVALID,
                          "the body is no protobuf message io.prometheus.write.v2.Request");
    return ERR_NONE;
}

static void write_release(struct write_v2 *write)
{
    vec_release(&write->symbols);
    vec_release(&write->refs);
    mem_free(write->labels);
    labels_builder_release(&write->builder);
    arena_release(&write->arena);
    buf_release(&write->errors);
}

static enum err store_all(struct write_v2 *write, struct tsdb *db, struct slice message,
                          struct errbuf *err)
{
    struct remote_write_result *result = write->result;
    result->http_status = 400;
    enum err code = read_structure(write, message, err);
    if (code != ERR_NONE)
        return code;
    result->http_status = 503;
    code = appender_begin(db, NULL, 0, &write->appender, err);
    if (code != ERR_NONE)
        return code;
    store_items(write, message, REQUEST_SERIES, store_series);
    code = appender_commit(write->appender, err);
    if (code != ERR_NONE) {
        result->samples = result->histograms = result->exemplars = 0;
        return code;
    }
    result->http_status = 204;
    if (write->errors.len == 0)
        return ERR_NONE;
    result->http_status = 400;
    return errbuf_set(err, ERR_INVALID, "%s", buf_cstr(&write->errors));
}

enum err write_v2_store(struct tsdb *db, struct slice message, int64_t now_ms,
                        struct remote_write_result *result, struct errbuf *err)
{
    struct write_v2 write = {.result = result, .newest_ms_max = now_ms + REMOTE_WRITE_AHEAD_MS_MAX};
    write.labels = mem_alloc_array(WRITE_LABELS_MAX, sizeof(*write.labels));
    labels_builder_init(&write.builder);
    arena_init(&write.arena, HISTOGRAM_BYTES_MAX);
    buf_init(&write.errors, ERRORS_BYTES_MAX);
    enum err code = store_all(&write, db, message, err);
    write_release(&write);
    return code;
}
