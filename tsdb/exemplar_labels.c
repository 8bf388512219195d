/* There are few labels, so an insertion sort does. */
#include "tsdb/exemplar_labels.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/utf8.h"

#include <string.h>

static bool fits(const struct exemplar_label *labels, size_t count)
{
    size_t runes = 0;
    for (size_t i = 0; i < count && runes <= EXEMPLAR_LABEL_RUNES_MAX; i++) {
        if (labels[i].value.len > 0)
            runes += utf8_count(labels[i].name) + utf8_count(labels[i].value);
    }
    return runes <= EXEMPLAR_LABEL_RUNES_MAX;
}

/* Those with a value, sorted by name; those with the same name stay in order. */
static size_t sort(const struct exemplar_label *labels, size_t count,
                   const struct exemplar_label **out)
{
    size_t sorted = 0;
    for (size_t i = 0; i < count; i++) {
        if (labels[i].value.len == 0)
            continue;
        size_t at = sorted++;
        for (; at > 0 && slice_cmp(out[at - 1]->name, labels[i].name) > 0; at--)
            out[at] = out[at - 1];
        out[at] = &labels[i];
    }
    return sorted;
}

bool exemplar_labels_encode(const struct exemplar_label *labels, size_t count, struct buf *out)
{
    if (!fits(labels, count))
        return false;
    /* a value has a code point at least, so this is as many as fit */
    const struct exemplar_label *sorted[EXEMPLAR_LABEL_RUNES_MAX];
    size_t sorted_count = sort(labels, count, sorted);
    codec_write_uvarint(out, sorted_count);
    for (size_t i = 0; i < sorted_count; i++) {
        codec_write_slice(out, sorted[i]->name);
        codec_write_slice(out, sorted[i]->value);
    }
    return true;
}

bool exemplar_labels_valid(struct slice encoded)
{
    if (encoded.len > EXEMPLAR_LABEL_BYTES_MAX)
        return false;
    struct codec_reader reader = codec_reader(encoded.ptr, encoded.len);
    uint64_t count = codec_read_uvarint(&reader);
    for (uint64_t i = 0; i < count && !reader.failed; i++) {
        codec_read_slice(&reader);
        codec_read_slice(&reader);
    }
    return !reader.failed && codec_left(&reader) == 0;
}

const struct exemplar_label *exemplar_labels_decode(struct slice encoded, struct arena *arena,
                                                    size_t *out_count)
{
    struct codec_reader reader = codec_reader(encoded.ptr, encoded.len);
    size_t count = (size_t)codec_read_uvarint(&reader);
    ASSERT(count <= encoded.len / 2);
    struct exemplar_label *labels = arena_try_alloc(arena, count * sizeof(*labels) + encoded.len);
    if (labels == NULL)
        return NULL;
    char *text = (char *)(labels + count);
    for (size_t i = 0; i < count; i++) {
        struct slice *parts[] = {&labels[i].name, &labels[i].value};
        for (size_t k = 0; k < ARRAY_SIZE(parts); k++) {
            struct slice part = codec_read_slice(&reader);
            if (part.len > 0)
                memcpy(text, part.ptr, part.len);
            *parts[k] = slice_from(text, part.len);
            text += part.len;
        }
    }
    *out_count = count;
    return labels;
}
