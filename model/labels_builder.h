/*
 * Makes label sets: set and delete labels in any order, then build. It owns references to the
 * symbols that it holds, so what it holds stays valid until reset.
 *
 * Thread-safety: one owner. Reuse one builder for many sets.
 */
#pragma once

#include "base/arena.h"
#include "base/vec.h"
#include "model/labels.h"

struct labels_builder {
    /* private: sorted by name text */
    VEC(struct label_pair) pairs;
};

void labels_builder_init(struct labels_builder *builder);
void labels_builder_release(struct labels_builder *builder);
void labels_builder_reset(struct labels_builder *builder);
/* Starts from an existing set. */
void labels_builder_start(struct labels_builder *builder, const struct labels *labels);

/* An empty value deletes. */
void labels_builder_set(struct labels_builder *builder, struct slice name, struct slice value);
/* With symbols; takes its own references. */
void labels_builder_set_symbols(struct labels_builder *builder, uint32_t name, uint32_t value);
void labels_builder_delete(struct labels_builder *builder, struct slice name);
/* Empty when it is not there; valid until the label is changed. */
struct slice labels_builder_get(const struct labels_builder *builder, struct slice name);
bool labels_builder_has(const struct labels_builder *builder, struct slice name);

static inline size_t labels_builder_count(const struct labels_builder *builder)
{
    return builder->pairs.len;
}
uint64_t labels_builder_hash(const struct labels_builder *builder);

/* A counted set of what is there; the builder keeps its content. */
struct labels *labels_builder_build(const struct labels_builder *builder) MUST_CHECK;
/* A counted set of what is there, which takes over the builder's references: the builder is empty
 * afterwards. This is the cheaper of the two. */
struct labels *labels_builder_take(struct labels_builder *builder) MUST_CHECK;
