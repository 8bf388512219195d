#include "tsdb/index_leaves.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "tsdb/index_reader.h"
#include "tsdb/packed.h"

/* --- places --- */

static void places_free(struct index_places *places)
{
    if (places == NULL)
        return;
    vec_release(&places->items);
    vec_release(&places->pairs);
    vec_release(&places->times);
    mem_free(places);
}

/* Neighbours mostly have chunks of the same times. */
static void add_times(struct index_places *places, const struct index_row *row,
                      struct index_place *place)
{
    size_t count = row->chunks.len, len = places->times.len;
    place->times_count = count;
    place->times_first = len - MIN(len, count);
    if (len >= count &&
        (count == 0 || memcmp(places->times.items + place->times_first, row->chunks.items,
                              count * sizeof(*row->chunks.items)) == 0))
        return;
    place->times_first = len;
    for (size_t i = 0; i < count; i++)
        vec_push(&places->times, row->chunks.items[i]);
}

static void add_place(struct index_places *places, const struct index_row *row, size_t offset)
{
    struct index_place place = {.offset = offset,
                                .pair_first = places->pairs.len,
                                .pair_count = row->pairs.len,
                                .chunk_first = row->chunk_first,
                                .chunk_step = row->chunk_step};
    for (size_t i = 0; i < row->pairs.len; i++)
        vec_push(&places->pairs, row->pairs.items[i]);
    add_times(places, row, &place);
    vec_push(&places->items, place);
}

static size_t place_size(const struct index_row *row)
{
    return sizeof(struct index_place) + row->pairs.len * sizeof(*row->pairs.items) +
           row->chunks.len * sizeof(*row->chunks.items);
}

/* Up to what makes no sense, which is for those to say who read there; and places do not take more
 * than the page itself. */
static struct index_places *places_new(const struct index_leaf *leaf)
{
    struct index_places *places = mem_zalloc(sizeof(*places));
    struct index_row row = {0};
    struct codec_reader reader = codec_reader(leaf->raw.data, leaf->raw.len);
    size_t left = leaf->raw.len;
    index_row_reset(&row, leaf->page->chunk_first);
    for (uint32_t i = 1; i < leaf->page->count; i++) {
        if (!index_row_read(&reader, &row, leaf->index->file.version))
            break;
        if (i % INDEX_PLACES_APART != 0)
            continue;
        if (place_size(&row) > left)
            break;
        left -= place_size(&row);
        add_place(places, &row, leaf->raw.len - codec_left(&reader));
    }
    index_row_release(&row);
    return places;
}

const struct index_places *index_leaf_places(struct index_leaf *leaf)
{
    struct index_places *known = leaf->places;
    if (known != NULL)
        return known;
    struct index_places *places = places_new(leaf);
    if (atomic_compare_exchange_strong(&leaf->places, &known, places))
        return places;
    places_free(places);
    return known;
}

void index_place_restore(const struct index_places *places, size_t number, struct index_row *row)
{
    const struct index_place *place = &places->items.items[number];
    index_row_reset(row, place->chunk_first);
    row->chunk_step = place->chunk_step;
    for (size_t i = 0; i < place->pair_count; i++)
        vec_push(&row->pairs, places->pairs.items[place->pair_first + i]);
    for (size_t i = 0; i < place->times_count; i++)
        vec_push(&row->chunks, places->times.items[place->times_first + i]);
}

/* --- one leaf --- */

struct index_leaf *index_leaf_new(void)
{
    struct index_leaf *leaf = mem_zalloc(sizeof(*leaf));
    leaf->reference_count = 1;
    buf_init(&leaf->raw, PACKED_RAW_SIZE_MAX);
    return leaf;
}

void index_leaf_unref(struct index_leaf *leaf)
{
    if (leaf == NULL || --leaf->reference_count > 0)
        return;
    places_free(leaf->places);
    buf_release(&leaf->raw);
    mem_free(leaf);
}

bool index_leaf_is_own(const struct index_leaf *leaf)
{
    return leaf->reference_count == 1 && leaf->places == NULL;
}

/* --- those that are kept --- */

void index_leaves_init(struct index_leaves *leaves)
{
    *leaves = (struct index_leaves){0};
    mutex_init(&leaves->lock, LOCK_RANK_INDEX_LEAVES);
}

/* Lets go of those that are of this index, where one is named, and not asked for since `asked`. */
static void let_go(struct index_leaves *leaves, const struct index_reader *index, uint64_t asked)
{
    struct index_leaf *gone[INDEX_LEAVES_MAX];
    size_t count = 0;
    mutex_lock(&leaves->lock);
    for (size_t i = 0; i < INDEX_LEAVES_MAX; i++) {
        struct index_leaf *leaf = leaves->kept[i].leaf;
        if (leaf == NULL || (index != NULL && leaf->index != index) ||
            leaves->kept[i].asked > asked)
            continue;
        gone[count++] = leaf;
        leaves->kept[i].leaf = NULL;
    }
    mutex_unlock(&leaves->lock);
    while (count > 0)
        index_leaf_unref(gone[--count]);
}

void index_leaves_release(struct index_leaves *leaves)
{
    let_go(leaves, NULL, UINT64_MAX);
    mutex_release(&leaves->lock);
}

struct index_leaf *index_leaves_find(struct index_leaves *leaves, const struct index_page *page)
{
    MUTEX_GUARD(&leaves->lock);
    for (size_t i = 0; i < INDEX_LEAVES_MAX; i++) {
        struct index_leaf *leaf = leaves->kept[i].leaf;
        if (leaf == NULL || leaf->page != page)
            continue;
        leaves->kept[i].asked = ++leaves->questions;
        leaf->reference_count++;
        return leaf;
    }
    return NULL;
}

void index_leaves_keep(struct index_leaves *leaves, struct index_leaf *leaf)
{
    if (leaf->raw.len > INDEX_LEAF_SIZE_MAX)
        return;
    mutex_lock(&leaves->lock);
    size_t oldest = 0;
    bool there = false;
    for (size_t i = 0; i < INDEX_LEAVES_MAX; i++) {
        there = there || (leaves->kept[i].leaf != NULL && leaves->kept[i].leaf->page == leaf->page);
        if (leaves->kept[i].leaf == NULL || (leaves->kept[oldest].leaf != NULL &&
                                             leaves->kept[i].asked < leaves->kept[oldest].asked))
            oldest = i;
    }
    struct index_leaf *gone = NULL;
    if (!there) {
        gone = leaves->kept[oldest].leaf;
        leaves->kept[oldest].leaf = leaf;
        leaves->kept[oldest].asked = ++leaves->questions;
        leaf->reference_count++;
    }
    mutex_unlock(&leaves->lock);
    index_leaf_unref(gone);
}

void index_leaves_forget(struct index_leaves *leaves, const struct index_reader *index)
{
    let_go(leaves, index, UINT64_MAX);
}

void index_leaves_age(struct index_leaves *leaves)
{
    mutex_lock(&leaves->lock);
    uint64_t asked = leaves->questions_aged;
    leaves->questions_aged = leaves->questions;
    mutex_unlock(&leaves->lock);
    let_go(leaves, NULL, asked);
}

uint64_t index_leaves_memory(struct index_leaves *leaves)
{
    uint64_t bytes = 0;
    MUTEX_GUARD(&leaves->lock);
    for (size_t i = 0; i < INDEX_LEAVES_MAX; i++) {
        const struct index_leaf *leaf = leaves->kept[i].leaf;
        if (leaf == NULL)
            continue;
        const struct index_places *places = leaf->places;
        bytes += sizeof(*leaf) + leaf->raw.capacity;
        if (places != NULL)
            bytes += sizeof(*places) + places->items.cap * sizeof(*places->items.items) +
                     places->pairs.cap * sizeof(*places->pairs.items) +
                     places->times.cap * sizeof(*places->times.items);
    }
    return bytes;
}
