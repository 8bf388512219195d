/* What is read as a number is written in every form and read again with the same bits. */
#include "base/codec.h"
#include "base/float_text.h"

#include <math.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(size_t (*form)(double value, char *out), double value)
{
    char text[FLOAT_TEXT_SIZE];
    struct slice written = slice_from(text, form(value, text));
    double back = 0;
    if (!float_text_parse(written, &back, NULL) && !isinf(value))
        __builtin_trap();
    if (codec_double_bits(back) != codec_double_bits(value))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_from((const char *)data, size);
    double value = 0;
    double plain = 0;
    bool valid = float_text_parse(text, &value, NULL);
    bool valid_plain = float_text_parse_decimal(text, &plain);
    if (valid_plain && (!valid || codec_double_bits(value) != codec_double_bits(plain)))
        __builtin_trap();
    if (!valid)
        return 0;
    check_form(float_text_f, value);
    check_form(float_text_g, value);
    check_form(float_text_e, value);
    check_form(float_text_json, value);
    return 0;
}
