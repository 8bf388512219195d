/* Every count is compared with the bytes that are left before memory is taken for it. */
#include "tsdb/wal_decoder.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/hash.h"
#include "model/symbols.h"
#include "tsdb/exemplar_labels.h"
#include "tsdb/tokens.h"
#include "tsdb/wal_writer.h"

#include <string.h>

void wal_decoder_init(struct wal_decoder *decoder, const struct wal_visitor *visitor, void *context)
{
    memset(decoder, 0, sizeof(*decoder));
    decoder->visitor = visitor;
    decoder->context = context;
    table_init(&decoder->groups);
}

void wal_decoder_reset(struct wal_decoder *decoder)
{
    for (size_t i = 0; i < decoder->labels.len; i++)
        labels_unref(decoder->labels.items[i]);
    vec_reset(&decoder->labels);
    vec_reset(&decoder->loose);
    struct wal_group *group;
    for (size_t at = 0; (group = table_next(&decoder->groups, &at)) != NULL;) {
        if (decoder->visitor->group_end != NULL)
            decoder->visitor->group_end(decoder->context, group);
        mem_free(group->series);
        mem_free(group->bits);
        mem_free(group->states);
        mem_free(group->contexts);
        mem_free(group->present);
        mem_free(group->changed);
        mem_free(group);
    }
    table_clear(&decoder->groups);
}

void wal_decoder_release(struct wal_decoder *decoder)
{
    wal_decoder_reset(decoder);
    vec_release(&decoder->labels);
    vec_release(&decoder->loose);
    vec_release(&decoder->pairs);
    vec_release(&decoder->pair_uses);
    vec_release(&decoder->samples);
    vec_release(&decoder->tokens);
    table_release(&decoder->groups);
}

static enum err corrupt(struct errbuf *err, const char *what)
{
    return errbuf_set(err, ERR_CORRUPT, "%s", what);
}

/* A pair of new text; the caller owns a reference to both symbols. */
static bool read_pair(struct codec_reader *reader, struct label_pair *out)
{
    struct slice name = codec_read_slice(reader);
    struct slice value = codec_read_slice(reader);
    if (reader->failed || name.len == 0 || value.len == 0)
        return false;
    *out = (struct label_pair){symbols_intern(name), symbols_intern(value)};
    return true;
}

/* The first set with a pair owns the references that came with it; the others get theirs here. */
static void settle_pair(struct label_pair pair, uint32_t uses)
{
    if (uses == 0) {
        symbols_unref(pair.name);
        symbols_unref(pair.value);
    } else if (uses > 1) {
        symbols_ref_many(pair.name, uses - 1);
        symbols_ref_many(pair.value, uses - 1);
    }
}

static void place_pair(struct wal_decoder *decoder, size_t i, struct label_pair pair)
{
    if (i < decoder->pairs.len) {
        settle_pair(decoder->pairs.items[i], decoder->pair_uses.items[i]);
        decoder->pairs.items[i] = pair;
        decoder->pair_uses.items[i] = 0;
    } else {
        vec_push(&decoder->pairs, pair);
        vec_push(&decoder->pair_uses, 0);
    }
}

static void cut_pairs(struct wal_decoder *decoder, size_t count)
{
    for (size_t i = count; i < decoder->pairs.len; i++)
        settle_pair(decoder->pairs.items[i], decoder->pair_uses.items[i]);
    decoder->pairs.len = decoder->pair_uses.len = count;
}

/* The pairs of the next set, from those of the set before. */
static bool read_pairs(struct wal_decoder *decoder, struct codec_reader *reader)
{
    size_t before = decoder->pairs.len;
    uint64_t count = codec_read_uvarint(reader);
    uint64_t mask = codec_read_uvarint(reader);
    if (reader->failed || count > 64 + codec_left(reader) / 2)
        return false;
    if (count < before)
        cut_pairs(decoder, count);
    bool kept_last = true;
    for (uint64_t i = 0; i < count; i++) {
        bool kept = i < 64 && (mask >> i & 1);
        struct label_pair pair;
        if (kept && i >= before)
            return false;
        if (!kept) {
            if (!read_pair(reader, &pair))
                return false;
            place_pair(decoder, i, pair);
        }
        /* two neighbours that were neighbours before are known to be in order */
        if (i > 0 && !(kept && kept_last) &&
            slice_cmp(symbols_text(decoder->pairs.items[i - 1].name),
                      symbols_text(decoder->pairs.items[i].name)) >= 0)
            return false;
        kept_last = kept;
    }
    return true;
}

static enum err read_series(struct wal_decoder *decoder, struct codec_reader *reader,
                            struct errbuf *err)
{
    uint64_t count = codec_read_uvarint(reader);
    size_t first = decoder->labels.len;
    if (count > codec_left(reader) / 2 || first + count >= UINT32_MAX)
        return corrupt(err, "a series record counts more series than it has bytes");
    bool good = true;
    for (uint64_t i = 0; i < count && good; i++) {
        good = read_pairs(decoder, reader);
        if (!good)
            break;
        for (size_t k = 0; k < decoder->pairs.len; k++)
            decoder->pair_uses.items[k]++;
        vec_push(&decoder->labels, labels_adopt(decoder->pairs.items, decoder->pairs.len));
        vec_push(&decoder->loose, (struct wal_loose_state){0});
    }
    cut_pairs(decoder, 0);
    if (!good) {
        while (decoder->labels.len > first)
            labels_unref(vec_pop(&decoder->labels));
        decoder->loose.len = first;
        return corrupt(err, "a series record has a damaged label set");
    }
    const struct labels **sets = decoder->labels.items + first;
    decoder->visitor->series(decoder->context, (uint32_t)first, sets, count);
    if (decoder->visitor->takes_series && count > 0)
        memset(sets, 0, count * sizeof(*sets));
    return ERR_NONE;
}

static bool group_has_id(const void *value, const void *key)
{
    return ((const struct wal_group *)value)->id == *(const uint64_t *)key;
}

static struct wal_group *group_find(struct wal_decoder *decoder, uint64_t id)
{
    return table_get(&decoder->groups, hash_mix(0, id), group_has_id, &id);
}

static void group_resize(struct wal_group *group, uint32_t count)
{
    if (count > group->capacity) {
        uint32_t capacity = MAX(count, group->capacity + group->capacity / 2);
        size_t words = (group->capacity + 63u) / 64;
        size_t words_new = (capacity + 63u) / 64;
        group->series = mem_realloc_array(group->series, capacity, sizeof(*group->series));
        group->bits = mem_realloc_array(group->bits, capacity, sizeof(*group->bits));
        group->states = mem_realloc_array(group->states, capacity, sizeof(*group->states));
        group->contexts = mem_realloc_array(group->contexts, capacity, sizeof(*group->contexts));
        group->present = mem_realloc_array(group->present, words_new, sizeof(*group->present));
        group->changed = mem_realloc_array(group->changed, words_new, sizeof(*group->changed));
        memset(group->present + words, 0, (words_new - words) * sizeof(*group->present));
        memset(group->changed + words, 0, (words_new - words) * sizeof(*group->changed));
        group->capacity = capacity;
    }
    group->count = count;
}

static enum err read_layout(struct wal_decoder *decoder, struct codec_reader *reader,
                            struct errbuf *err)
{
    uint64_t id = codec_read_uvarint(reader);
    uint64_t start = codec_read_uvarint(reader);
    uint64_t count = codec_read_uvarint(reader);
    struct wal_group *group = group_find(decoder, id);
    if (reader->failed || count > codec_left(reader) || count > UINT32_MAX / 2 ||
        start > (group == NULL ? 0 : group->count))
        return corrupt(err, "a layout record is damaged");
    if (group == NULL) {
        group = mem_zalloc(sizeof(*group));
        group->id = id;
        table_add(&decoder->groups, hash_mix(0, id), group);
    }
    if (start == 0) {
        size_t words = (group->capacity + 63u) / 64;
        if (words > 0) {
            memset(group->present, 0, words * sizeof(*group->present));
            memset(group->changed, 0, words * sizeof(*group->changed));
        }
        group->last_ms = 0;
        group->count = 0;
    }
    if (start != group->count)
        return corrupt(err, "a layout record leaves a gap");
    group_resize(group, (uint32_t)(start + count));
    int64_t last = 0;
    for (uint64_t i = start; i < start + count; i++) {
        last = (int64_t)((uint64_t)last + (uint64_t)codec_read_varint(reader));
        group->series[i] = (uint32_t)last;
        group->bits[i] = 0;
        group->states[i] = 0;
        group->contexts[i] = (struct token_context){0};
    }
    group->layout_version++;
    return reader->failed ? corrupt(err, "a layout record is cut short") : ERR_NONE;
}

/* Flips the positions that a list of gaps names. */
static bool read_positions(struct codec_reader *reader, const struct wal_group *group,
                           uint64_t *bitmap, uint64_t *out_count)
{
    uint64_t count = *out_count = codec_read_uvarint(reader);
    if (reader->failed || count > group->count)
        return false;
    uint64_t position = 0;
    for (uint64_t i = 0; i < count; i++, position++) {
        uint64_t gap = codec_read_uvarint(reader);
        if (reader->failed || gap >= group->count || position + gap >= group->count)
            return false;
        position += gap;
        bitmap[position / 64] ^= UINT64_C(1) << (position % 64);
    }
    return true;
}

static bool read_toggles(struct wal_decoder *decoder, struct codec_reader *reader,
                         struct wal_group *group)
{
    uint64_t count;
    if (!read_positions(reader, group, group->present, &count))
        return false;
    for (uint32_t i = 0; i < group->count && count > 0; i++) {
        if ((group->present[i / 64] >> (i % 64) & 1) && group->series[i] >= decoder->labels.len)
            return false;
    }
    return true;
}

static bool read_changed(struct codec_reader *reader, struct wal_group *group)
{
    size_t words = (group->count + 63u) / 64;
    uint64_t count;
    switch (codec_read_u8(reader)) {
    case WAL_BITMAP_PLAIN: {
        struct slice bitmap = codec_read_bytes(reader, (group->count + 7u) / 8);
        if (reader->failed)
            return false;
        if (words > 0) {
            group->changed[words - 1] = 0;
            memcpy(group->changed, bitmap.ptr, bitmap.len);
        }
        break;
    }
    case WAL_BITMAP_SAME:
        break;
    case WAL_BITMAP_SPARSE:
        if (!read_positions(reader, group, group->changed, &count))
            return false;
        break;
    default:
        return false;
    }
    /* what is absent has no value, and there is nothing behind the last position */
    uint64_t wrong = 0;
    for (size_t i = 0; i < words; i++)
        wrong |= group->changed[i] & ~group->present[i];
    return !reader->failed && wrong == 0;
}

/* The next value behind a known one, from a packed token. */
static inline bool read_packed(struct token_unpacker *unpacker, struct token_context *context,
                               struct token_reader *tokens, struct token_unpacked *unpacked)
{
    enum token_packed kind = token_unpack(unpacker, context, unpacked);
    if (LIKELY(kind == TOKEN_PACKED_DIFFERENCE))
        return token_take_difference(tokens, unpacked->zigzag) == TOKEN_VALUE;
    if (kind != TOKEN_PACKED_OTHER)
        return false;
    tokens->at = unpacked->token;
    tokens->end = unpacked->token + unpacked->len;
    return token_read(tokens) == TOKEN_VALUE && tokens->at == tokens->end;
}

/* The tokens of the positions that changed. */
static bool read_row_tokens(struct codec_reader *reader, struct wal_group *group, bool packed)
{
    struct token_reader tokens = token_reader(reader->at, codec_left(reader));
    struct token_unpacker unpacker = {.data = reader->at, .size = codec_left(reader)};
    struct token_unpacked unpacked;
    size_t words = (group->count + 63u) / 64;
    for (size_t i = 0; i < words; i++) {
        for (uint64_t word = group->changed[i]; word != 0; word &= word - 1) {
            size_t position = i * 64 + (size_t)__builtin_ctzll(word);
            if (!packed && tokens.at == tokens.end)
                return false;
            token_reader_resume(&tokens, group->bits[position], group->states[position]);
            if (packed ? !read_packed(&unpacker, &group->contexts[position], &tokens, &unpacked)
                       : token_read(&tokens) != TOKEN_VALUE)
                return false;
            group->bits[position] = tokens.bits;
            group->states[position] = tokens.state;
        }
    }
    reader->at = packed ? reader->at + token_unpacker_size(&unpacker) : tokens.at;
    return true;
}

static enum err read_row(struct wal_decoder *decoder, struct codec_reader *reader, bool packed,
                         struct errbuf *err)
{
    uint64_t id = codec_read_uvarint(reader);
    int64_t step = codec_read_varint(reader);
    struct wal_group *group = group_find(decoder, id);
    if (reader->failed || group == NULL)
        return corrupt(err, "a row belongs to no group");
    group->last_ms = (int64_t)((uint64_t)group->last_ms + (uint64_t)step);
    if (!read_toggles(decoder, reader, group))
        return corrupt(err, "a row's toggles are damaged");
    if (!read_changed(reader, group) || !read_row_tokens(reader, group, packed))
        return corrupt(err, "a row's values are damaged");
    decoder->visitor->row(decoder->context, group, group->last_ms);
    return ERR_NONE;
}

/* A varint of a column: mostly a byte. */
static inline uint64_t column_next(struct codec_reader *reader)
{
    if (LIKELY(reader->at < reader->end && *reader->at < 0x80))
        return (uint64_t)codec_unzigzag(*reader->at++);
    return (uint64_t)codec_read_varint(reader);
}

/* The columns `series` and `times`. */
static enum err read_columns(struct wal_decoder *decoder, struct codec_reader *reader,
                             struct errbuf *err)
{
    uint64_t count = codec_read_uvarint(reader);
    if (reader->failed || count > codec_left(reader) / 2)
        return corrupt(err, "a sample record counts more samples than it has bytes");
    vec_reset(&decoder->samples);
    vec_reserve(&decoder->samples, count);
    struct wal_sample *samples = decoder->samples.items;
    uint64_t last = 0;
    for (uint64_t i = 0; i < count; i++) {
        last += column_next(reader);
        if (last >= decoder->labels.len)
            return corrupt(err, "a sample belongs to no series");
        samples[i].series = (uint32_t)last;
    }
    last = 0;
    for (uint64_t i = 0; i < count; i++) {
        last += column_next(reader);
        samples[i].t_ms = (int64_t)last;
    }
    decoder->samples.len = count;
    return reader->failed ? corrupt(err, "a sample record is cut short") : ERR_NONE;
}

/* The value of a sample; `*run` samples, this one among them, repeat their own series' last. */
static inline bool read_value(struct token_reader *tokens, uint64_t *run,
                              struct wal_loose_state *state, struct wal_sample *sample)
{
    sample->token_len = 0;
    if (*run == 0) {
        if (tokens->at == tokens->end)
            return false;
        sample->token = tokens->at;
        token_reader_resume(tokens, state->bits, state->state);
        enum token_kind kind = token_read(tokens);
        if (kind == TOKEN_VALUE) {
            sample->token_len = (uint8_t)(tokens->at - sample->token);
            state->bits = tokens->bits;
            state->state = tokens->state;
        } else if (kind == TOKEN_RUN && tokens->count > 0) {
            *run = tokens->count;
        } else {
            return false;
        }
    }
    if (*run > 0) {
        if (!(state->state & TOKEN_STATE_KNOWN))
            return false;
        --*run;
    }
    sample->bits = state->bits;
    sample->state = state->state;
    return true;
}

static enum err read_loose(struct wal_decoder *decoder, struct codec_reader *reader,
                           struct errbuf *err)
{
    enum err result = read_columns(decoder, reader, err);
    if (result != ERR_NONE)
        return result;
    struct token_reader tokens = token_reader(reader->at, codec_left(reader));
    uint64_t run = 0;
    for (size_t i = 0; i < decoder->samples.len; i++) {
        struct wal_sample *sample = &decoder->samples.items[i];
        if (!read_value(&tokens, &run, &decoder->loose.items[sample->series], sample))
            return corrupt(err, "a sample's value is damaged");
    }
    if (run > 0)
        return corrupt(err, "a run is longer than its record");
    reader->at = tokens.at;
    decoder->visitor->samples(decoder->context, decoder->samples.items, decoder->samples.len,
                              false);
    return ERR_NONE;
}

/* The next difference of a column, and how many samples have it. */
static inline bool next_run(struct codec_reader *reader, bool runs, uint64_t left, uint64_t *out_run,
                            uint64_t *out_difference)
{
    *out_run = runs ? codec_read_uvarint(reader) : 1;
    *out_difference = column_next(reader);
    return !reader->failed && *out_run > 0 && *out_run <= left;
}

static bool read_packed_columns(struct wal_decoder *decoder, struct codec_reader *reader,
                                uint64_t count)
{
    struct wal_sample *samples = decoder->samples.items;
    uint64_t last = 0;
    uint64_t run;
    uint64_t difference;
    uint8_t form = codec_read_u8(reader);
    if (form > WAL_COLUMN_RUNS)
        return false;
    for (uint64_t i = 0; i < count;) {
        if (!next_run(reader, form == WAL_COLUMN_RUNS, count - i, &run, &difference))
            return false;
        for (uint64_t end = i + run; i < end; i++) {
            last += difference;
            if (last >= decoder->labels.len)
                return false;
            samples[i].series = (uint32_t)last;
        }
    }
    last = 0;
    form = codec_read_u8(reader);
    if (form > WAL_COLUMN_RUNS)
        return false;
    for (uint64_t i = 0; i < count;) {
        if (!next_run(reader, form == WAL_COLUMN_RUNS, count - i, &run, &difference))
            return false;
        for (uint64_t end = i + run; i < end; i++)
            samples[i].t_ms = (int64_t)(last += difference);
    }
    return true;
}

/* Samples that changed get a length for now. */
static bool read_flips(struct wal_decoder *decoder, struct codec_reader *reader)
{
    uint64_t left = codec_read_uvarint(reader);
    if (reader->failed || left > decoder->samples.len)
        return false;
    uint64_t same = left > 0 ? codec_read_uvarint(reader) : UINT64_MAX;
    for (size_t i = 0; i < decoder->samples.len; i++) {
        bool *changed = &decoder->loose.items[decoder->samples.items[i].series].changed;
        if (same-- == 0) {
            *changed = !*changed;
            same = --left > 0 ? codec_read_uvarint(reader) : UINT64_MAX;
        }
        decoder->samples.items[i].token_len = *changed;
    }
    return !reader->failed && left == 0;
}

static bool read_packed_values(struct wal_decoder *decoder, struct codec_reader *reader)
{
    struct token_unpacker unpacker = {.data = reader->at, .size = codec_left(reader)};
    struct token_unpacked unpacked;
    struct token_reader tokens = {0};
    uint8_t *to = decoder->tokens.items;
    for (size_t i = 0; i < decoder->samples.len; i++) {
        struct wal_sample *sample = &decoder->samples.items[i];
        struct wal_loose_state *state = &decoder->loose.items[sample->series];
        if (sample->token_len > 0) {
            token_reader_resume(&tokens, state->bits, state->state);
            unpacked.len = 0;
            if (!read_packed(&unpacker, &state->context, &tokens, &unpacked) ||
                unpacked.len > TOKEN_SIZE_MAX)
                return false;
            state->bits = tokens.bits;
            state->state = tokens.state;
            size_t len = unpacked.len;
            if (LIKELY(len == 0))
                len = token_encode_difference(to, unpacked.zigzag);
            else
                memcpy(to, unpacked.token, len);
            sample->token = to;
            sample->token_len = (uint8_t)len;
            to += len;
        } else if (!(state->state & TOKEN_STATE_KNOWN)) {
            return false;
        }
        sample->bits = state->bits;
        sample->state = state->state;
    }
    reader->at += token_unpacker_size(&unpacker);
    return true;
}

static enum err read_packed_loose(struct wal_decoder *decoder, struct codec_reader *reader,
                                  struct errbuf *err)
{
    uint64_t count = codec_read_uvarint(reader);
    if (reader->failed || count > WAL_PACKED_LOOSE_MAX)
        return corrupt(err, "a sample record counts too many samples");
    vec_reset(&decoder->samples);
    vec_reserve(&decoder->samples, count);
    vec_reserve(&decoder->tokens, count * TOKEN_SIZE_MAX);
    if (!read_packed_columns(decoder, reader, count))
        return corrupt(err, "a sample record has a damaged column");
    decoder->samples.len = count;
    if (!read_flips(decoder, reader) || !read_packed_values(decoder, reader))
        return corrupt(err, "the values of a sample record are damaged");
    decoder->visitor->samples(decoder->context, decoder->samples.items, count, false);
    return ERR_NONE;
}

static enum err read_out_of_order(struct wal_decoder *decoder, struct codec_reader *reader,
                                  struct errbuf *err)
{
    enum err result = read_columns(decoder, reader, err);
    if (result != ERR_NONE)
        return result;
    if (codec_left(reader) / 8 < decoder->samples.len)
        return corrupt(err, "an out-of-order record is cut short");
    for (size_t i = 0; i < decoder->samples.len; i++) {
        struct wal_sample *sample = &decoder->samples.items[i];
        sample->bits = codec_read_u64(reader);
        sample->token_len = 0;
    }
    decoder->visitor->samples(decoder->context, decoder->samples.items, decoder->samples.len, true);
    return ERR_NONE;
}

static enum err read_histograms(struct wal_decoder *decoder, struct codec_reader *reader,
                                struct errbuf *err)
{
    uint64_t count = codec_read_uvarint(reader);
    uint64_t t_ms = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = codec_read_uvarint(reader);
        t_ms += (uint64_t)codec_read_varint(reader);
        uint8_t flags = codec_read_u8(reader);
        struct slice encoded = codec_read_slice(reader);
        if (reader->failed || id >= decoder->labels.len)
            return corrupt(err, "a histogram record is damaged");
        bool late = flags & WAL_HISTOGRAM_OUT_OF_ORDER;
        if (!late) /* the next float begins anew; a late one is not before it */
            decoder->loose.items[id].state = 0;
        decoder->visitor->histogram(decoder->context, (uint32_t)id, (int64_t)t_ms, encoded, late);
    }
    return ERR_NONE;
}

static enum err read_exemplars(struct wal_decoder *decoder, struct codec_reader *reader,
                               struct errbuf *err)
{
    uint64_t count = codec_read_uvarint(reader);
    uint64_t t_ms = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = codec_read_uvarint(reader);
        t_ms += (uint64_t)codec_read_varint(reader);
        double value = codec_read_double(reader);
        uint8_t flags = codec_read_u8(reader);
        struct slice labels = codec_read_slice(reader);
        if (reader->failed || id >= decoder->labels.len || !exemplar_labels_valid(labels))
            return corrupt(err, "an exemplar record is damaged");
        struct exemplar_entry entry = {(int64_t)t_ms, value, labels, flags & WAL_EXEMPLAR_TIMED};
        if (decoder->visitor->exemplar != NULL)
            decoder->visitor->exemplar(decoder->context, (uint32_t)id, &entry);
    }
    return ERR_NONE;
}

static enum err read_starts(struct wal_decoder *decoder, struct codec_reader *reader,
                            struct errbuf *err)
{
    uint64_t count = codec_read_uvarint(reader);
    uint64_t t_ms = 0;
    uint64_t start_ms = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = codec_read_uvarint(reader);
        t_ms += (uint64_t)codec_read_varint(reader);
        start_ms += (uint64_t)codec_read_varint(reader);
        uint8_t flags = codec_read_u8(reader);
        if (reader->failed || id >= decoder->labels.len)
            return corrupt(err, "a record of start timestamps is damaged");
        if (decoder->visitor->start != NULL)
            decoder->visitor->start(decoder->context, (uint32_t)id, (int64_t)t_ms,
                                    (int64_t)start_ms, flags & WAL_START_LATE);
    }
    return ERR_NONE;
}

static enum err read_late_stored(struct wal_decoder *decoder, struct codec_reader *reader,
                                 struct errbuf *err)
{
    uint64_t segment = codec_read_uvarint(reader);
    if (reader->failed)
        return corrupt(err, "a record of stored samples is damaged");
    if (decoder->visitor->late_stored != NULL)
        decoder->visitor->late_stored(decoder->context, segment);
    return ERR_NONE;
}

static enum err read_deletions(struct wal_decoder *decoder, struct codec_reader *reader,
                               struct errbuf *err)
{
    uint64_t count = codec_read_uvarint(reader);
    uint64_t min_ms = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = codec_read_uvarint(reader);
        min_ms += (uint64_t)codec_read_varint(reader);
        int64_t max_ms = (int64_t)(min_ms + codec_read_uvarint(reader));
        if (reader->failed || id >= decoder->labels.len || max_ms < (int64_t)min_ms)
            return corrupt(err, "a record of deletions is damaged");
        if (decoder->visitor->deletion != NULL)
            decoder->visitor->deletion(decoder->context, (uint32_t)id, (int64_t)min_ms, max_ms);
    }
    return ERR_NONE;
}

enum err wal_decoder_read(struct wal_decoder *decoder, struct slice payload, struct errbuf *err)
{
    struct codec_reader reader = codec_reader(payload.ptr, payload.len);
    enum err result = ERR_NONE;
    while (codec_left(&reader) > 0 && result == ERR_NONE) {
        switch (codec_read_u8(&reader)) {
        case WAL_RECORD_SERIES:
            result = read_series(decoder, &reader, err);
            break;
        case WAL_RECORD_LAYOUT:
            result = read_layout(decoder, &reader, err);
            break;
        case WAL_RECORD_ROW:
        case WAL_RECORD_ROW_ALONE:
            result = read_row(decoder, &reader, false, err);
            break;
        case WAL_RECORD_PACKED_ROW:
        case WAL_RECORD_PACKED_ROW_ALONE:
            result = read_row(decoder, &reader, true, err);
            break;
        case WAL_RECORD_PACKED_LOOSE:
            result = read_packed_loose(decoder, &reader, err);
            break;
        case WAL_RECORD_LOOSE:
            result = read_loose(decoder, &reader, err);
            break;
        case WAL_RECORD_OUT_OF_ORDER:
            result = read_out_of_order(decoder, &reader, err);
            break;
        case WAL_RECORD_HISTOGRAMS:
            result = read_histograms(decoder, &reader, err);
            break;
        case WAL_RECORD_EXEMPLARS:
            result = read_exemplars(decoder, &reader, err);
            break;
        case WAL_RECORD_STARTS:
            result = read_starts(decoder, &reader, err);
            break;
        case WAL_RECORD_DELETIONS:
            result = read_deletions(decoder, &reader, err);
            break;
        case WAL_RECORD_LATE_STORED:
            result = read_late_stored(decoder, &reader, err);
            break;
        default:
            return corrupt(err, "a record is of an unknown kind");
        }
    }
    return result;
}
