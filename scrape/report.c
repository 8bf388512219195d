#include "scrape/report.h"

#include "model/sample.h"

static const char *const report_names[REPORT_SERIES_COUNT] = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
};

#define REPORT_ALWAYS_COUNT 5

static void report_append(struct report *report, size_t index, struct sample_labels *maker,
                          const struct labels *target, double value, struct appender *appender)
{
    series_ref *ref = &report->refs[index];
    if (*ref != 0 && append(appender, *ref, value) != APPEND_UNKNOWN_SERIES)
        return; /* a refused sample is the target's own series, or another target's: no matter */
    struct labels *labels =
        sample_labels_make_report(maker, target, slice_str(report_names[index]));
    *ref = appender_series(appender, labels);
    labels_unref(labels);
    (void)append(appender, *ref, value);
}

void report_write(struct report *report, struct sample_labels *maker, const struct labels *target,
                  const struct report_values *values, struct appender *appender)
{
    const double numbers[REPORT_SERIES_COUNT] = {
        values->up ? 1 : 0,           values->duration_s,           (double)values->samples_scraped,
        (double)values->samples_kept, (double)values->series_added, values->timeout_s,
        (double)values->sample_limit, (double)values->body_size,
    };
    size_t count = values->extra ? REPORT_SERIES_COUNT : REPORT_ALWAYS_COUNT;
    for (size_t i = 0; i < count; i++)
        report_append(report, i, maker, target, numbers[i], appender);
}

void report_write_stale(const struct report *report, struct appender *appender, int64_t row_ms)
{
    for (size_t i = 0; i < REPORT_SERIES_COUNT; i++) {
        if (report->refs[i] != 0 && appender_newest_ms(appender, report->refs[i]) < row_ms)
            (void)append(appender, report->refs[i], sample_stale());
    }
}
