#include "rules/template_time.h"

#include "base/compiler.h"

#define SECONDS_PER_DAY 86400
#define FRACTION_DIGITS 9

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};

const char *template_month_name(int64_t month)
{
    return month >= 1 && month <= 12 ? months[month - 1] : "";
}

const char *template_weekday_name(int64_t weekday)
{
    return weekday >= 0 && weekday <= 6 ? weekdays[weekday] : "";
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days are counted in eras of 400 years that begin on 1 March of year 0, so that the leap day is
 * the last day of a year. */
void template_time_split(struct template_time time, struct template_calendar *out)
{
    static const int month_starts[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t days = time.seconds / SECONDS_PER_DAY;
    int64_t seconds = time.seconds % SECONDS_PER_DAY;
    if (seconds < 0) {
        seconds += SECONDS_PER_DAY;
        days--;
    }
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    out->day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    out->month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    out->year = year_of_era + era * 400 + (out->month <= 2 ? 1 : 0);
    out->hour = (int)(seconds / 3600);
    out->minute = (int)(seconds / 60 % 60);
    out->second = (int)(seconds % 60);
    out->weekday = (int)(((days + 4) % 7 + 7) % 7);
    out->year_day =
        month_starts[out->month - 1] + out->day + (out->month > 2 && is_leap(out->year) ? 1 : 0);
}

/* -- layouts -- */

enum layout_part {
    PART_LONG_MONTH,
    PART_MONTH,
    PART_LONG_WEEKDAY,
    PART_WEEKDAY,
    PART_ZERO_YEAR_DAY,
    PART_SPACE_YEAR_DAY,
    PART_YEAR,
    PART_SHORT_YEAR,
    PART_ZERO_MONTH,
    PART_NUMBER_MONTH,
    PART_ZERO_DAY,
    PART_SPACE_DAY,
    PART_DAY,
    PART_HOUR,
    PART_ZERO_HOUR_12,
    PART_HOUR_12,
    PART_ZERO_MINUTE,
    PART_MINUTE,
    PART_ZERO_SECOND,
    PART_SECOND,
    PART_UPPER_NOON,
    PART_LOWER_NOON,
    PART_ZONE_NAME,
    PART_ZONE_Z,
    PART_ZONE_COLON_SECONDS,
    PART_ZONE_SECONDS,
    PART_ZONE_COLON,
    PART_ZONE,
    PART_ZONE_SHORT,
};

/* Longer ones before their beginnings. */
static const struct {
    const char *text;
    enum layout_part part;
} layout_parts[] = {
    {"January", PART_LONG_MONTH},
    {"Jan", PART_MONTH},
    {"Monday", PART_LONG_WEEKDAY},
    {"Mon", PART_WEEKDAY},
    {"MST", PART_ZONE_NAME},
    {"002", PART_ZERO_YEAR_DAY},
    {"__2", PART_SPACE_YEAR_DAY},
    {"2006", PART_YEAR},
    {"06", PART_SHORT_YEAR},
    {"01", PART_ZERO_MONTH},
    {"02", PART_ZERO_DAY},
    {"_2", PART_SPACE_DAY},
    {"15", PART_HOUR},
    {"03", PART_ZERO_HOUR_12},
    {"04", PART_ZERO_MINUTE},
    {"05", PART_ZERO_SECOND},
    {"PM", PART_UPPER_NOON},
    {"pm", PART_LOWER_NOON},
    {"Z07:00:00", PART_ZONE_Z},
    {"Z07:00", PART_ZONE_Z},
    {"Z070000", PART_ZONE_Z},
    {"Z0700", PART_ZONE_Z},
    {"Z07", PART_ZONE_Z},
    {"-07:00:00", PART_ZONE_COLON_SECONDS},
    {"-070000", PART_ZONE_SECONDS},
    {"-07:00", PART_ZONE_COLON},
    {"-0700", PART_ZONE},
    {"-07", PART_ZONE_SHORT},
    {"1", PART_NUMBER_MONTH},
    {"2", PART_DAY},
    {"3", PART_HOUR_12},
    {"4", PART_MINUTE},
    {"5", PART_SECOND},
};

static void append_date(const struct template_calendar *calendar, enum layout_part part,
                        struct buf *out)
{
    switch (part) {
    case PART_LONG_MONTH:
        buf_append_str(out, template_month_name(calendar->month));
        break;
    case PART_MONTH:
        buf_printf(out, "%.3s", template_month_name(calendar->month));
        break;
    case PART_LONG_WEEKDAY:
        buf_append_str(out, template_weekday_name(calendar->weekday));
        break;
    case PART_WEEKDAY:
        buf_printf(out, "%.3s", template_weekday_name(calendar->weekday));
        break;
    case PART_ZERO_YEAR_DAY:
        buf_printf(out, "%03d", calendar->year_day);
        break;
    case PART_SPACE_YEAR_DAY:
        buf_printf(out, "%3d", calendar->year_day);
        break;
    case PART_YEAR:
        buf_printf(out, calendar->year < 0 ? "%05lld" : "%04lld", (long long)calendar->year);
        break;
    case PART_SHORT_YEAR:
        buf_printf(out, "%02d", (int)((calendar->year < 0 ? 0 : calendar->year) % 100));
        break;
    case PART_ZERO_MONTH:
        buf_printf(out, "%02d", calendar->month);
        break;
    case PART_NUMBER_MONTH:
        buf_printf(out, "%d", calendar->month);
        break;
    case PART_ZERO_DAY:
        buf_printf(out, "%02d", calendar->day);
        break;
    case PART_SPACE_DAY:
        buf_printf(out, "%2d", calendar->day);
        break;
    default:
        buf_printf(out, "%d", calendar->day);
        break;
    }
}

static void append_clock(const struct template_calendar *calendar, enum layout_part part,
                         struct buf *out)
{
    int hour_12 = calendar->hour % 12 == 0 ? 12 : calendar->hour % 12;
    switch (part) {
    case PART_HOUR:
        buf_printf(out, "%02d", calendar->hour);
        break;
    case PART_ZERO_HOUR_12:
        buf_printf(out, "%02d", hour_12);
        break;
    case PART_HOUR_12:
        buf_printf(out, "%d", hour_12);
        break;
    case PART_ZERO_MINUTE:
        buf_printf(out, "%02d", calendar->minute);
        break;
    case PART_MINUTE:
        buf_printf(out, "%d", calendar->minute);
        break;
    case PART_ZERO_SECOND:
        buf_printf(out, "%02d", calendar->second);
        break;
    case PART_SECOND:
        buf_printf(out, "%d", calendar->second);
        break;
    case PART_UPPER_NOON:
        buf_append_str(out, calendar->hour >= 12 ? "PM" : "AM");
        break;
    default:
        buf_append_str(out, calendar->hour >= 12 ? "pm" : "am");
        break;
    }
}

static void append_zone(enum layout_part part, struct buf *out)
{
    switch (part) {
    case PART_ZONE_NAME:
        buf_append_str(out, "UTC");
        break;
    case PART_ZONE_Z:
        buf_append_byte(out, 'Z');
        break;
    case PART_ZONE_COLON_SECONDS:
        buf_append_str(out, "+00:00:00");
        break;
    case PART_ZONE_SECONDS:
        buf_append_str(out, "+000000");
        break;
    case PART_ZONE_COLON:
        buf_append_str(out, "+00:00");
        break;
    case PART_ZONE:
        buf_append_str(out, "+0000");
        break;
    default:
        buf_append_str(out, "+00");
        break;
    }
}

/* A fraction of a second, .000 or .999 with a point or a comma: its length in the layout, 0 when
 * there is none. Zeros keep the width, nines leave out zeros at the end. */
static size_t fraction_len(struct slice layout)
{
    if (layout.len < 2 || (layout.ptr[0] != '.' && layout.ptr[0] != ',') ||
        (layout.ptr[1] != '0' && layout.ptr[1] != '9'))
        return 0;
    size_t len = 1;
    while (len < layout.len && layout.ptr[len] == layout.ptr[1])
        len++;
    bool digit_follows = len < layout.len && layout.ptr[len] >= '0' && layout.ptr[len] <= '9';
    return digit_follows ? 0 : len;
}

static void append_fraction(int32_t nanoseconds, struct slice part, struct buf *out)
{
    char digits[FRACTION_DIGITS];
    for (size_t i = FRACTION_DIGITS; i > 0; i--, nanoseconds /= 10)
        digits[i - 1] = (char)('0' + nanoseconds % 10);
    size_t count = MIN(part.len - 1, (size_t)FRACTION_DIGITS);
    if (part.ptr[1] == '9') {
        while (count > 0 && digits[count - 1] == '0')
            count--;
        if (count == 0)
            return;
    }
    buf_append_byte(out, part.ptr[0]);
    buf_append(out, digits, count);
}

static bool lower_follows(struct slice layout, size_t len)
{
    return layout.len > len && layout.ptr[len] >= 'a' && layout.ptr[len] <= 'z';
}

/* The part at the front of the layout, or SLICE_NONE. */
static size_t find_part(struct slice layout)
{
    for (size_t i = 0; i < ARRAY_SIZE(layout_parts); i++) {
        struct slice text = slice_str(layout_parts[i].text);
        if (!slice_has_prefix(layout, text))
            continue;
        /* "Month" is no "Mon" with "th" */
        bool is_short = layout_parts[i].part == PART_MONTH || layout_parts[i].part == PART_WEEKDAY;
        if (is_short && lower_follows(layout, text.len))
            continue;
        /* in "_2006" the underscore is text */
        if (layout_parts[i].part == PART_SPACE_DAY && slice_has_prefix(layout, SLICE("_2006")))
            continue;
        return i;
    }
    return SLICE_NONE;
}

void template_time_format(struct template_time time, struct slice layout, struct buf *out)
{
    struct template_calendar calendar;
    template_time_split(time, &calendar);
    while (layout.len > 0) {
        size_t fraction = fraction_len(layout);
        size_t found = fraction > 0 ? SLICE_NONE : find_part(layout);
        size_t len = 1;
        if (fraction > 0) {
            len = fraction;
            append_fraction(time.nanoseconds, slice_sub(layout, 0, len), out);
        } else if (found == SLICE_NONE) {
            buf_append_byte(out, layout.ptr[0]);
        } else {
            enum layout_part part = layout_parts[found].part;
            len = strlen(layout_parts[found].text);
            if (part >= PART_ZONE_NAME)
                append_zone(part, out);
            else if (part >= PART_HOUR)
                append_clock(&calendar, part, out);
            else
                append_date(&calendar, part, out);
        }
        layout = slice_from_index(layout, len);
    }
}

void template_time_print(struct template_time time, struct buf *out)
{
    template_time_format(time, SLICE("2006-01-02 15:04:05.999999999 -0700 MST"), out);
}
