/*
 * The shape of a large machine's node_exporter: 1,026 series of which 472 (46 %) move at every scrape,
 * about 84 bytes of text a series. The names are node_exporter's; everything else is made up.
 *
 * Ownership: a shape owns its series; targets point into it and must go first. Thread-safety: a shape
 * is constant once made; a target has one owner.
 */
#pragma once

#include "base/buf.h"
#include "base/rand.h"
#include "bench/walk.h"

#include <stddef.h>
#include <stdint.h>

#define NODE_SERIES_COUNT 1026
#define NODE_MOVING_COUNT 472
#define NODE_LABELS_MAX 4

struct node_label {
    const char *name;
    const char *value;
};

struct node_series {
    const char *family;
    const char *type;
    const char *help;
    enum walk_kind walk;
    double constant;
    size_t label_count;
    struct node_label labels[NODE_LABELS_MAX]; /* in the order of the text */
    char text[256];                            /* name{label="value",...} */
};

struct node_shape {
    struct node_series series[NODE_SERIES_COUNT];
    /* private */
    char names[8192]; /* of devices and units that are made by count */
    size_t names_len;
};

struct node_target {
    const struct node_shape *shape;
    struct rand rand;
    struct walk walks[NODE_SERIES_COUNT];
};

struct node_shape *node_shape_new(void);
void node_shape_free(struct node_shape *shape);

void node_target_init(struct node_target *target, const struct node_shape *shape, uint64_t seed);
void node_target_advance(struct node_target *target, double elapsed_s);
/* Appends the exposition text 0.0.4 with HELP and TYPE. */
void node_target_write(const struct node_target *target, struct buf *out);
