/*
 * A transaction: samples on their way into storage, a row of a group and loose ones, staged and
 * then committed together. Appenders are transactions; so is every frame that a replay reads.
 *
 * Threads: owned by its appender.
 */
#pragma once

#include "base/buf.h"
#include "base/vec.h"
#include "tsdb/head.h"
#include "tsdb/isolation.h"
#include "tsdb/row.h"

#include <stdbool.h>
#include <stdint.h>

enum staged_kind {
    STAGED_FLOAT,
    STAGED_HISTOGRAM,
};

enum staged_verdict {
    VERDICT_DROP,
    VERDICT_IN_ORDER,
    VERDICT_OUT_OF_ORDER,
};

struct staged_sample {
    struct series *series;
    int64_t t_ms;
    uint64_t bits; /* histogram: offset in histogram_bytes */
    uint32_t histogram_len;
    uint8_t kind;
    /* made by the commit: */
    uint8_t verdict;
    uint8_t token_len;
    uint8_t state; /* behind the token */
};

/* What samples may be, as of the begin of the transaction. */
struct transaction_bounds {
    int64_t valid_min_ms;
    int64_t head_max_ms;
    int64_t out_of_order_window_ms;
};

struct staged_exemplar {
    struct series *series;
    int64_t t_ms;
    double value;
    uint32_t labels_at; /* in exemplar_bytes */
    uint16_t labels_len;
    bool has_timestamp;
};

struct staged_start {
    struct series *series;
    int64_t t_ms;
    int64_t start_ms;
    bool late; /* of this sample only: there are later ones already */
};

struct transaction {
    struct reader reader;
    struct transaction_bounds bounds;
    bool bounds_known; /* an empty head takes its time from the first sample */
    bool row_open;     /* samples of the group may be staged as a row */
    bool replaying;
    int64_t t_ms;
    struct sample_group *group;
    struct row row;
    VEC(struct staged_sample) samples;
    struct buf histogram_bytes;
    VEC(uint8_t) tokens; /* of samples, by the commit */
    VEC(struct staged_exemplar) exemplars;
    struct buf exemplar_bytes;
    VEC(struct staged_start) starts;
};

#define TRANSACTION_HISTOGRAM_BYTES_MAX ((size_t)256 << 20)
#define TRANSACTION_EXEMPLAR_BYTES_MAX ((size_t)64 << 20)

void transaction_init(struct transaction *transaction);
void transaction_release(struct transaction *transaction);
void transaction_reset(struct transaction *transaction);

/* Where a sample at `t_ms` would go, by the newest of its series. */
enum append_result transaction_check(const struct transaction_bounds *bounds,
                                     const struct series_tail *tail, int64_t t_ms,
                                     bool *out_out_of_order);
