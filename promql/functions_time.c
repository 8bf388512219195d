/*
 * Parts of a date in UTC. Values are seconds since 1970 and may be anything, so the calendar is
 * computed as Go does it: in unsigned seconds since a year far in the past, where a day count
 * beyond all sense wraps instead of being undefined.
 */
#include <math.h>
#include <stdint.h>

#include "promql/operators.h"

#define SECONDS_PER_DAY UINT64_C(86400)
#define DAYS_PER_400_YEARS UINT64_C(146097)
/* From 1 January of the year -292277022399 to 1970: Go's absolute epoch. */
#define ABSOLUTE_YEAR INT64_C(-292277022399)
#define SECONDS_BEFORE_1970 (UINT64_C(9223371966579724800) + UINT64_C(62135596800))

struct date {
    uint64_t year;     /* since ABSOLUTE_YEAR */
    uint32_t year_day; /* 0-based */
    uint32_t month;    /* 1-based */
    uint32_t day;
    uint32_t month_days;
};

static const uint16_t days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

/* int64(value) as amd64 has it: what does not fit is the smallest integer. */
static int64_t whole_seconds(double value)
{
    if (!(value > -9223372036854775808.0 && value < 9223372036854775808.0))
        return INT64_MIN;
    return (int64_t)value;
}

static uint64_t absolute_seconds(double value)
{
    return (uint64_t)whole_seconds(value) + SECONDS_BEFORE_1970;
}

/* The absolute year is 1 modulo 400, so cycles of 400, 100, 4 and 1 years are counted off from it.
 */
static struct date date_of(uint64_t seconds)
{
    uint64_t days = seconds / SECONDS_PER_DAY;
    uint64_t cycles = days / DAYS_PER_400_YEARS;
    days %= DAYS_PER_400_YEARS;
    uint64_t centuries = days / 36524;
    centuries -= centuries >> 2; /* the last day of the cycle */
    days -= centuries * 36524;
    uint64_t fours = days / 1461;
    days -= fours * 1461;
    uint64_t years = days / 365;
    years -= years >> 2; /* the last day of a leap year */
    days -= years * 365;
    struct date date = {.year = cycles * 400 + centuries * 100 + fours * 4 + years,
                        .year_day = (uint32_t)days};
    bool leap = years == 3 && (fours != 24 || centuries == 3);
    uint32_t month = 0;
    uint32_t before = 0, after = 31;
    while (days >= after) {
        month++;
        before = after;
        after = days_before[month + 1] + (leap && month >= 1);
    }
    date.month = month + 1;
    date.day = (uint32_t)days - before + 1;
    date.month_days = after - before;
    return date;
}

static inline double minute_of(double value)
{
    return (double)(absolute_seconds(value) / 60 % 60);
}

static inline double hour_of(double value)
{
    return (double)(absolute_seconds(value) / 3600 % 24);
}

/* The absolute epoch is a Monday. */
static inline double day_of_week_of(double value)
{
    return (double)((absolute_seconds(value) + SECONDS_PER_DAY) / SECONDS_PER_DAY % 7);
}

static inline double day_of_month_of(double value)
{
    return date_of(absolute_seconds(value)).day;
}

static inline double day_of_year_of(double value)
{
    return date_of(absolute_seconds(value)).year_day + 1;
}

static inline double days_in_month_of(double value)
{
    return date_of(absolute_seconds(value)).month_days;
}

static inline double month_of(double value)
{
    return date_of(absolute_seconds(value)).month;
}

static inline double year_of(double value)
{
    return (double)((int64_t)date_of(absolute_seconds(value)).year + ABSOLUTE_YEAR);
}

#define MAP_DATE(name, compute)                                                                    \
    static void name(struct row *row, const struct map_input *input)                               \
    {                                                                                              \
        BITMAP_FOR_EACH(row->present, input->steps->count, i)                                      \
        {                                                                                          \
            row->values[i] = compute(row->values[i]);                                              \
        }                                                                                          \
    }

MAP_DATE(map_minute, minute_of)
MAP_DATE(map_hour, hour_of)
MAP_DATE(map_day_of_week, day_of_week_of)
MAP_DATE(map_day_of_month, day_of_month_of)
MAP_DATE(map_day_of_year, day_of_year_of)
MAP_DATE(map_days_in_month, days_in_month_of)
MAP_DATE(map_month, month_of)
MAP_DATE(map_year, year_of)

/* Of what is not a selector: the time of the evaluation. */
static void map_timestamp(struct row *row, const struct map_input *input)
{
    for (size_t i = 0; i < input->steps->count; i++)
        row->values[i] = (double)steps_time(input->steps, i) / 1000;
}

map_kernel map_kernel_of_time(enum function_id id)
{
    switch (id) {
    case FUNCTION_MINUTE:
        return map_minute;
    case FUNCTION_HOUR:
        return map_hour;
    case FUNCTION_DAY_OF_WEEK:
        return map_day_of_week;
    case FUNCTION_DAY_OF_MONTH:
        return map_day_of_month;
    case FUNCTION_DAY_OF_YEAR:
        return map_day_of_year;
    case FUNCTION_DAYS_IN_MONTH:
        return map_days_in_month;
    case FUNCTION_MONTH:
        return map_month;
    case FUNCTION_YEAR:
        return map_year;
    case FUNCTION_TIMESTAMP:
        return map_timestamp;
    default:
        return NULL;
    }
}
