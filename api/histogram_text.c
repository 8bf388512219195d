/* A bound's bits choose the one place where its text may be kept. */
#include "api/histogram_text.h"

#include <string.h>

#include "base/codec.h"

static char *put_bound(struct histogram_writer *writer, char *out, double bound)
{
    uint64_t bits = codec_double_bits(bound);
    uint64_t hash = bits * UINT64_C(0x9e3779b97f4a7c15);
    struct histogram_bound_text *kept = &writer->bounds[hash >> 56];
    if (kept->len == 0 || kept->bits != bits) {
        kept->bits = bits;
        kept->len = (uint8_t)float_text_json(bound, kept->text);
    }
    /* all of it, as a copy of a fixed size costs less than one of the right size */
    memcpy(out, kept->text, sizeof(kept->text));
    return out + kept->len;
}

static char *put_separator(char *out)
{
    memcpy(out, "\",\"", 3);
    return out + 3;
}

char *histogram_put_bucket(struct histogram_writer *writer, char *out,
                           const struct histogram_bucket *bucket)
{
    int rule = bucket->lower_inclusive ? (bucket->upper_inclusive ? 3 : 1)
                                       : (bucket->upper_inclusive ? 0 : 2);
    *out++ = '[';
    *out++ = (char)('0' + rule);
    *out++ = ',';
    *out++ = '"';
    out = put_separator(put_bound(writer, out, bucket->lower));
    out = put_separator(put_bound(writer, out, bucket->upper));
    out += float_text_json(bucket->count, out);
    *out++ = '"';
    *out++ = ']';
    return out;
}
