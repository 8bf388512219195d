/*
 * Times and durations in templates: always UTC, written by layouts as those of Go's time package
 * ("2006-01-02 15:04:05").
 *
 * Thread-safety: no state.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "rules/template_value.h"

#include <stdint.h>

struct template_calendar {
    int64_t year;
    int month; /* 1 to 12 */
    int day;
    int hour, minute, second;
    int weekday;  /* 0 = Sunday */
    int year_day; /* 1 to 366 */
};

void template_time_split(struct template_time time, struct template_calendar *out);
/* 1970-01-01 00:00:00 +0000 UTC */
void template_time_print(struct template_time time, struct buf *out);
void template_time_format(struct template_time time, struct slice layout, struct buf *out);
/* "January"; "%!Month(13)" does not occur. */
const char *template_month_name(int64_t month);
const char *template_weekday_name(int64_t weekday);
