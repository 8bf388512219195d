/* Names to values to lists; a list of one ref has no bytes. */
#include "tsdb/postings.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "model/symbols.h"

#include <stdlib.h>
#include <string.h>

struct posting_list {
    uint8_t *bytes; /* varints: differences behind `first` */
    series_ref first;
    series_ref last;
    uint32_t count;
    uint32_t len;
    uint32_t capacity;
    uint32_t symbol; /* of the value; counted */
    bool dirty;      /* series of it go away */
};

struct posting_name {
    uint32_t symbol; /* counted */
    size_t series_count;
    struct table values; /* struct posting_list by symbol */
};

static bool name_is(const void *value, const void *key)
{
    return ((const struct posting_name *)value)->symbol == *(const uint32_t *)key;
}

static bool list_is(const void *value, const void *key)
{
    return ((const struct posting_list *)value)->symbol == *(const uint32_t *)key;
}

static uint64_t symbol_hash(uint32_t symbol)
{
    return hash_mix(0, symbol);
}

void postings_init(struct postings *postings, struct isolation *isolation)
{
    postings->isolation = isolation;
    rwlock_init(&postings->lock, LOCK_RANK_TSDB_POSTINGS);
    table_init(&postings->names);
    postings->pair_count = 0;
    postings->bytes = 0;
}

static void list_free(void *freed)
{
    struct posting_list *list = freed;
    symbols_unref(list->symbol);
    mem_free(list->bytes);
    mem_free(list);
}

static void name_free(void *freed)
{
    struct posting_name *name = freed;
    symbols_unref(name->symbol);
    table_release(&name->values);
    mem_free(name);
}

void postings_release(struct postings *postings)
{
    struct posting_name *name;
    for (size_t at = 0; (name = table_next(&postings->names, &at)) != NULL;) {
        struct posting_list *list;
        for (size_t list_at = 0; (list = table_next(&name->values, &list_at)) != NULL;)
            list_free(list);
        name_free(name);
    }
    table_release(&postings->names);
    rwlock_release(&postings->lock);
}

static struct posting_name *name_find(const struct postings *postings, uint32_t symbol)
{
    return table_get(&postings->names, symbol_hash(symbol), name_is, &symbol);
}

static struct posting_list *list_find(const struct posting_name *name, uint32_t symbol)
{
    return name == NULL ? NULL : table_get(&name->values, symbol_hash(symbol), list_is, &symbol);
}

static void list_append(struct posting_list *list, series_ref ref)
{
    if (list->count++ == 0) {
        list->first = list->last = ref;
        return;
    }
    ASSERT(ref > list->last);
    uint64_t difference = ref - list->last;
    list->last = ref;
    if (list->len + 10 > list->capacity) {
        list->capacity = (list->capacity < 24 ? 24 : list->capacity + list->capacity / 4 + 16);
        list->bytes = mem_realloc(list->bytes, list->capacity);
    }
    for (; difference >= 0x80; difference >>= 7)
        list->bytes[list->len++] = (uint8_t)(difference | 0x80);
    list->bytes[list->len++] = (uint8_t)difference;
}

struct posting_place postings_place_locked(struct postings *postings, struct label_pair pair)
{
    struct posting_name *name = name_find(postings, pair.name);
    if (name == NULL) {
        name = mem_zalloc(sizeof(*name));
        symbols_ref(pair.name);
        name->symbol = pair.name;
        table_init(&name->values);
        table_add(&postings->names, symbol_hash(pair.name), name);
    }
    struct posting_list *list = list_find(name, pair.value);
    if (list == NULL) {
        list = mem_zalloc(sizeof(*list));
        symbols_ref(pair.value);
        list->symbol = pair.value;
        table_add(&name->values, symbol_hash(pair.value), list);
        postings->pair_count++;
        postings->bytes += sizeof(*list) + 2 * sizeof(struct table_slot);
    }
    return (struct posting_place){name, list};
}

void postings_add_at_locked(struct postings *postings, const struct posting_place *place,
                            series_ref ref)
{
    size_t capacity = place->list->capacity;
    list_append(place->list, ref);
    postings->bytes += place->list->capacity - capacity;
    place->name->series_count++;
}

void postings_add_locked(struct postings *postings, series_ref ref, const struct labels *labels)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        struct posting_place place = postings_place_locked(postings, labels->pairs[i]);
        postings_add_at_locked(postings, &place, ref);
    }
}

/* Reading a list; bytes are our own. */
struct list_cursor {
    const uint8_t *at;
    const uint8_t *end;
    series_ref ref;
};

static bool cursor_next(struct list_cursor *cursor)
{
    if (cursor->at == cursor->end)
        return false;
    uint64_t difference = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *cursor->at++;
        difference |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte >= 0x80);
    cursor->ref += difference;
    return true;
}

static void bytes_decode(series_ref first, const uint8_t *bytes, size_t len, size_t count,
                         ref_list *out)
{
    vec_reserve(out, count);
    struct list_cursor cursor = {bytes, bytes + len, first};
    do
        out->items[out->len++] = cursor.ref;
    while (cursor_next(&cursor));
}

/* Writes the list anew without the removed refs. */
static void list_rewrite(struct posting_list *list, const struct posting_removal *removed,
                         size_t count)
{
    ref_list refs = {0};
    bytes_decode(list->first, list->bytes, list->len, list->count, &refs);
    mem_free(list->bytes);
    list->bytes = NULL;
    list->count = list->len = list->capacity = 0;
    list->dirty = false;
    size_t at = 0;
    for (size_t i = 0; i < refs.len; i++) {
        while (at < count && removed[at].ref < refs.items[i])
            at++;
        if (at == count || removed[at].ref != refs.items[i])
            list_append(list, refs.items[i]);
    }
    vec_release(&refs);
}

static void pair_rewrite(struct postings *postings, struct label_pair pair,
                         const struct posting_removal *removed, size_t count)
{
    struct posting_name *name = name_find(postings, pair.name);
    struct posting_list *list = list_find(name, pair.value);
    if (list == NULL || !list->dirty)
        return;
    size_t count_before = list->count;
    size_t capacity = list->capacity;
    list_rewrite(list, removed, count);
    postings->bytes += list->capacity;
    postings->bytes -= capacity;
    name->series_count -= count_before - list->count;
    if (list->count > 0)
        return;
    table_remove(&name->values, symbol_hash(pair.value), list_is, &pair.value);
    postings->pair_count--;
    postings->bytes -= sizeof(*list) + 2 * sizeof(struct table_slot);
    isolation_retire(postings->isolation, list, list_free);
    if (name->values.len > 0)
        return;
    table_remove(&postings->names, symbol_hash(pair.name), name_is, &pair.name);
    isolation_retire(postings->isolation, name, name_free);
}

void postings_remove(struct postings *postings, const struct posting_removal *removed, size_t count)
{
    rwlock_write_lock(&postings->lock);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < removed[i].labels->count; k++) {
            struct label_pair pair = removed[i].labels->pairs[k];
            struct posting_list *list = list_find(name_find(postings, pair.name), pair.value);
            ASSERT(list != NULL);
            list->dirty = true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < removed[i].labels->count; k++)
            pair_rewrite(postings, removed[i].labels->pairs[k], removed, count);
    }
    rwlock_unlock(&postings->lock);
}

void postings_names(struct postings *postings, posting_values *out)
{
    rwlock_read_lock(&postings->lock);
    struct posting_name *name;
    for (size_t at = 0; (name = table_next(&postings->names, &at)) != NULL;)
        vec_push(out, (struct posting_value){name->symbol, (uint32_t)name->series_count});
    rwlock_unlock(&postings->lock);
}

void postings_values(struct postings *postings, uint32_t name_symbol, posting_values *out)
{
    rwlock_read_lock(&postings->lock);
    struct posting_name *name = name_find(postings, name_symbol);
    if (name != NULL) {
        vec_reserve(out, name->values.len);
        struct posting_list *list;
        for (size_t at = 0; (list = table_next(&name->values, &at)) != NULL;)
            vec_push(out, (struct posting_value){list->symbol, list->count});
    }
    rwlock_unlock(&postings->lock);
}

size_t postings_count(struct postings *postings, uint32_t name, uint32_t value)
{
    rwlock_read_lock(&postings->lock);
    struct posting_list *list = list_find(name_find(postings, name), value);
    size_t count = list == NULL ? 0 : list->count;
    rwlock_unlock(&postings->lock);
    return count;
}

/* A list's content, copied under the lock. */
struct list_copy {
    series_ref first;
    uint32_t count;
    uint32_t len;
    size_t offset;
};

static int ref_compare(const void *a, const void *b)
{
    series_ref x = *(const series_ref *)a;
    series_ref y = *(const series_ref *)b;
    return (x > y) - (x < y);
}

/* Refs are dense, so a bitmap sorts them in one pass where they are not too few. */
static void refs_sort(series_ref *refs, size_t count)
{
    series_ref low = UINT64_MAX;
    series_ref high = 0;
    for (size_t i = 0; i < count; i++) {
        low = MIN(low, refs[i]);
        high = MAX(high, refs[i]);
    }
    if (count < 64 || (high - low) / 64 > count * 4) {
        qsort(refs, count, sizeof(*refs), ref_compare);
        return;
    }
    size_t word_count = (size_t)((high - low) / 64 + 1);
    uint64_t *words = mem_zalloc_array(word_count, sizeof(*words));
    for (size_t i = 0; i < count; i++)
        words[(refs[i] - low) / 64] |= UINT64_C(1) << ((refs[i] - low) % 64);
    size_t at = 0;
    for (size_t i = 0; i < word_count; i++) {
        for (uint64_t word = words[i]; word != 0; word &= word - 1)
            refs[at++] = low + i * 64 + (series_ref)__builtin_ctzll(word);
    }
    ASSERT(at == count);
    mem_free(words);
}

void postings_read(struct postings *postings, uint32_t name_symbol, const uint32_t *values,
                   size_t value_count, ref_list *out)
{
    VEC(struct list_copy) copies = {0};
    VEC(uint8_t) bytes = {0};
    rwlock_read_lock(&postings->lock);
    struct posting_name *name = name_find(postings, name_symbol);
    for (size_t i = 0; i < value_count; i++) {
        struct posting_list *list = list_find(name, values[i]);
        if (list == NULL)
            continue;
        vec_push(&copies, (struct list_copy){list->first, list->count, list->len, bytes.len});
        vec_reserve(&bytes, list->len);
        if (list->len > 0)
            memcpy(bytes.items + bytes.len, list->bytes, list->len);
        bytes.len += list->len;
    }
    rwlock_unlock(&postings->lock);
    size_t start = out->len;
    for (size_t i = 0; i < copies.len; i++) {
        const struct list_copy *copy = &copies.items[i];
        bytes_decode(copy->first, bytes.items + copy->offset, copy->len, copy->count, out);
    }
    if (copies.len > 1)
        refs_sort(out->items + start, out->len - start);
    vec_release(&copies);
    vec_release(&bytes);
}

void ref_list_intersect(ref_list *list, const ref_list *other)
{
    size_t kept = 0;
    size_t at = 0;
    for (size_t i = 0; i < list->len; i++) {
        while (at < other->len && other->items[at] < list->items[i])
            at++;
        if (at < other->len && other->items[at] == list->items[i])
            list->items[kept++] = list->items[i];
    }
    list->len = kept;
}

size_t postings_pair_count(struct postings *postings)
{
    rwlock_read_lock(&postings->lock);
    size_t count = postings->pair_count;
    rwlock_unlock(&postings->lock);
    return count;
}

size_t postings_memory(struct postings *postings)
{
    rwlock_read_lock(&postings->lock);
    size_t bytes = postings->bytes;
    rwlock_unlock(&postings->lock);
    return bytes;
}
