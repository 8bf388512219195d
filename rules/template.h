/*
 * Templates of labels and annotations: the subset of Go's text/template that the reference
 * documents (https://prometheus.io/docs/prometheus/latest/configuration/template_reference/), with
 * its functions.
 * `$labels`, `$value`, `$externalLabels` and `$externalURL` are set before the text.
 *
 * A template is parsed once and executed often. Steps, output and nesting are limited.
 * Thread-safety: a parsed template is immutable; execution has no shared state.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct template;

/* One row of query(): labels and value. */
struct template_sample {
    const struct labels *labels;
    double value;
};

struct template_data {
    const struct labels *labels;
    double value;
    const struct labels *external_labels;
    struct slice external_url;
    int64_t now_ms;
    /* For query "expr": rows live in the arena; false with an error text in `err`. NULL = no
     * queries. */
    bool (*query)(struct slice expression, int64_t time_ms, struct arena *arena,
                  struct template_sample **out, size_t *out_count, struct errbuf *err,
                  void *context);
    void *context;
};

/* Metrics of templates are there from now on, though none was executed yet. */
void template_register_counters(void);

/* `name` is for messages ("__alert_Name"). ERR_INVALID with the reference's text. */
enum err template_parse(struct slice name, struct slice text, struct template **out,
                        struct errbuf *err) MUST_CHECK;
void template_free(struct template *template);
/* Appends the result. On an error `out` is unchanged and the text is the reference's, to be shown
 * as
 * "<error expanding template: ...>". */
enum err template_execute(const struct template *template, const struct template_data *data,
                          struct buf *out, struct errbuf *err) MUST_CHECK;
