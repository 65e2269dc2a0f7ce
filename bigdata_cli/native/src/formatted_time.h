/* Dates and times as a user says that they are written: `%d/%m/%Y %H:%M`. */

#ifndef BD_FORMATTED_TIME_H
#define BD_FORMATTED_TIME_H

#include "temporal.h"

/* Whether the text block[start:end] is a moment in a format that types/time_format.py has checked:
 * characters that stand for themselves (a space: for one or more), and the directives %Y %y %m %b
 * %B %d %a %A %H %I %M %S %f %p %z %%. Numbers may lack leading zeros, but not of years. What a
 * format lacks is that of 1970-01-01 00:00:00. The day must exist, and be the weekday that the text
 * says. Fills *found where it is; with an offset (%z) `micros` is the instant in UTC. No byte from
 * `end` on is read. */
bool bd_scan_formatted(const char *format, const uint8_t *block, int64_t start, int64_t end,
                       bd_timestamp *found);

/* The days from 1970-01-01 to a day of the Gregorian calendar, INT64_MIN where there is no such
 * day. Years 1 to 9999. */
int64_t bd_days_of(int64_t year, int64_t month, int64_t day);

/* Seconds of an offset from UTC, at the start of text[0:n]: `Z`, `+HH`, `+HHMM` or `+HH:MM`, with
 * either sign, below 24 hours. Returns its bytes, 0 for none. */
int64_t bd_scan_offset(const uint8_t *text, int64_t n, int64_t *seconds);

#endif
