/* Methods of times, durations, months and days of the week: those of Go's time package that make
 * sense for one moment in UTC. */
#include "rules/template_functions_internal.h"

#include "base/compiler.h"
#include "model/duration.h"
#include "rules/template_time.h"

#define NS_PER_S INT64_C(1000000000)
#define SHORT_TEXT_SIZE_MAX 256

static bool give_integer(enum template_type type, int64_t integer, struct template_value *out)
{
    *out = template_value_integer(type, integer);
    return true;
}

/* -- of times -- */

static TEMPLATE_FUNCTION(time_format)
{
    (void)count;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEMPLATE_OUTPUT_SIZE_MAX);
    template_time_format(values[0].time, values[1].text, &text);
    return template_run_text(run, &text, out);
}

static TEMPLATE_FUNCTION(time_string)
{
    (void)count;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, SHORT_TEXT_SIZE_MAX);
    template_time_print(values[0].time, &text);
    return template_run_text(run, &text, out);
}

static TEMPLATE_FUNCTION(time_utc)
{
    (void)run;
    (void)count;
    *out = template_value_indirect(values[0]);
    return true;
}

static TEMPLATE_FUNCTION(time_unix)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT64, values[0].time.seconds, out);
}

static TEMPLATE_FUNCTION(time_unix_milli)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT64,
                        values[0].time.seconds * 1000 + values[0].time.nanoseconds / 1000000, out);
}

static int64_t time_ns(struct template_time time)
{
    return (int64_t)((uint64_t)time.seconds * (uint64_t)NS_PER_S + (uint64_t)time.nanoseconds);
}

static TEMPLATE_FUNCTION(time_unix_nano)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT64, time_ns(values[0].time), out);
}

static struct template_calendar calendar_of(const struct template_value *value)
{
    struct template_calendar calendar;
    template_time_split(value->time, &calendar);
    return calendar;
}

static TEMPLATE_FUNCTION(time_year)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT, calendar_of(&values[0]).year, out);
}

static TEMPLATE_FUNCTION(time_month)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_MONTH, calendar_of(&values[0]).month, out);
}

static TEMPLATE_FUNCTION(time_day)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT, calendar_of(&values[0]).day, out);
}

static TEMPLATE_FUNCTION(time_hour)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT, calendar_of(&values[0]).hour, out);
}

static TEMPLATE_FUNCTION(time_minute)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT, calendar_of(&values[0]).minute, out);
}

static TEMPLATE_FUNCTION(time_second)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT, calendar_of(&values[0]).second, out);
}

static TEMPLATE_FUNCTION(time_nanosecond)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT, values[0].time.nanoseconds, out);
}

static TEMPLATE_FUNCTION(time_weekday)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_WEEKDAY, calendar_of(&values[0]).weekday, out);
}

static TEMPLATE_FUNCTION(time_year_day)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT, calendar_of(&values[0]).year_day, out);
}

static TEMPLATE_FUNCTION(time_add)
{
    (void)run;
    (void)count;
    struct template_time time = values[0].time;
    int64_t nanoseconds = time.nanoseconds + values[1].integer % NS_PER_S;
    time.seconds += values[1].integer / NS_PER_S;
    if (nanoseconds < 0) {
        nanoseconds += NS_PER_S;
        time.seconds--;
    } else if (nanoseconds >= NS_PER_S) {
        nanoseconds -= NS_PER_S;
        time.seconds++;
    }
    time.nanoseconds = (int32_t)nanoseconds;
    *out = (struct template_value){.type = TEMPLATE_TYPE_TIME, .time = time};
    return true;
}

/* Times come of int64 nanoseconds; what Add made of them may lie outside, and the difference is cut
 * to what a duration can say. */
static TEMPLATE_FUNCTION(time_sub)
{
    (void)run;
    (void)count;
    int64_t seconds = values[0].time.seconds - values[1].time.seconds;
    int64_t nanoseconds = values[0].time.nanoseconds - values[1].time.nanoseconds;
    int64_t difference;
    if (__builtin_mul_overflow(seconds, NS_PER_S, &difference) ||
        __builtin_add_overflow(difference, nanoseconds, &difference))
        difference = seconds < 0 ? INT64_MIN : INT64_MAX;
    return give_integer(TEMPLATE_TYPE_DURATION, difference, out);
}

static int time_order(const struct template_value *values)
{
    struct template_time a = values[0].time;
    struct template_time b = values[1].time;
    if (a.seconds != b.seconds)
        return a.seconds < b.seconds ? -1 : 1;
    return a.nanoseconds < b.nanoseconds ? -1 : a.nanoseconds > b.nanoseconds;
}

static TEMPLATE_FUNCTION(time_before)
{
    (void)run;
    (void)count;
    *out = template_value_bool(time_order(values) < 0);
    return true;
}

static TEMPLATE_FUNCTION(time_after)
{
    (void)run;
    (void)count;
    *out = template_value_bool(time_order(values) > 0);
    return true;
}

static TEMPLATE_FUNCTION(time_equal)
{
    (void)run;
    (void)count;
    *out = template_value_bool(time_order(values) == 0);
    return true;
}

/* -- of durations -- */

static double duration_in(int64_t nanoseconds, int64_t unit_ns)
{
    return (double)(nanoseconds / unit_ns) + (double)(nanoseconds % unit_ns) / (double)unit_ns;
}

static TEMPLATE_FUNCTION(duration_hours)
{
    (void)run;
    (void)count;
    *out = template_value_number(duration_in(values[0].integer, 3600 * NS_PER_S));
    return true;
}

static TEMPLATE_FUNCTION(duration_minutes)
{
    (void)run;
    (void)count;
    *out = template_value_number(duration_in(values[0].integer, 60 * NS_PER_S));
    return true;
}

static TEMPLATE_FUNCTION(duration_seconds)
{
    (void)run;
    (void)count;
    *out = template_value_number(duration_in(values[0].integer, NS_PER_S));
    return true;
}

static TEMPLATE_FUNCTION(duration_milliseconds)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT64, values[0].integer / 1000000, out);
}

static TEMPLATE_FUNCTION(duration_microseconds)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT64, values[0].integer / 1000, out);
}

static TEMPLATE_FUNCTION(duration_nanoseconds)
{
    (void)run;
    (void)count;
    return give_integer(TEMPLATE_TYPE_INT64, values[0].integer, out);
}

static TEMPLATE_FUNCTION(duration_string)
{
    (void)count;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, SHORT_TEXT_SIZE_MAX);
    duration_print_go(values[0].integer, &text);
    return template_run_text(run, &text, out);
}

/* -- of names -- */

static TEMPLATE_FUNCTION(month_string)
{
    (void)run;
    (void)count;
    *out = template_value_text(slice_str(template_month_name(values[0].integer)));
    return true;
}

static TEMPLATE_FUNCTION(weekday_string)
{
    (void)run;
    (void)count;
    *out = template_value_text(slice_str(template_weekday_name(values[0].integer)));
    return true;
}

static const struct {
    enum template_type type;
    struct template_function function;
} methods[] = {
    {TEMPLATE_TYPE_TIME, {"Add", time_add, "d", false}},
    {TEMPLATE_TYPE_TIME, {"After", time_after, "t", false}},
    {TEMPLATE_TYPE_TIME, {"Before", time_before, "t", false}},
    {TEMPLATE_TYPE_TIME, {"Day", time_day, "", false}},
    {TEMPLATE_TYPE_TIME, {"Equal", time_equal, "t", false}},
    {TEMPLATE_TYPE_TIME, {"Format", time_format, "s", false}},
    {TEMPLATE_TYPE_TIME, {"Hour", time_hour, "", false}},
    {TEMPLATE_TYPE_TIME, {"Minute", time_minute, "", false}},
    {TEMPLATE_TYPE_TIME, {"Month", time_month, "", false}},
    {TEMPLATE_TYPE_TIME, {"Nanosecond", time_nanosecond, "", false}},
    {TEMPLATE_TYPE_TIME, {"Second", time_second, "", false}},
    {TEMPLATE_TYPE_TIME, {"String", time_string, "", false}},
    {TEMPLATE_TYPE_TIME, {"Sub", time_sub, "t", false}},
    {TEMPLATE_TYPE_TIME, {"UTC", time_utc, "", false}},
    {TEMPLATE_TYPE_TIME, {"Unix", time_unix, "", false}},
    {TEMPLATE_TYPE_TIME, {"UnixMilli", time_unix_milli, "", false}},
    {TEMPLATE_TYPE_TIME, {"UnixNano", time_unix_nano, "", false}},
    {TEMPLATE_TYPE_TIME, {"Weekday", time_weekday, "", false}},
    {TEMPLATE_TYPE_TIME, {"Year", time_year, "", false}},
    {TEMPLATE_TYPE_TIME, {"YearDay", time_year_day, "", false}},
    {TEMPLATE_TYPE_DURATION, {"Hours", duration_hours, "", false}},
    {TEMPLATE_TYPE_DURATION, {"Microseconds", duration_microseconds, "", false}},
    {TEMPLATE_TYPE_DURATION, {"Milliseconds", duration_milliseconds, "", false}},
    {TEMPLATE_TYPE_DURATION, {"Minutes", duration_minutes, "", false}},
    {TEMPLATE_TYPE_DURATION, {"Nanoseconds", duration_nanoseconds, "", false}},
    {TEMPLATE_TYPE_DURATION, {"Seconds", duration_seconds, "", false}},
    {TEMPLATE_TYPE_DURATION, {"String", duration_string, "", false}},
    {TEMPLATE_TYPE_MONTH, {"String", month_string, "", false}},
    {TEMPLATE_TYPE_WEEKDAY, {"String", weekday_string, "", false}},
};

const struct template_function *template_method_find(enum template_type type, struct slice name)
{
    struct template_value receiver = template_value_indirect((struct template_value){type});
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (methods[i].type == receiver.type && slice_eq_str(name, methods[i].function.name))
            return &methods[i].function;
    }
    return NULL;
}
