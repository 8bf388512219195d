#include "api/point_text.h"

#include "base/compiler.h"

#include <string.h>

#define BLOCK_SECONDS 10000

/* Blocks below 10^12 have at most 12 digits; the last ones of 64 bits are not cached. */
#define BLOCKS_CACHED UINT64_C(1000000000000)

static const char two_digits[] = "0001020304050607080910111213141516171819"
                                 "2021222324252627282930313233343536373839"
                                 "4041424344454647484950515253545556575859"
                                 "6061626364656667686970717273747576777879"
                                 "8081828384858687888990919293949596979899";

void point_writer_init(struct point_writer *writer)
{
    *writer = (struct point_writer){.block = UINT64_MAX};
}

static char *put_number(char *out, uint64_t number)
{
    char digits[20];
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    size_t len = (size_t)(digits + sizeof(digits) - at);
    memcpy(out, at, len);
    return out + len;
}

static char *put_fraction(char *out, unsigned milliseconds)
{
    *out++ = '.';
    *out++ = (char)('0' + milliseconds / 100);
    memcpy(out, two_digits + 2 * (milliseconds % 100), 2);
    return out + 2;
}

/* The seconds before the point. */
static char *put_seconds(struct point_writer *writer, char *out, uint64_t seconds)
{
    uint64_t block = seconds / BLOCK_SECONDS;
    if (UNLIKELY(block != writer->block)) {
        if (block == 0 || block >= BLOCKS_CACHED)
            return put_number(out, seconds);
        writer->block = block;
        writer->text_len = (size_t)(put_number(writer->text, block) - writer->text);
    }
    unsigned rest = (unsigned)(seconds % BLOCK_SECONDS);
    memcpy(out, writer->text, sizeof(writer->text));
    out += writer->text_len;
    memcpy(out, two_digits + 2 * (rest / 100), 2);
    memcpy(out + 2, two_digits + 2 * (rest % 100), 2);
    return out + 4;
}

char *point_put_time(struct point_writer *writer, char *out, int64_t timestamp_ms)
{
    uint64_t magnitude = timestamp_ms < 0 ? -(uint64_t)timestamp_ms : (uint64_t)timestamp_ms;
    unsigned milliseconds = (unsigned)(magnitude % 1000);
    *out = '-';
    out = put_seconds(writer, out + (timestamp_ms < 0), magnitude / 1000);
    return milliseconds == 0 ? out : put_fraction(out, milliseconds);
}

char *point_put(struct point_writer *writer, char *out, int64_t timestamp_ms, double value)
{
    *out++ = '[';
    out = point_put_time(writer, out, timestamp_ms);
    *out++ = ',';
    *out++ = '"';
    out += float_text_json(value, out);
    *out++ = '"';
    *out++ = ']';
    return out;
}
