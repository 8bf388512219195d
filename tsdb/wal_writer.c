/* The inverse of wal_decoder.c. */
#include "tsdb/wal_writer.h"

#include "base/assert.h"
#include "base/codec.h"
#include "model/symbols.h"
#include "tsdb/series_starts.h"
#include "tsdb/tokens.h"

#include <string.h>

#define VARINT_SIZE_MAX 10

void wal_writer_init(struct wal_writer *writer)
{
    memset(writer, 0, sizeof(*writer));
    buf_init(&writer->definitions, BUF_SIZE_ANY);
    buf_init(&writer->body, BUF_SIZE_ANY);
    buf_init(&writer->payload, BUF_SIZE_ANY);
}

void wal_writer_release(struct wal_writer *writer)
{
    buf_release(&writer->definitions);
    buf_release(&writer->body);
    buf_release(&writer->payload);
    vec_release(&writer->changed);
    vec_release(&writer->loose);
    vec_release(&writer->differences);
    vec_release(&writer->flips);
    vec_release(&writer->carried);
}

void wal_writer_segment(struct wal_writer *writer, uint64_t wal_segment)
{
    if (writer->wal_segment == wal_segment)
        return;
    writer->wal_segment = wal_segment;
    writer->segment++;
    writer->series_count = 0;
    vec_reset(&writer->loose);
}

void wal_writer_begin(struct wal_writer *writer)
{
    buf_reset(&writer->definitions);
    buf_reset(&writer->body);
    writer->row_end = 0;
    writer->definition_count = 0;
    writer->definition_last = NULL;
    vec_reset(&writer->carried);
}

static inline char *put_varint(char *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (char)(value | 0x80);
    *to++ = (char)value;
    return to;
}

/* Pairs that are at the same place in the series before are said by a bit. */
static void put_definition(struct wal_writer *writer, const struct labels *labels)
{
    const struct labels *last = writer->definition_last;
    uint64_t mask = 0;
    for (uint32_t i = 0; last != NULL && i < labels->count && i < last->count && i < 64; i++) {
        if (labels->pairs[i].name == last->pairs[i].name &&
            labels->pairs[i].value == last->pairs[i].value)
            mask |= UINT64_C(1) << i;
    }
    codec_write_uvarint(&writer->definitions, labels->count);
    codec_write_uvarint(&writer->definitions, mask);
    for (uint32_t i = 0; i < labels->count; i++) {
        if (i < 64 && (mask >> i & 1))
            continue;
        codec_write_slice(&writer->definitions, symbols_text(labels->pairs[i].name));
        codec_write_slice(&writer->definitions, symbols_text(labels->pairs[i].value));
    }
    writer->definition_last = labels;
    writer->definition_count++;
}

/* A segment stands for itself, so it says since when the samples of a series count. */
static void carry_start(struct wal_writer *writer, struct series *series)
{
    const struct series_starts *times = series->extra == NULL ? NULL : series->extra->series_starts;
    if (times == NULL || times->changes.len == 0)
        return;
    const struct start_change *change = &times->changes.items[times->changes.len - 1];
    vec_push(&writer->carried,
             (struct staged_start){series, change->at_ms, change->start_ms, false});
}

/* The number of a series in this segment; defines it at first use. */
static uint32_t series_id(struct wal_writer *writer, struct series *series)
{
    if (series->wal_segment != writer->segment) {
        put_definition(writer, series->labels);
        series->wal_segment = writer->segment;
        series->wal_id = writer->series_count++;
        vec_push(&writer->loose, (struct wal_loose_context){.changed = false});
        series->state = 0; /* the segment knows no loose value of it */
        carry_start(writer, series);
    }
    return series->wal_id;
}

static void put_layout(struct wal_writer *writer, struct sample_group *group)
{
    uint32_t start = group->wal_count;
    struct buf *body = &writer->body;
    codec_write_u8(body, WAL_RECORD_LAYOUT);
    codec_write_uvarint(body, group->id);
    codec_write_uvarint(body, start);
    codec_write_uvarint(body, group->count - start);
    int64_t last = 0;
    for (uint32_t i = start; i < group->count; i++) {
        series_ref ref = group->refs[i];
        struct series *series = ref & GROUP_VACANT ? NULL : head_series(group->head, ref);
        /* a vacant position never comes, so any number does */
        int64_t id = series == NULL ? last : (int64_t)series_id(writer, series);
        codec_write_varint(body, id - last);
        last = id;
    }
    memset(group->wal_contexts + start, 0,
           (group->count - start) * sizeof(*group->wal_contexts));
    group->wal_count = group->count;
}

static bool row_value_is_present(const struct row *row, uint32_t position)
{
    return row->present.items[position / 64] >> (position % 64) & 1;
}

/* All positions of the row, by values that need nothing before them. Those that are absent lose
 * their state: when they return, they too begin anew. */
static void put_row_absolute(struct buf *body, struct row *row)
{
    struct sample_group *group = row->group;
    uint32_t last = 0;
    codec_write_uvarint(body, row_sample_count(row));
    for (uint32_t i = 0; i < group->count; i++) {
        if (row_value_is_present(row, i)) {
            codec_write_uvarint(body, i - last);
            last = i + 1;
        }
    }
    codec_write_u8(body, WAL_BITMAP_PLAIN);
    buf_append(body, row->present.items, (group->count + 7u) / 8);
    memcpy(group->wal_changed, row->present.items,
           group_words(group->count) * sizeof(*group->wal_changed));
    size_t change = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        uint8_t state = group->states[i];
        if (change < row->changes.len && row->changes.items[change].position == i)
            state = row->changes.items[change++].state;
        if (!row_value_is_present(row, i)) {
            group->states[i] = 0;
            continue;
        }
        uint8_t token[TOKEN_SIZE_MAX];
        buf_append(body, token, token_encode_absolute(token, row->bits.items[i], state));
    }
}

/* Mostly the same series move in every row, so the bitmap is told by its difference where that is
 * shorter. */
static void put_changed(struct buf *body, struct sample_group *group, const uint64_t *changed)
{
    size_t words = group_words(group->count);
    size_t different = 0;
    for (size_t i = 0; i < words; i++)
        different += (size_t)__builtin_popcountll(changed[i] ^ group->wal_changed[i]);
    size_t bitmap_size = (group->count + 7u) / 8;
    if (different == 0) {
        codec_write_u8(body, WAL_BITMAP_SAME);
    } else if (different + 1 < bitmap_size) {
        codec_write_u8(body, WAL_BITMAP_SPARSE);
        codec_write_uvarint(body, different);
        size_t last = 0;
        for (size_t i = 0; i < words; i++) {
            for (uint64_t word = changed[i] ^ group->wal_changed[i]; word != 0; word &= word - 1) {
                size_t position = i * 64 + (size_t)__builtin_ctzll(word);
                codec_write_uvarint(body, position - last);
                last = position + 1;
            }
        }
    } else {
        codec_write_u8(body, WAL_BITMAP_PLAIN);
        buf_append(body, changed, bitmap_size);
    }
    memcpy(group->wal_changed, changed, words * sizeof(*changed));
}

static void put_row_tokens(struct buf *body, const struct row *row)
{
    struct token_context *contexts = row->group->wal_contexts;
    const uint8_t *token = row->tokens.items;
    uint8_t *start = (uint8_t *)buf_reserve(
        body, row->changes.len * TOKEN_PACKED_SIZE_MAX + TOKEN_PACKED_SLACK);
    ASSERT(start != NULL);
    struct token_packer packer = token_packer(start);
    for (size_t i = 0; i < row->changes.len; i++) {
        const struct row_change *change = &row->changes.items[i];
        token_pack(&packer, &contexts[change->position], token, change->token_len);
        token += change->token_len;
    }
    buf_commit(body, (size_t)(token_packer_end(&packer) - start));
}

static void put_row_changes(struct wal_writer *writer, const struct row *row)
{
    struct buf *body = &writer->body;
    uint32_t last = 0;
    codec_write_uvarint(body, row->toggles.len);
    for (size_t i = 0; i < row->toggles.len; i++) {
        codec_write_uvarint(body, row->toggles.items[i] - last);
        last = row->toggles.items[i] + 1;
    }
    size_t words = group_words(row->group->count);
    vec_reset(&writer->changed);
    vec_reserve(&writer->changed, words);
    memset(writer->changed.items, 0, words * sizeof(uint64_t));
    for (size_t i = 0; i < row->changes.len; i++) {
        uint32_t position = row->changes.items[i].position;
        writer->changed.items[position / 64] |= UINT64_C(1) << (position % 64);
    }
    put_changed(body, row->group, writer->changed.items);
    put_row_tokens(body, row);
}

void wal_writer_row(struct wal_writer *writer, struct row *row)
{
    struct sample_group *group = row->group;
    if (group->wal_segment != writer->segment) {
        group->wal_segment = writer->segment;
        group->wal_count = 0;
    }
    bool absolute = group->wal_count == 0;
    if (absolute)
        group->wal_last_ms = 0;
    if (group->wal_count != group->count)
        put_layout(writer, group);
    struct buf *body = &writer->body;
    bool first = body->len == 0;
    codec_write_u8(body, absolute ? WAL_RECORD_ROW : WAL_RECORD_PACKED_ROW);
    codec_write_uvarint(body, group->id);
    codec_write_varint(body, (int64_t)((uint64_t)row->t_ms - (uint64_t)group->wal_last_ms));
    group->wal_last_ms = row->t_ms;
    if (absolute)
        put_row_absolute(body, row);
    else
        put_row_changes(writer, row);
    writer->row_end = first ? body->len : 0;
}

/* Samples of a transaction that come in one record of a kind. */
struct sample_round {
    const struct staged_sample *samples;
    size_t count;
    const uint8_t *tokens;
    /* how many of each kind */
    size_t loose;
    size_t out_of_order;
    size_t histograms;
    size_t token_bytes;
};

/* The columns `series` and `times` of the samples with a verdict; returns the end. */
static char *put_columns(struct wal_writer *writer, const struct sample_round *round,
                         enum staged_verdict verdict, char *to)
{
    int64_t last_id = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (sample->verdict != verdict || sample->kind != STAGED_FLOAT)
            continue;
        int64_t id = series_id(writer, sample->series);
        to = put_varint(to, codec_zigzag(id - last_id));
        last_id = id;
    }
    int64_t last_ms = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (sample->verdict != verdict || sample->kind != STAGED_FLOAT)
            continue;
        int64_t step = (int64_t)((uint64_t)sample->t_ms - (uint64_t)last_ms);
        to = put_varint(to, codec_zigzag(step));
        last_ms = sample->t_ms;
    }
    return to;
}

/* Tokens; those that say "as before" are gathered into runs. */
static char *put_loose_tokens(const struct sample_round *round, char *to)
{
    const uint8_t *token = round->tokens;
    uint64_t run = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (sample->verdict != VERDICT_IN_ORDER || sample->kind != STAGED_FLOAT)
            continue;
        if (sample->token_len == 0) {
            run++;
            continue;
        }
        if (run > 0)
            to += token_encode_run((uint8_t *)to, run);
        run = 0;
        memcpy(to, token, sample->token_len);
        to += sample->token_len;
        token += sample->token_len;
    }
    if (run > 0)
        to += token_encode_run((uint8_t *)to, run);
    return to;
}

/* Differences as they are, or as runs where that is shorter. */
static void put_differences(struct wal_writer *writer)
{
    const int64_t *items = writer->differences.items;
    size_t count = writer->differences.len;
    size_t runs = 1;
    for (size_t i = 1; i < count; i++)
        runs += items[i] != items[i - 1];
    bool plain = runs > count / 2;
    codec_write_u8(&writer->body, plain ? WAL_COLUMN_PLAIN : WAL_COLUMN_RUNS);
    char *start = buf_reserve(&writer->body, (plain ? count : 2 * runs) * VARINT_SIZE_MAX);
    ASSERT(start != NULL);
    char *to = start;
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (!plain && end < count && items[end] == items[i])
            end++;
        if (!plain)
            to = put_varint(to, end - i);
        to = put_varint(to, codec_zigzag(items[i]));
        i = end;
    }
    buf_commit(&writer->body, (size_t)(to - start));
}

static inline bool is_loose(const struct staged_sample *sample)
{
    return sample->verdict == VERDICT_IN_ORDER && sample->kind == STAGED_FLOAT;
}

/* The columns `series` and `times` of the loose samples. */
static void put_loose_columns(struct wal_writer *writer, const struct sample_round *round)
{
    int64_t last = 0;
    vec_reset(&writer->differences);
    vec_reserve(&writer->differences, round->count);
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (!is_loose(sample))
            continue;
        int64_t id = series_id(writer, sample->series);
        vec_push(&writer->differences, id - last);
        last = id;
    }
    put_differences(writer);
    uint64_t last_ms = 0;
    vec_reset(&writer->differences);
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (!is_loose(sample))
            continue;
        vec_push(&writer->differences, (int64_t)((uint64_t)sample->t_ms - last_ms));
        last_ms = (uint64_t)sample->t_ms;
    }
    put_differences(writer);
}

/* Which samples change their series' value is told by where that is not as it was with the sample
 * before it. */
static void put_loose_flips(struct wal_writer *writer, const struct sample_round *round)
{
    uint32_t same = 0;
    vec_reset(&writer->flips);
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (!is_loose(sample))
            continue;
        bool changed = sample->token_len > 0;
        bool *known = &writer->loose.items[sample->series->wal_id].changed;
        if (*known == changed) {
            same++;
            continue;
        }
        *known = changed;
        vec_push(&writer->flips, same);
        same = 0;
    }
    codec_write_uvarint(&writer->body, writer->flips.len);
    for (size_t i = 0; i < writer->flips.len; i++)
        codec_write_uvarint(&writer->body, writer->flips.items[i]);
}

static void put_packed_loose(struct wal_writer *writer, const struct sample_round *round)
{
    struct buf *body = &writer->body;
    codec_write_u8(body, WAL_RECORD_PACKED_LOOSE);
    codec_write_uvarint(body, round->loose);
    put_loose_columns(writer, round);
    put_loose_flips(writer, round);
    uint8_t *start =
        (uint8_t *)buf_reserve(body, round->loose * TOKEN_PACKED_SIZE_MAX + TOKEN_PACKED_SLACK);
    ASSERT(start != NULL);
    struct token_packer packer = token_packer(start);
    const uint8_t *token = round->tokens;
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (!is_loose(sample) || sample->token_len == 0)
            continue;
        token_pack(&packer, &writer->loose.items[sample->series->wal_id].tokens, token,
                   sample->token_len);
        token += sample->token_len;
    }
    buf_commit(body, (size_t)(token_packer_end(&packer) - start));
}

/* Values that follow nothing are long, and shrink better when they are whole bytes. */
static bool is_worth_packing(const struct wal_writer *writer, const struct sample_round *round)
{
    size_t fresh = 0;
    for (size_t i = 0; i < round->count; i++)
        fresh += round->samples[i].series->wal_segment != writer->segment;
    return round->loose <= WAL_PACKED_LOOSE_MAX && fresh <= round->loose / 4;
}

static void put_loose(struct wal_writer *writer, const struct sample_round *round)
{
    struct buf *body = &writer->body;
    codec_write_u8(body, WAL_RECORD_LOOSE);
    codec_write_uvarint(body, round->loose);
    char *start = buf_reserve(body, round->loose * (2 * VARINT_SIZE_MAX + TOKEN_RUN_SIZE_MAX) +
                                        round->token_bytes);
    ASSERT(start != NULL);
    char *to = put_columns(writer, round, VERDICT_IN_ORDER, start);
    to = put_loose_tokens(round, to);
    buf_commit(body, (size_t)(to - start));
}

static void put_out_of_order(struct wal_writer *writer, const struct sample_round *round)
{
    struct buf *body = &writer->body;
    codec_write_u8(body, WAL_RECORD_OUT_OF_ORDER);
    codec_write_uvarint(body, round->out_of_order);
    char *start = buf_reserve(body, round->out_of_order * 2 * VARINT_SIZE_MAX);
    ASSERT(start != NULL);
    char *to = put_columns(writer, round, VERDICT_OUT_OF_ORDER, start);
    buf_commit(body, (size_t)(to - start));
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (sample->verdict == VERDICT_OUT_OF_ORDER && sample->kind == STAGED_FLOAT)
            codec_write_u64(body, sample->bits);
    }
}

static void put_histograms(struct wal_writer *writer, const struct transaction *transaction,
                           const struct sample_round *round)
{
    struct buf *body = &writer->body;
    codec_write_u8(body, WAL_RECORD_HISTOGRAMS);
    codec_write_uvarint(body, round->histograms);
    int64_t last_ms = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct staged_sample *sample = &round->samples[i];
        if (sample->verdict == VERDICT_DROP || sample->kind != STAGED_HISTOGRAM)
            continue;
        codec_write_uvarint(body, series_id(writer, sample->series));
        codec_write_varint(body, (int64_t)((uint64_t)sample->t_ms - (uint64_t)last_ms));
        last_ms = sample->t_ms;
        codec_write_u8(body,
                       sample->verdict == VERDICT_OUT_OF_ORDER ? WAL_HISTOGRAM_OUT_OF_ORDER : 0);
        codec_write_slice(body, slice_from(transaction->histogram_bytes.data + sample->bits,
                                           sample->histogram_len));
    }
}

/* Takes samples of [round->samples, end) until a series goes on with a float behind a histogram: in
 * a round its histograms come last. The samples of a series are neighbours. */
static void round_fill(struct sample_round *round, const struct staged_sample *end)
{
    const struct series *histogram_of = NULL;
    const struct staged_sample *sample = round->samples;
    for (; sample < end; sample++) {
        if (sample->verdict == VERDICT_DROP)
            continue;
        bool in_order = sample->verdict == VERDICT_IN_ORDER;
        if (sample->kind == STAGED_HISTOGRAM) {
            round->histograms++;
            histogram_of = in_order ? sample->series : histogram_of;
        } else if (!in_order) {
            round->out_of_order++;
        } else if (sample->series == histogram_of) {
            break;
        } else {
            round->loose++;
            round->token_bytes += sample->token_len;
        }
    }
    round->count = (size_t)(sample - round->samples);
}

void wal_writer_samples(struct wal_writer *writer, const struct transaction *transaction)
{
    const struct staged_sample *sample = transaction->samples.items;
    const struct staged_sample *end = sample + transaction->samples.len;
    const uint8_t *tokens = transaction->tokens.items;
    while (sample < end) {
        struct sample_round round = {.samples = sample, .tokens = tokens};
        round_fill(&round, end);
        if (round.loose > 0 && is_worth_packing(writer, &round))
            put_packed_loose(writer, &round);
        else if (round.loose > 0)
            put_loose(writer, &round);
        if (round.out_of_order > 0)
            put_out_of_order(writer, &round);
        if (round.histograms > 0)
            put_histograms(writer, transaction, &round);
        sample += round.count;
        tokens += round.token_bytes;
    }
}

void wal_writer_exemplars(struct wal_writer *writer, const struct transaction *transaction)
{
    struct buf *body = &writer->body;
    codec_write_u8(body, WAL_RECORD_EXEMPLARS);
    codec_write_uvarint(body, transaction->exemplars.len);
    int64_t last_ms = 0;
    for (size_t i = 0; i < transaction->exemplars.len; i++) {
        const struct staged_exemplar *staged = &transaction->exemplars.items[i];
        codec_write_uvarint(body, series_id(writer, staged->series));
        codec_write_varint(body, (int64_t)((uint64_t)staged->t_ms - (uint64_t)last_ms));
        last_ms = staged->t_ms;
        codec_write_double(body, staged->value);
        codec_write_u8(body, staged->has_timestamp ? WAL_EXEMPLAR_TIMED : 0);
        codec_write_slice(body, slice_from(transaction->exemplar_bytes.data + staged->labels_at,
                                           staged->labels_len));
    }
}

void wal_writer_late_stored(struct wal_writer *writer, uint64_t wal_segment)
{
    codec_write_u8(&writer->body, WAL_RECORD_LATE_STORED);
    codec_write_uvarint(&writer->body, wal_segment);
}

void wal_writer_deletions(struct wal_writer *writer, const struct wal_deletion *deletions,
                          size_t count)
{
    struct buf *body = &writer->body;
    uint64_t last_ms = 0;
    codec_write_u8(body, WAL_RECORD_DELETIONS);
    codec_write_uvarint(body, count);
    for (size_t i = 0; i < count; i++) {
        const struct wal_deletion *deletion = &deletions[i];
        ASSERT(deletion->min_ms <= deletion->max_ms);
        codec_write_uvarint(body, series_id(writer, deletion->series));
        codec_write_varint(body, (int64_t)((uint64_t)deletion->min_ms - last_ms));
        codec_write_uvarint(body, (uint64_t)deletion->max_ms - (uint64_t)deletion->min_ms);
        last_ms = (uint64_t)deletion->min_ms;
    }
}

static void put_start(struct wal_writer *writer, const struct staged_start *staged,
                      struct staged_start *last)
{
    struct buf *body = &writer->body;
    codec_write_uvarint(body, series_id(writer, staged->series));
    codec_write_varint(body, (int64_t)((uint64_t)staged->t_ms - (uint64_t)last->t_ms));
    codec_write_varint(body, (int64_t)((uint64_t)staged->start_ms - (uint64_t)last->start_ms));
    codec_write_u8(body, staged->late ? WAL_START_LATE : 0);
    *last = *staged;
}

static void put_starts(struct wal_writer *writer, const struct transaction *transaction)
{
    size_t staged_count = transaction == NULL ? 0 : transaction->starts.len;
    /* defines the series first, which may carry more over */
    for (size_t i = 0; i < staged_count; i++)
        series_id(writer, transaction->starts.items[i].series);
    size_t count = writer->carried.len + staged_count;
    if (count == 0)
        return;
    codec_write_u8(&writer->body, WAL_RECORD_STARTS);
    codec_write_uvarint(&writer->body, count);
    struct staged_start last = {0};
    for (size_t i = 0; i < writer->carried.len; i++)
        put_start(writer, &writer->carried.items[i], &last);
    for (size_t i = 0; i < staged_count; i++)
        put_start(writer, &transaction->starts.items[i], &last);
}

struct slice wal_writer_finish(struct wal_writer *writer, const struct transaction *transaction)
{
    put_starts(writer, transaction);
    if (writer->definition_count == 0) {
        char *kind = writer->body.data;
        if (writer->row_end > 0 && writer->row_end == writer->body.len)
            *kind = *kind == WAL_RECORD_ROW ? WAL_RECORD_ROW_ALONE : WAL_RECORD_PACKED_ROW_ALONE;
        return buf_slice(&writer->body);
    }
    buf_reset(&writer->payload);
    codec_write_u8(&writer->payload, WAL_RECORD_SERIES);
    codec_write_uvarint(&writer->payload, writer->definition_count);
    buf_append_slice(&writer->payload, buf_slice(&writer->definitions));
    buf_append_slice(&writer->payload, buf_slice(&writer->body));
    return buf_slice(&writer->payload);
}
