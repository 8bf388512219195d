#include "tsdb/block_meta.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/json_reader.h"
#include "base/json_writer.h"

#define ULID_TIME_CHARS 10
#define META_LISTED_MAX 100000
/* Its value is the CRC32C of all that is before it. */
#define META_IN_ORDER_MAX "inOrderMaxTime"
#define META_CHECKSUM "checksum"

static const char ulid_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ulid_make(struct ulid *out, int64_t now_ms, struct rand *rand)
{
    uint64_t time = (uint64_t)now_ms & ((UINT64_C(1) << 48) - 1);
    for (int i = ULID_TIME_CHARS - 1; i >= 0; i--) {
        out->text[i] = ulid_digits[time & 31];
        time >>= 5;
    }
    for (int i = ULID_TIME_CHARS; i < ULID_LEN; i++)
        out->text[i] = ulid_digits[rand_below(rand, 32)];
    out->text[ULID_LEN] = 0;
}

bool ulid_is_valid(struct slice text)
{
    if (text.len != ULID_LEN || text.ptr[0] > '7')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == 0 || strchr(ulid_digits, text.ptr[i]) == NULL)
            return false;
    }
    return true;
}

int64_t block_range_end_ms(int64_t time_ms, int64_t length_ms)
{
    int64_t rest_ms = time_ms % length_ms, end_ms;
    if (time_ms < INT64_MIN + length_ms)
        return INT64_MIN + length_ms;
    if (rest_ms < 0)
        rest_ms += length_ms;
    return __builtin_add_overflow(time_ms, length_ms - rest_ms, &end_ms) ? INT64_MAX : end_ms;
}

void block_meta_release(struct block_meta *meta)
{
    vec_release(&meta->sources);
    vec_release(&meta->parents);
}

void block_meta_copy(struct block_meta *to, const struct block_meta *from)
{
    *to = *from;
    memset(&to->sources, 0, sizeof(to->sources));
    memset(&to->parents, 0, sizeof(to->parents));
    for (size_t i = 0; i < from->sources.len; i++)
        vec_push(&to->sources, from->sources.items[i]);
    for (size_t i = 0; i < from->parents.len; i++)
        vec_push(&to->parents, from->parents.items[i]);
}

static void print_count(struct json_writer *json, const char *name, uint64_t count)
{
    if (count > 0)
        json_key_int(json, name, (int64_t)count);
}

static void print_stats(struct json_writer *json, const struct block_stats *stats)
{
    json_key(json, "stats");
    json_object_begin(json);
    print_count(json, "numSamples", stats->samples);
    print_count(json, "numFloatSamples", stats->float_samples);
    print_count(json, "numHistogramSamples", stats->histogram_samples);
    print_count(json, "numSeries", stats->series);
    print_count(json, "numChunks", stats->chunks);
    print_count(json, "numTombstones", stats->tombstones);
    json_object_end(json);
}

static void print_compaction(struct json_writer *json, const struct block_meta *meta)
{
    json_key(json, "compaction");
    json_object_begin(json);
    json_key_int(json, "level", meta->level);
    json_key(json, "sources");
    json_array_begin(json);
    for (size_t i = 0; i < meta->sources.len; i++)
        json_cstring(json, meta->sources.items[i].text);
    json_array_end(json);
    if (meta->parents.len > 0) {
        json_key(json, "parents");
        json_array_begin(json);
        for (size_t i = 0; i < meta->parents.len; i++) {
            json_object_begin(json);
            json_key_cstring(json, "ulid", meta->parents.items[i].ulid.text);
            json_key_int(json, "minTime", meta->parents.items[i].min_ms);
            json_key_int(json, "maxTime", meta->parents.items[i].max_ms);
            json_object_end(json);
        }
        json_array_end(json);
    }
    if (meta->failed)
        json_key_bool(json, "failed", true);
    if (meta->out_of_order) {
        json_key(json, "hints");
        json_array_begin(json);
        json_cstring(json, "from-out-of-order");
        json_array_end(json);
    }
    if (meta->partly_in_order)
        json_key_int(json, META_IN_ORDER_MAX, meta->in_order_max_ms);
    json_object_end(json);
}

static void print_meta(const struct block_meta *meta, const char *format, struct buf *out)
{
    size_t start = out->len;
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key_cstring(&json, "ulid", meta->ulid.text);
    json_key_int(&json, "minTime", meta->min_ms);
    json_key_int(&json, "maxTime", meta->max_ms);
    print_stats(&json, &meta->stats);
    print_compaction(&json, meta);
    json_key_int(&json, "version", 1);
    if (format != NULL) {
        json_key_cstring(&json, "format", format);
        json_key_int(&json, META_CHECKSUM, crc32c(0, out->data + start, out->len - start));
    }
    json_object_end(&json);
    buf_append_byte(out, '\n');
}

void block_meta_print(const struct block_meta *meta, struct buf *out)
{
    print_meta(meta, meta->always_tombstones ? BLOCK_FORMAT : BLOCK_FORMAT_FIRST, out);
}

void block_meta_print_reference(const struct block_meta *meta, struct buf *out)
{
    print_meta(meta, NULL, out);
}

/* Reads members until the first that is wrong. */
struct meta_parser {
    struct errbuf *err;
    enum err code;
};

static void parser_fail(struct meta_parser *parser, const char *what)
{
    if (parser->code == ERR_NONE)
        parser->code = errbuf_set(parser->err, ERR_INVALID, "%s", what);
}

static int64_t parse_int(struct meta_parser *parser, const struct json_value *object,
                         const char *name, bool required)
{
    const struct json_value *value = json_object_get(object, name);
    if (value == NULL && !required)
        return 0;
    double number = value == NULL ? 0 : json_value_number(value);
    bool good = value != NULL && json_value_type(value) == JSON_NUMBER && number >= -0x1p63 &&
                number < 0x1p63 && (double)(int64_t)number == number;
    if (!good && parser->code == ERR_NONE)
        parser->code = errbuf_set(parser->err, ERR_INVALID, "\"%s\" is not a whole number", name);
    return good ? (int64_t)number : 0;
}

static uint64_t parse_count(struct meta_parser *parser, const struct json_value *object,
                            const char *name)
{
    int64_t value = parse_int(parser, object, name, false);
    if (value < 0)
        parser_fail(parser, "a count is negative");
    return value < 0 ? 0 : (uint64_t)value;
}

static void parse_ulid(struct meta_parser *parser, const struct json_value *value, struct ulid *out)
{
    struct slice text = value == NULL ? (struct slice){0} : json_value_string(value);
    if (!ulid_is_valid(text)) {
        parser_fail(parser, "an identifier is not a ULID");
        return;
    }
    memcpy(out->text, text.ptr, ULID_LEN);
    out->text[ULID_LEN] = 0;
}

static void parse_stats(struct meta_parser *parser, const struct json_value *stats,
                        struct block_stats *out)
{
    if (stats == NULL)
        return;
    out->samples = parse_count(parser, stats, "numSamples");
    out->float_samples = parse_count(parser, stats, "numFloatSamples");
    out->histogram_samples = parse_count(parser, stats, "numHistogramSamples");
    out->series = parse_count(parser, stats, "numSeries");
    out->chunks = parse_count(parser, stats, "numChunks");
    out->tombstones = parse_count(parser, stats, "numTombstones");
}

static size_t listed(struct meta_parser *parser, const struct json_value *array)
{
    size_t count = array == NULL ? 0 : json_array_size(array);
    if (count > META_LISTED_MAX)
        parser_fail(parser, "a list of blocks is too long");
    return parser->code == ERR_NONE ? count : 0;
}

static void parse_compaction(struct meta_parser *parser, const struct json_value *compaction,
                             struct block_meta *out)
{
    if (compaction == NULL) {
        parser_fail(parser, "\"compaction\" is missing");
        return;
    }
    int64_t level = parse_int(parser, compaction, "level", true);
    if (level < 1 || level > 1000)
        parser_fail(parser, "\"level\" is not between 1 and 1000");
    out->level = (uint32_t)level;
    const struct json_value *failed = json_object_get(compaction, "failed");
    out->failed = failed != NULL && json_value_bool(failed);
    const struct json_value *hints = json_object_get(compaction, "hints");
    for (size_t i = 0, count = listed(parser, hints); i < count; i++) {
        /* "from-stale-series" and "from-selected-series" of the reference's: of the head's time,
         * too */
        if (slice_has_prefix(json_value_string(json_array_at(hints, i)), SLICE("from-")))
            out->out_of_order = true;
    }
    out->partly_in_order = json_object_get(compaction, META_IN_ORDER_MAX) != NULL;
    if (out->partly_in_order)
        out->in_order_max_ms = parse_int(parser, compaction, META_IN_ORDER_MAX, true);
    const struct json_value *sources = json_object_get(compaction, "sources");
    for (size_t i = 0, count = listed(parser, sources); i < count; i++)
        parse_ulid(parser, json_array_at(sources, i), vec_add(&out->sources));
    const struct json_value *parents = json_object_get(compaction, "parents");
    for (size_t i = 0, count = listed(parser, parents); i < count; i++) {
        const struct json_value *parent = json_array_at(parents, i);
        struct block_parent *to = vec_add(&out->parents);
        parse_ulid(parser, json_object_get(parent, "ulid"), &to->ulid);
        to->min_ms = parse_int(parser, parent, "minTime", false);
        to->max_ms = parse_int(parser, parent, "maxTime", false);
    }
}

static enum err check_format(const struct json_value *root, bool is_reference,
                             struct block_meta *out, struct errbuf *err)
{
    const struct json_value *format = json_object_get(root, "format");
    if (is_reference && format == NULL)
        return ERR_NONE;
    if (is_reference)
        return errbuf_set(err, ERR_UNSUPPORTED, "the block is not one of Prometheus");
    out->always_tombstones = slice_eq_str(json_value_string(format), BLOCK_FORMAT);
    if (!out->always_tombstones && !slice_eq_str(json_value_string(format), BLOCK_FORMAT_FIRST))
        return errbuf_set(err, ERR_UNSUPPORTED, "the block is not of the format \"%s\"",
                          BLOCK_FORMAT);
    return ERR_NONE;
}

/* A time or a parent that a flipped bit made another one would hide samples, or delete blocks. */
static enum err check_checksum(struct slice text, const struct json_value *root, struct errbuf *err)
{
    static const char member[] = ",\"" META_CHECKSUM "\":";
    const char *at = memmem(text.ptr, text.len, member, sizeof(member) - 1);
    const struct json_value *value = json_object_get(root, META_CHECKSUM);
    if (at == NULL || value == NULL)
        return errbuf_set(err, ERR_CORRUPT, "\"" META_CHECKSUM "\" is missing");
    if (json_value_number(value) != (double)crc32c(0, text.ptr, (size_t)(at - text.ptr)))
        return errbuf_set(err, ERR_CORRUPT, "wrong checksum");
    return ERR_NONE;
}

static enum err parse_root(struct slice text, const struct json_value *root, bool is_reference,
                           struct block_meta *out, struct errbuf *err)
{
    struct meta_parser parser = {.err = err};
    if (json_value_type(root) != JSON_OBJECT)
        return errbuf_set(err, ERR_INVALID, "it is not a JSON object");
    /* the format last, as damage must not look like another one; those of others have no checksum
     */
    bool is_checked = !is_reference && (json_object_get(root, META_CHECKSUM) != NULL ||
                                        json_object_get(root, "format") != NULL);
    enum err code = is_checked ? check_checksum(text, root, err) : ERR_NONE;
    if (code == ERR_NONE)
        code = check_format(root, is_reference, out, err);
    if (code != ERR_NONE)
        return code;
    parse_ulid(&parser, json_object_get(root, "ulid"), &out->ulid);
    out->min_ms = parse_int(&parser, root, "minTime", true);
    out->max_ms = parse_int(&parser, root, "maxTime", true);
    if (out->min_ms > out->max_ms)
        parser_fail(&parser, "\"minTime\" is after \"maxTime\"");
    parse_stats(&parser, json_object_get(root, "stats"), &out->stats);
    parse_compaction(&parser, json_object_get(root, "compaction"), out);
    return parser.code;
}

static enum err parse_meta(struct slice text, bool is_reference, struct block_meta *out,
                           struct errbuf *err)
{
    struct json_value *root;
    *out = (struct block_meta){0};
    if (text.len > BLOCK_META_SIZE_MAX)
        return errbuf_set(err, ERR_LIMIT, "it is too large");
    enum err code = json_parse(text, &root, err);
    if (code != ERR_NONE)
        return code;
    code = parse_root(text, root, is_reference, out, err);
    json_value_free(root);
    if (code != ERR_NONE) {
        block_meta_release(out);
        *out = (struct block_meta){0};
    }
    return code;
}

enum err block_meta_parse(struct slice text, struct block_meta *out, struct errbuf *err)
{
    return parse_meta(text, false, out, err);
}

enum err block_meta_parse_reference(struct slice text, struct block_meta *out, struct errbuf *err)
{
    return parse_meta(text, true, out, err);
}
