#include "rules/vector.h"

#include "base/alloc.h"
#include "tsdb/tsdb.h"

static struct slice left_out_of(const struct promql_result *result)
{
    for (size_t i = 0; i < result->annotation_count; i++) {
        if (result->annotations[i].level == PROMQL_STORAGE_WARNING)
            return result->annotations[i].text;
    }
    return SLICE_EMPTY;
}

enum err rule_vector_query(const struct rule_environment *environment,
                           const struct promql_expression *expression, int64_t t_ms,
                           struct rule_vector *out, struct errbuf *err)
{
    struct promql_result *result = NULL;
    const struct promql_query query = {
        .expression = expression,
        .source = tsdb_source(environment->db),
        .start_ms = t_ms,
        .end_ms = t_ms,
        .canceled = &environment->canceled,
    };
    enum err code = promql_evaluate(environment->engine, &query, &result, err);
    if (code != ERR_NONE)
        return code;
    if (result->type != PROMQL_VECTOR && result->type != PROMQL_SCALAR) {
        promql_result_free(result);
        return errbuf_set(err, ERR_EXECUTION, "rule result is not a vector or scalar");
    }
    *out = (struct rule_vector){.result = result, .left_out = left_out_of(result)};
    out->items = mem_alloc_array(result->row_count + 1, sizeof(*out->items));
    for (size_t i = 0; i < result->row_count; i++) {
        const struct promql_row *row = &result->rows[i];
        if (row->present != NULL && !promql_bitmap_get(row->present, 0))
            continue;
        out->items[out->count++] = (struct rule_vector_sample){
            .labels = row->labels == NULL ? labels_empty() : row->labels,
            .value = row->values[0],
            .histogram = row->histograms == NULL ? NULL : row->histograms[0],
        };
    }
    return ERR_NONE;
}

void rule_vector_release(struct rule_vector *vector)
{
    mem_free(vector->items);
    promql_result_free(vector->result);
    *vector = (struct rule_vector){0};
}
