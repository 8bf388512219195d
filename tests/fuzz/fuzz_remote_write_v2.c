/* Remote write 2.0 requests behind their compression, into a storage that takes everything: labels must
 * be sound, histograms too, and a refusal must have words. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "remote/write_v2.h"
#include "tsdb/appender.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct appender {
    size_t count;
};

static void check(bool condition)
{
    if (!condition)
        abort();
}

enum err appender_begin(struct tsdb *db, struct sample_group *group, int64_t t_ms,
                        struct appender **out, struct errbuf *err)
{
    static struct appender appender;
    appender.count = 0;
    *out = &appender;
    return ERR_NONE;
}

series_ref appender_series(struct appender *appender, const struct labels *labels)
{
    check(labels->count > 0 && labels_metric_name(labels).len > 0);
    for (uint32_t i = 0; i < labels->count; i++)
        check(utf8_valid(symbols_text(labels->pairs[i].value)));
    return ++appender->count;
}

int64_t appender_newest_ms(struct appender *appender, series_ref ref)
{
    return INT64_MIN;
}

bool appender_takes_starts(const struct appender *appender)
{
    return true;
}

void append_start(struct appender *appender, series_ref ref, int64_t t_ms, int64_t start_ms,
                  const struct histogram *histogram)
{
    check(ref == appender->count);
}

enum append_result append_at(struct appender *appender, series_ref ref, int64_t t_ms, double value)
{
    check(ref == appender->count);
    return t_ms % 2 == 0 ? APPEND_OK : APPEND_OUT_OF_ORDER;
}

enum append_result append_histogram_at(struct appender *appender, series_ref ref, int64_t t_ms,
                                       const struct histogram *histogram)
{
    struct errbuf err;
    check(histogram_validate(histogram, &err) == ERR_NONE);
    return APPEND_OK;
}

enum exemplar_result append_exemplar(struct appender *appender, series_ref ref,
                                     const struct exemplar *exemplar)
{
    check(exemplar->label_count <= EXEMPLAR_LABEL_RUNES_MAX);
    return EXEMPLAR_OK;
}

enum err appender_commit(struct appender *appender, struct errbuf *err)
{
    return ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct remote_write_result result = {0};
    struct errbuf err = ERRBUF_INIT;
    enum err code = write_v2_store(NULL, slice_from((const char *)data, size),
                                   INT64_C(1700000000000), &result, &err);
    check(code == ERR_NONE || err.text[0] != '\0');
    check((code == ERR_NONE) == (result.http_status == 204));
    return 0;
}
