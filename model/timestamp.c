#include "model/timestamp.h"

#include <math.h>

#include "base/float_text.h"

#define MS_PER_DAY INT64_C(86400000)

struct civil_date {
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1 to 31 */
};

static int64_t floor_div(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* Days since 1970-01-01 of the Gregorian calendar, both ways; years count from March so that the
 * leap day is the last of its year, and an era is the 400 years after which the calendar repeats.
 */
static int64_t days_from_civil(struct civil_date date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month = (date.month + 9) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil_date civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct civil_date date = {
        .year = year_of_era + era * 400 + (month >= 10),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
    };
    return date;
}

static unsigned days_of_month(int64_t year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Takes between `min` and `max` digits from the front. */
static bool take_digits(struct slice *left, size_t min, size_t max, unsigned *out)
{
    unsigned value = 0;
    size_t i = 0;
    for (; i < max && i < left->len && left->ptr[i] >= '0' && left->ptr[i] <= '9'; i++)
        value = value * 10 + (unsigned)(left->ptr[i] - '0');
    *left = slice_from_index(*left, i);
    *out = value;
    return i >= min;
}

static bool take_byte(struct slice *left, char byte)
{
    if (left->len == 0 || left->ptr[0] != byte)
        return false;
    *left = slice_from_index(*left, 1);
    return true;
}

static bool take_date(struct slice *left, int64_t *out_ms)
{
    unsigned year;
    struct civil_date date;
    if (!take_digits(left, 4, 4, &year) || !take_byte(left, '-') ||
        !take_digits(left, 2, 2, &date.month) || !take_byte(left, '-') ||
        !take_digits(left, 2, 2, &date.day))
        return false;
    date.year = year;
    if (date.month < 1 || date.month > 12 || date.day < 1 ||
        date.day > days_of_month(year, date.month))
        return false;
    *out_ms = days_from_civil(date) * MS_PER_DAY;
    return true;
}

/* The fraction of a second, cut to milliseconds. */
static bool take_fraction(struct slice *left, int64_t *out_ms)
{
    *out_ms = 0;
    if (!take_byte(left, '.') && !take_byte(left, ','))
        return true;
    int64_t weight = 100;
    size_t count = 0;
    while (left->len > 0 && left->ptr[0] >= '0' && left->ptr[0] <= '9') {
        *out_ms += (left->ptr[0] - '0') * weight;
        weight /= 10;
        count++;
        *left = slice_from_index(*left, 1);
    }
    return count > 0;
}

static bool take_time(struct slice *left, int64_t *out_ms)
{
    unsigned hour;
    unsigned minute;
    unsigned second;
    int64_t fraction_ms;
    if (!take_digits(left, 1, 2, &hour) || !take_byte(left, ':') ||
        !take_digits(left, 2, 2, &minute) || !take_byte(left, ':') ||
        !take_digits(left, 2, 2, &second) || !take_fraction(left, &fraction_ms))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *out_ms = (int64_t)(hour * 3600 + minute * 60 + second) * 1000 + fraction_ms;
    return true;
}

static bool take_zone(struct slice *left, int64_t *out_ms)
{
    *out_ms = 0;
    if (take_byte(left, 'Z'))
        return true;
    int64_t sign = take_byte(left, '-') ? -1 : 1;
    unsigned hour;
    unsigned minute;
    if ((sign > 0 && !take_byte(left, '+')) || !take_digits(left, 2, 2, &hour) ||
        !take_byte(left, ':') || !take_digits(left, 2, 2, &minute))
        return false;
    if (hour > 24 || minute > 59)
        return false;
    *out_ms = sign * (int64_t)(hour * 60 + minute) * 60000;
    return true;
}

static bool parse_rfc3339(struct slice text, int64_t *out_ms)
{
    /* the ends of time as the reference prints them; its parser takes only these with such years */
    if (slice_eq_str(text, "-292273086-05-16T16:47:06Z")) {
        *out_ms = TIMESTAMP_MIN;
        return true;
    }
    if (slice_eq_str(text, "+292277025-08-18T07:12:54.999999999Z")) {
        *out_ms = TIMESTAMP_MAX;
        return true;
    }
    int64_t date_ms;
    int64_t time_ms;
    int64_t zone_ms;
    if (!take_date(&text, &date_ms) || !take_byte(&text, 'T') || !take_time(&text, &time_ms) ||
        !take_zone(&text, &zone_ms) || text.len > 0)
        return false;
    *out_ms = date_ms + time_ms - zone_ms;
    return true;
}

/* The same steps in doubles as the reference takes, so that the same milliseconds come out: the
 * fraction is rounded to three decimals, made nanoseconds and cut. */
static bool parse_seconds(double value, int64_t *out_ms)
{
    if (isnan(value))
        return false;
    if (value <= (double)TIMESTAMP_MIN / 1000 || value >= (double)TIMESTAMP_MAX / 1000) {
        *out_ms = value < 0 ? TIMESTAMP_MIN : TIMESTAMP_MAX;
        return true;
    }
    double whole;
    double fraction = modf(value, &whole);
    fraction = round(fraction * 1000) / 1000;
    *out_ms = (int64_t)whole * 1000 + floor_div((int64_t)(fraction * 1e9), 1000000);
    return true;
}

bool timestamp_parse(struct slice text, int64_t *out_ms)
{
    double seconds;
    if (float_text_parse(text, &seconds, NULL))
        return parse_seconds(seconds, out_ms);
    return parse_rfc3339(text, out_ms);
}

/* Three digits. */
static void print_thousandths(unsigned value, struct buf *out)
{
    buf_append_byte(out, (char)('0' + value / 100));
    buf_append_byte(out, (char)('0' + value / 10 % 10));
    buf_append_byte(out, (char)('0' + value % 10));
}

void timestamp_print_seconds(int64_t timestamp_ms, struct buf *out)
{
    uint64_t left = (uint64_t)timestamp_ms;
    if (timestamp_ms < 0) {
        buf_append_byte(out, '-');
        left = 0 - left;
    }
    buf_append_uint(out, left / 1000);
    if (left % 1000 != 0) {
        buf_append_byte(out, '.');
        print_thousandths((unsigned)(left % 1000), out);
    }
}

void timestamp_print_rfc3339(int64_t timestamp_ms, struct buf *out)
{
    int64_t days = floor_div(timestamp_ms, MS_PER_DAY);
    struct civil_date date = civil_from_days(days);
    unsigned ms = (unsigned)(timestamp_ms - days * MS_PER_DAY);
    int64_t year = date.year;
    if (year < 0) {
        buf_append_byte(out, '-');
        year = -year;
    }
    buf_printf(out, "%04lld-%02u-%02uT%02u:%02u:%02u", (long long)year, date.month, date.day,
               ms / 3600000, ms / 60000 % 60, ms / 1000 % 60);
    unsigned fraction = ms % 1000;
    if (fraction > 0) {
        unsigned digits = fraction % 100 == 0 ? 1 : fraction % 10 == 0 ? 2 : 3;
        unsigned shown = digits == 1 ? fraction / 100 : digits == 2 ? fraction / 10 : fraction;
        buf_printf(out, ".%0*u", (int)digits, shown);
    }
    buf_append_byte(out, 'Z');
}
