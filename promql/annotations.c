/* Warnings and infos, one for each text. */
#include "promql/annotations.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/float_text.h"
#include "base/hash.h"
#include "model/timestamp.h"

#define ANNOTATION_TEXT_MAX ((size_t)64 * 1024)
#define REPAIR_TEXT                                                                                \
    "input to histogram_quantile needed to be fixed for monotonicity (see "                        \
    "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"

struct annotation {
    enum promql_annotation_level level;
    uint32_t position;
    uint32_t rank;
    uint64_t count; /* occurrences, where they are counted */
    bool is_repair;
    struct annotation_repair repair;
    size_t text_len;
    char text[];
};

void annotations_init(struct annotations *annotations)
{
    *annotations = (struct annotations){0};
    table_init(&annotations->by_text);
}

void annotations_release(struct annotations *annotations)
{
    for (size_t i = 0; i < annotations->items.len; i++)
        mem_free(annotations->items.items[i]);
    vec_release(&annotations->items);
    table_release(&annotations->by_text);
}

static struct slice annotation_text(const struct annotation *annotation)
{
    return slice_from(annotation->text, annotation->text_len);
}

static bool annotation_has_text(const void *value, const void *key)
{
    return slice_eq(annotation_text(value), *(const struct slice *)key);
}

/* The annotation of that text, made when it is new. */
static struct annotation *annotations_get(struct annotations *annotations,
                                          enum promql_annotation_level level, uint32_t position,
                                          struct slice text)
{
    uint64_t hash = hash_slice(text, level);
    struct annotation *found = table_get(&annotations->by_text, hash, annotation_has_text, &text);
    if (found != NULL) {
        if (annotations->rank > found->rank)
            found->position = position;
        else if (annotations->rank == found->rank)
            found->position = MAX(found->position, position);
        found->rank = MAX(found->rank, annotations->rank);
        return found;
    }
    struct annotation *fresh = mem_zalloc(sizeof(*fresh) + text.len);
    fresh->level = level;
    fresh->position = position;
    fresh->rank = annotations->rank;
    fresh->text_len = text.len;
    if (text.len > 0)
        memcpy(fresh->text, text.ptr, text.len);
    table_add(&annotations->by_text, hash, fresh);
    vec_push(&annotations->items, fresh);
    return fresh;
}

void annotations_add(struct annotations *annotations, enum promql_annotation_level level,
                     uint32_t position, const char *format, ...)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, ANNOTATION_TEXT_MAX);
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    annotations_get(annotations, level, position, buf_slice(&text));
}

void annotations_add_counted(struct annotations *annotations, enum promql_annotation_level level,
                             uint32_t position, uint64_t count, const char *format, ...)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, ANNOTATION_TEXT_MAX);
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    annotations_get(annotations, level, position, buf_slice(&text))->count += count;
}

void annotations_add_repair(struct annotations *annotations, uint32_t position,
                            struct slice metric_name, const struct annotation_repair *repair)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, ANNOTATION_TEXT_MAX);
    buf_append_str(&text, REPAIR_TEXT);
    if (metric_name.len > 0)
        buf_printf(&text, " for metric name \"%.*s\"", SLICE_ARG(metric_name));
    struct annotation *annotation =
        annotations_get(annotations, PROMQL_INFO, position, buf_slice(&text));
    if (!annotation->is_repair) {
        annotation->is_repair = true;
        annotation->repair = *repair;
        return;
    }
    struct annotation_repair *sum = &annotation->repair;
    sum->count += repair->count;
    sum->first_ms = MIN(sum->first_ms, repair->first_ms);
    sum->last_ms = MAX(sum->last_ms, repair->last_ms);
    sum->bucket_min = fmin(sum->bucket_min, repair->bucket_min);
    sum->bucket_max = fmax(sum->bucket_max, repair->bucket_max);
    sum->difference_max = fmax(sum->difference_max, repair->difference_max);
}

const char *annotation_number(double value, char out[ANNOTATION_NUMBER_SIZE])
{
    static_assert(ANNOTATION_NUMBER_SIZE >= FLOAT_TEXT_SHORT_SIZE, "room for the NUL");
    char text[FLOAT_TEXT_SHORT_SIZE + 1];
    size_t len = float_text_g(value, text);
    ASSERT(len < ANNOTATION_NUMBER_SIZE);
    memcpy(out, text, len);
    out[len] = '\0';
    return out;
}

static void print_repair(const struct annotation_repair *repair, struct buf *out)
{
    char low[ANNOTATION_NUMBER_SIZE], high[ANNOTATION_NUMBER_SIZE];
    buf_printf(out, ", from buckets %s to %s, with a max diff of %.2g, over %llu samples from ",
               annotation_number(repair->bucket_min, low),
               annotation_number(repair->bucket_max, high), repair->difference_max,
               (unsigned long long)repair->count);
    timestamp_print_rfc3339(repair->first_ms / 1000 * 1000, out);
    buf_append_str(out, " to ");
    timestamp_print_rfc3339(repair->last_ms / 1000 * 1000, out);
}

/* Line and column of a byte, both from 1, columns in bytes. */
static void print_position(uint32_t position, struct slice query, struct buf *out)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < position && i < query.len; i++) {
        column++;
        if (query.ptr[i] == '\n') {
            line++;
            column = 1;
        }
    }
    buf_printf(out, " (%zu:%zu)", line, column);
}

struct promql_annotation *annotations_take(struct annotations *annotations, struct slice query,
                                           struct arena *arena, size_t *out_count)
{
    size_t count = annotations->items.len;
    struct promql_annotation *taken = arena_alloc_array(arena, count, sizeof(*taken));
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, ANNOTATION_TEXT_MAX + 512);
    for (size_t i = 0; i < count; i++) {
        const struct annotation *annotation = annotations->items.items[i];
        buf_reset(&text);
        buf_append_str(&text,
                       annotation->level == PROMQL_INFO ? "PromQL info: " : "PromQL warning: ");
        buf_append_slice(&text, annotation_text(annotation));
        if (annotation->is_repair)
            print_repair(&annotation->repair, &text);
        if (annotation->count > 1)
            buf_printf(&text, " (%llu occurrences)", (unsigned long long)annotation->count);
        print_position(annotation->position, query, &text);
        taken[i] =
            (struct promql_annotation){annotation->level, arena_slice(arena, buf_slice(&text))};
    }
    *out_count = count;
    return taken;
}
