/* Numbers for people: humanize and its kin, times and durations. */
#include "rules/template_functions_internal.h"

#include <math.h>

#include "base/compiler.h"
#include "base/float_text.h"
#include "model/duration.h"
#include "model/quote.h"
#include "model/timestamp.h"
#include "rules/template_format.h"
#include "rules/template_time.h"

#define NS_PER_S 1e9
#define MS_PER_S 1000
#define NS_PER_MS 1000000
/* Doubles from here on have no int64. */
#define INT64_END 9223372036854775808.0
#define TEXT_SIZE_MAX 1024

/* -- reading -- */

static bool parse_number(struct template_run *run, struct slice text, double *out)
{
    bool out_of_range = false;
    if (float_text_parse(text, out, &out_of_range))
        return true;
    CLEANUP(buf_release) struct buf quoted;
    buf_init(&quoted, TEXT_SIZE_MAX);
    quote_go(text, &quoted);
    return template_run_fail(run, "strconv.ParseFloat: parsing %s: %s", buf_cstr(&quoted),
                             out_of_range ? "value out of range" : "invalid syntax");
}

static bool to_number(struct template_run *run, const struct template_value *value, double *out)
{
    switch (value->type) {
    case TEMPLATE_TYPE_FLOAT:
        *out = value->number;
        return true;
    case TEMPLATE_TYPE_INT:
    case TEMPLATE_TYPE_INT64:
        *out = (double)value->integer;
        return true;
    case TEMPLATE_TYPE_DURATION:
        *out = (double)(value->integer / (int64_t)NS_PER_S) +
               (double)(value->integer % (int64_t)NS_PER_S) / NS_PER_S;
        return true;
    case TEMPLATE_TYPE_STRING:
        return parse_number(run, value->text, out);
    default:
        return template_run_fail(run, "can't convert %s to float", template_type_name(value->type));
    }
}

/* -- writing -- */

static void append_4g(double number, struct buf *out)
{
    struct template_value value = template_value_number(number);
    template_format_printf(SLICE("%.4g"), &value, 1, out);
}

static bool is_special(double number)
{
    return number == 0 || isnan(number) || isinf(number);
}

/* The prefix for a number below one, which is scaled up to at least one. */
static const char *scale_up(double *number)
{
    static const char *const prefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
    const char *prefix = "";
    for (size_t i = 0; i < ARRAY_SIZE(prefixes) && fabs(*number) < 1; i++) {
        prefix = prefixes[i];
        *number *= 1000;
    }
    return prefix;
}

static const char *scale_down(double *number, double base, const char *const prefixes[8])
{
    const char *prefix = "";
    for (size_t i = 0; i < 8 && fabs(*number) >= base; i++) {
        prefix = prefixes[i];
        *number /= base;
    }
    return prefix;
}

static bool finish(struct template_run *run, double number, const char *suffix,
                   struct template_value *out)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEXT_SIZE_MAX);
    append_4g(number, &text);
    buf_append_str(&text, suffix);
    return template_run_text(run, &text, out);
}

bool template_humanize(struct template_run *run, const struct template_value *values, size_t count,
                       struct template_value *out)
{
    static const char *const prefixes[8] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
    (void)count;
    double number;
    if (!to_number(run, &values[0], &number))
        return false;
    const char *prefix = "";
    if (!is_special(number))
        prefix = fabs(number) >= 1 ? scale_down(&number, 1000, prefixes) : scale_up(&number);
    return finish(run, number, prefix, out);
}

bool template_humanize_1024(struct template_run *run, const struct template_value *values,
                            size_t count, struct template_value *out)
{
    static const char *const prefixes[8] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    (void)count;
    double number;
    if (!to_number(run, &values[0], &number))
        return false;
    const char *prefix = "";
    if (!is_special(number) && fabs(number) > 1)
        prefix = scale_down(&number, 1024, prefixes);
    return finish(run, number, prefix, out);
}

bool template_humanize_percentage(struct template_run *run, const struct template_value *values,
                                  size_t count, struct template_value *out)
{
    (void)count;
    double number;
    return to_number(run, &values[0], &number) && finish(run, number * 100, "%", out);
}

/* Of at least a second. */
static void append_duration(double number, struct buf *out)
{
    if (number < 0)
        buf_append_byte(out, '-');
    number = fabs(number);
    int64_t whole = number >= INT64_END ? INT64_MIN : (int64_t)number;
    long long days = whole / 86400;
    long long hours = whole / 3600 % 24;
    long long minutes = whole / 60 % 60;
    long long seconds = whole % 60;
    if (days != 0) {
        buf_printf(out, "%lldd %lldh %lldm %llds", days, hours, minutes, seconds);
    } else if (hours != 0) {
        buf_printf(out, "%lldh %lldm %llds", hours, minutes, seconds);
    } else if (minutes != 0) {
        buf_printf(out, "%lldm %llds", minutes, seconds);
    } else {
        append_4g(number, out);
        buf_append_byte(out, 's');
    }
}

bool template_humanize_duration(struct template_run *run, const struct template_value *values,
                                size_t count, struct template_value *out)
{
    (void)count;
    double number;
    if (!to_number(run, &values[0], &number))
        return false;
    if (isnan(number) || isinf(number))
        return finish(run, number, "", out);
    if (number == 0)
        return finish(run, number, "s", out);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEXT_SIZE_MAX);
    if (fabs(number) >= 1) {
        append_duration(number, &text);
    } else {
        const char *prefix = scale_up(&number);
        append_4g(number, &text);
        buf_append_str(&text, prefix);
        buf_append_byte(&text, 's');
    }
    return template_run_text(run, &text, out);
}

/* -- times -- */

/* Milliseconds are kept, as in the reference. */
static bool number_to_time(struct template_run *run, double number, struct template_time *out)
{
    if (isnan(number) || isinf(number))
        return template_run_fail(run, "value is NaN or Inf");
    double nanoseconds = number * NS_PER_S;
    if (nanoseconds >= INT64_END || nanoseconds < -INT64_END) {
        char text[FLOAT_TEXT_SHORT_SIZE];
        size_t len = float_text_g(number, text);
        return template_run_fail(run,
                                 "%.*s cannot be represented as a nanoseconds timestamp since it "
                                 "overflows int64",
                                 (int)len, text);
    }
    int64_t time_ms = (int64_t)nanoseconds / NS_PER_MS;
    int64_t rest_ms = (time_ms % MS_PER_S + MS_PER_S) % MS_PER_S;
    out->seconds = (time_ms - rest_ms) / MS_PER_S;
    out->nanoseconds = (int32_t)(rest_ms * NS_PER_MS);
    return true;
}

bool template_humanize_timestamp(struct template_run *run, const struct template_value *values,
                                 size_t count, struct template_value *out)
{
    (void)count;
    double number;
    if (!to_number(run, &values[0], &number))
        return false;
    if (isnan(number) || isinf(number))
        return finish(run, number, "", out);
    struct template_time time;
    if (!number_to_time(run, number, &time))
        return false;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEXT_SIZE_MAX);
    template_time_print(time, &text);
    return template_run_text(run, &text, out);
}

bool template_to_time(struct template_run *run, const struct template_value *values, size_t count,
                      struct template_value *out)
{
    (void)count;
    double number;
    struct template_time time;
    if (!to_number(run, &values[0], &number) || !number_to_time(run, number, &time))
        return false;
    *out = (struct template_value){.type = TEMPLATE_TYPE_TIME_POINTER, .time = time};
    return true;
}

bool template_to_duration(struct template_run *run, const struct template_value *values,
                          size_t count, struct template_value *out)
{
    (void)count;
    double number;
    if (!to_number(run, &values[0], &number))
        return false;
    double nanoseconds = number * NS_PER_S;
    /* what has no int64 becomes its least one, as on the reference's main platform */
    bool fits = nanoseconds > -INT64_END && nanoseconds < INT64_END;
    *out = template_value_integer(TEMPLATE_TYPE_DURATION_POINTER,
                                  fits ? (int64_t)nanoseconds : INT64_MIN);
    return true;
}

bool template_now(struct template_run *run, const struct template_value *values, size_t count,
                  struct template_value *out)
{
    (void)values;
    (void)count;
    *out = template_value_number((double)run->data->now_ms / MS_PER_S);
    return true;
}

bool template_parse_duration(struct template_run *run, const struct template_value *values,
                             size_t count, struct template_value *out)
{
    (void)count;
    struct slice text = values[0].text;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    int64_t duration_ms;
    struct errbuf err = ERRBUF_INIT;
    if (duration_parse(negative ? slice_from_index(text, 1) : text, &duration_ms, &err) != ERR_NONE)
        return template_run_fail(run, "%s", err.text);
    double seconds = (double)duration_ms * NS_PER_MS / NS_PER_S;
    *out = template_value_number(negative ? -seconds : seconds);
    return true;
}
