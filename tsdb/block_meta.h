/*
 * What a block says of itself: meta.json, in the form in which the reference writes it
 * (https://prometheus.io/docs/prometheus/latest/storage/), with "format" beside its "version".
 *
 * Ownership: plain value; the lists of identifiers are freed by block_meta_release.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/rand.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_FORMAT "ferula-2"
/* Blocks without deletions may lack the file of deletions. */
#define BLOCK_FORMAT_FIRST "ferula-1"
#define BLOCK_META_SIZE_MAX ((size_t)16 << 20)
#define ULID_LEN 26

/* The name of a block: 48 bits of time and 80 of chance, in Crockford's base 32
 * (https://github.com/ulid/spec), so that names sort by age. */
struct ulid {
    char text[ULID_LEN + 1];
};

void ulid_make(struct ulid *out, int64_t now_ms, struct rand *rand);
bool ulid_is_valid(struct slice text);

struct block_stats {
    uint64_t samples; /* float and histogram samples */
    uint64_t float_samples;
    uint64_t histogram_samples;
    uint64_t series;
    uint64_t chunks;
    uint64_t tombstones;
};

struct block_parent {
    struct ulid ulid;
    int64_t min_ms;
    int64_t max_ms;
};

struct block_meta {
    struct ulid ulid;
    int64_t min_ms;
    int64_t max_ms; /* exclusive */
    struct block_stats stats;
    uint32_t level;           /* 1 = cut from the head */
    bool out_of_order;        /* made of samples that came late: overlaps others */
    bool partly_in_order;     /* but has merged what came in order before this time: */
    int64_t in_order_max_ms;
    bool failed;              /* compacting it failed, so it is left as it is */
    bool always_tombstones;   /* the file of deletions is there also without any */
    VEC(struct ulid) sources; /* the blocks of level 1 that it was made of */
    VEC(struct block_parent) parents;
};

/* From one time to a later one; INT64_MAX where that is too far for a number. */
static inline int64_t block_span_ms(int64_t begin_ms, int64_t end_ms)
{
    int64_t span_ms;
    return __builtin_sub_overflow(end_ms, begin_ms, &span_ms) ? INT64_MAX : span_ms;
}

/* Blocks of one length lie in ranges that are multiples of it since 1970. Where the range ends in
 * which the time lies; what has no room between the first and the last of all times belongs to the
 * first range and to one that ends with the last. */
int64_t block_range_end_ms(int64_t time_ms, int64_t length_ms);

void block_meta_release(struct block_meta *meta);
void block_meta_copy(struct block_meta *to, const struct block_meta *from);

/* Appends the JSON text. */
void block_meta_print(const struct block_meta *meta, struct buf *out);
/* ERR_INVALID or ERR_UNSUPPORTED (another format) with what is wrong. */
enum err block_meta_parse(struct slice text, struct block_meta *out, struct errbuf *err) MUST_CHECK;
/* The same of a block of the reference's own, which has no "format". */
void block_meta_print_reference(const struct block_meta *meta, struct buf *out);
enum err block_meta_parse_reference(struct slice text, struct block_meta *out,
                                    struct errbuf *err) MUST_CHECK;
