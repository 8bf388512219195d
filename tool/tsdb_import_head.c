#include "tool/tsdb_import_head.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/rand.h"
#include "model/series_source.h"
#include "tool/progress.h"
#include "tsdb/block_writer.h"

/* Blocks that are written at once; late samples may lie in many, which takes several rounds. */
#define WRITERS_MAX 16

struct span_writer {
    struct block_meta meta;
    struct block_writer *writer;
};

struct round {
    struct span_writer writers[WRITERS_MAX];
    size_t count;
};

static void describe(const struct head_import *import, int64_t begin_ms, struct block_meta *out)
{
    struct rand rand;
    int64_t end_ms = begin_ms > INT64_MAX - PROMETHEUS_HEAD_SPAN_MS
                         ? INT64_MAX
                         : begin_ms + PROMETHEUS_HEAD_SPAN_MS;
    int64_t max_ms = prometheus_head_max_ms(import->head);
    /* what lies ahead is the server's to collect */
    if (max_ms < INT64_MAX)
        end_ms = MIN(end_ms, max_ms + 1);
    /* the head of a server may have samples of the same time: the block must not hide them */
    *out =
        (struct block_meta){.min_ms = begin_ms, .max_ms = end_ms, .level = 1, .out_of_order = true};
    rand_init(&rand, hash_mix(prometheus_head_fingerprint(import->head), (uint64_t)begin_ms));
    ulid_make(&out->ulid, MAX(end_ms, 0), &rand);
    vec_push(&out->sources, out->ulid);
}

static enum err open_writers(struct head_import *import, size_t first, size_t count,
                             struct round *round, struct errbuf *err)
{
    struct prometheus_head_spans spans = prometheus_head_spans(import->head);
    for (size_t i = first; i < first + count; i++) {
        struct span_writer *writer = &round->writers[round->count];
        *writer = (struct span_writer){0};
        describe(import, spans.begins_ms[i], &writer->meta);
        struct block_writer_options options = {
            .fs = fs_system, .directory = import->blocks_path, .meta = &writer->meta};
        enum err code = ERR_NONE;
        bool is_known = import->is_known(import->context, &writer->meta.ulid);
        if (!is_known)
            code = block_writer_open(&options, &writer->writer, err);
        import->left_out += is_known;
        if (is_known || code != ERR_NONE)
            block_meta_release(&writer->meta);
        else
            round->count++;
        if (code != ERR_NONE)
            return code;
    }
    return ERR_NONE;
}

/* The part of the samples that lies in [from, to). */
static struct sample_columns part_of(const struct sample_columns *columns, size_t from, size_t to)
{
    struct sample_columns part = {.timestamps_ms = columns->timestamps_ms + from,
                                  .values = columns->values + from,
                                  .count = to - from};
    if (columns->histograms != NULL)
        part.histograms = columns->histograms + from;
    if (columns->start_timestamps_ms != NULL)
        part.start_timestamps_ms = columns->start_timestamps_ms + from;
    return part;
}

static bool write_series(struct round *round, const struct labels *labels,
                         const struct sample_columns *columns)
{
    size_t at = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct span_writer *writer = &round->writers[i];
        while (at < columns->count && columns->timestamps_ms[at] < writer->meta.min_ms)
            at++;
        size_t end = at;
        while (end < columns->count && columns->timestamps_ms[end] < writer->meta.max_ms)
            end++;
        if (end == at)
            continue;
        struct sample_columns part = part_of(columns, at, end);
        block_writer_series(writer->writer, labels);
        block_writer_samples(writer->writer, &part);
        if (block_writer_failed(writer->writer))
            return false; /* its end tells why */
        at = end;
    }
    return true;
}

static enum err copy_all(struct head_import *import, struct round *round, struct errbuf *err)
{
    struct series_view *view;
    struct series_list CLEANUP(series_list_release) list = {0};
    struct sample_columns CLEANUP(sample_columns_release) columns;
    int64_t min_ms = round->writers[0].meta.min_ms;
    int64_t max_ms = round->writers[round->count - 1].meta.max_ms - 1;
    struct series_query query = {.min_ms = min_ms, .max_ms = max_ms, .sorted = true};
    sample_columns_init(&columns);
    enum err code =
        series_source_open(prometheus_head_source(import->head), min_ms, max_ms, &view, err);
    if (code != ERR_NONE)
        return code;
    code = series_view_select(view, &query, &list, err);
    for (size_t i = 0; i < list.entries.len && code == ERR_NONE; i++) {
        progress_show("samples of the log: series", i, list.entries.len);
        code = series_view_read(view, &list.entries.items[i], min_ms, max_ms, &columns, err);
        if (code == ERR_NONE && !write_series(round, list.entries.items[i].labels, &columns))
            break;
    }
    progress_clear();
    series_view_close(view);
    return code;
}

/* Ends the writers, with their blocks or without. */
static enum err close_writers(struct head_import *import, struct round *round, enum err code,
                              struct errbuf *err)
{
    for (size_t i = 0; i < round->count; i++) {
        struct span_writer *writer = &round->writers[i];
        struct block_meta written = {0};
        if (code != ERR_NONE)
            block_writer_abort(writer->writer);
        else
            code = block_writer_finish(writer->writer, &written, err);
        if (written.stats.samples > 0)
            vec_push(&import->written, written);
        else
            block_meta_release(&written);
        block_meta_release(&writer->meta);
    }
    return code;
}

enum err head_import_run(struct head_import *import, struct errbuf *err)
{
    size_t count = prometheus_head_spans(import->head).count;
    enum err code = ERR_NONE;
    for (size_t first = 0; first < count && code == ERR_NONE; first += WRITERS_MAX) {
        struct round round = {.count = 0};
        code = open_writers(import, first, MIN(count - first, (size_t)WRITERS_MAX), &round, err);
        if (code == ERR_NONE && round.count > 0)
            code = copy_all(import, &round, err);
        code = close_writers(import, &round, code, err);
    }
    return code;
}

void head_import_release(struct head_import *import)
{
    for (size_t i = 0; i < import->written.len; i++)
        block_meta_release(&import->written.items[i]);
    vec_release(&import->written);
}
