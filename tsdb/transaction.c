/* The rules of the reference for where a sample may go. */
#include "tsdb/transaction.h"

#include <string.h>

void transaction_init(struct transaction *transaction)
{
    memset(transaction, 0, sizeof(*transaction));
    buf_init(&transaction->histogram_bytes, TRANSACTION_HISTOGRAM_BYTES_MAX);
    buf_init(&transaction->exemplar_bytes, TRANSACTION_EXEMPLAR_BYTES_MAX);
}

void transaction_release(struct transaction *transaction)
{
    row_release(&transaction->row);
    vec_release(&transaction->samples);
    vec_release(&transaction->tokens);
    buf_release(&transaction->histogram_bytes);
    vec_release(&transaction->exemplars);
    vec_release(&transaction->starts);
    buf_release(&transaction->exemplar_bytes);
}

void transaction_reset(struct transaction *transaction)
{
    row_reset(&transaction->row);
    vec_reset(&transaction->samples);
    vec_reset(&transaction->tokens);
    buf_reset(&transaction->histogram_bytes);
    vec_reset(&transaction->exemplars);
    vec_reset(&transaction->starts);
    buf_reset(&transaction->exemplar_bytes);
    transaction->bounds_known = false;
    transaction->row_open = false;
    transaction->group = NULL;
    if (transaction->replaying)
        transaction->bounds = (struct transaction_bounds){INT64_MIN, 0, INT64_MAX};
}

/* a - b without overflow. */
static int64_t saturating_subtract(int64_t a, int64_t b)
{
    int64_t result;
    if (!__builtin_sub_overflow(a, b, &result))
        return result;
    return b > 0 ? INT64_MIN : INT64_MAX;
}

enum append_result transaction_check(const struct transaction_bounds *bounds,
                                     const struct series_tail *tail, int64_t t_ms,
                                     bool *out_out_of_order)
{
    *out_out_of_order = false;
    if (t_ms >= bounds->valid_min_ms) {
        if (tail->last_ms == INT64_MIN || t_ms > tail->last_ms)
            return APPEND_OK;
        if (t_ms == tail->last_ms)
            return APPEND_DUPLICATE; /* the caller looks at the value */
    }
    int64_t window_ms = bounds->out_of_order_window_ms;
    if (window_ms > 0) {
        if (t_ms < saturating_subtract(bounds->head_max_ms, window_ms))
            return APPEND_TOO_OLD;
        *out_out_of_order = true;
        return APPEND_OK;
    }
    return t_ms < bounds->valid_min_ms ? APPEND_OUT_OF_BOUNDS : APPEND_OUT_OF_ORDER;
}
