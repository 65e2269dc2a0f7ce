/* Dates and times in formats that the user says. See formatted_time.h. */

#include "formatted_time.h"

/* What was read so far, and what follows. */
typedef struct {
    const uint8_t *at, *end;
    int64_t year, month, day, hour, minute, second, nanos, offset;
    int32_t n_fraction, half, weekday; /* half: 0 for AM, 1 for PM; -1: not said */
    bool has_offset;
} reading;

static const char MONTHS[12][10] = {"january",   "february", "march",    "april",
                                    "may",       "june",     "july",     "august",
                                    "september", "october",  "november", "december"};
static const char WEEKDAYS[7][10] = {"monday", "tuesday",  "wednesday", "thursday",
                                     "friday", "saturday", "sunday"};

int64_t bd_days_of(int64_t year, int64_t month, int64_t day)
{
    static const uint8_t LENGTHS[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const uint16_t BEFORE[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    static const int64_t DAYS_TO_1970 = 719162;
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
        return INT64_MIN;
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > LENGTHS[month - 1] + (leap && month == 2))
        return INT64_MIN;
    const int64_t past = year - 1;
    return 365 * past + past / 4 - past / 100 + past / 400 + BEFORE[month - 1] +
           (leap && month > 2) + day - 1 - DAYS_TO_1970;
}

/* A number of min to max digits; -1 where there is none. */
static int64_t number(reading *text, int32_t min, int32_t max)
{
    int64_t value = 0;
    int32_t n = 0;
    while (n < max && text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        value = value * 10 + *text->at++ - '0';
        n++;
    }
    return n < min ? -1 : value;
}

/* Whether the text goes on with n letters of a name, small or capital. */
static bool begins_with(const reading *text, const char *name, int64_t n)
{
    if (text->end - text->at < n)
        return false;
    for (int64_t i = 0; i < n; i++)
        if ((text->at[i] | 0x20) != (uint8_t)name[i])
            return false;
    return true;
}

/* The place of a name among n, whole or of three letters; -1 for none. */
static int32_t name_of(reading *text, const char names[][10], int32_t n, bool whole)
{
    for (int32_t i = 0; i < n; i++) {
        const int64_t size = whole ? (int64_t)strlen(names[i]) : 3;
        if (begins_with(text, names[i], size)) {
            text->at += size;
            return i;
        }
    }
    return -1;
}

/* AM and PM, small or capital, with points or without. */
static bool half_of_day(reading *text)
{
    const int64_t left = text->end - text->at;
    if (left < 2)
        return false;
    const uint8_t first = text->at[0] | 0x20;
    if (first != 'a' && first != 'p')
        return false;
    text->half = first == 'p';
    if ((text->at[1] | 0x20) == 'm') {
        text->at += 2;
        return true;
    }
    if (left < 4 || text->at[1] != '.' || (text->at[2] | 0x20) != 'm' || text->at[3] != '.')
        return false;
    text->at += 4;
    return true;
}

static bool fraction(reading *text)
{
    const uint8_t *first = text->at;
    int64_t value = number(text, 1, 9);
    text->n_fraction = (int32_t)(text->at - first);
    for (int32_t i = text->n_fraction; i < 9; i++)
        value *= 10;
    text->nanos = value;
    return value >= 0;
}

int64_t bd_scan_offset(const uint8_t *text, int64_t n, int64_t *seconds)
{
    *seconds = 0;
    if (n > 0 && text[0] == 'Z')
        return 1;
    if (n < 3 || (text[0] != '+' && text[0] != '-'))
        return 0;
    reading rest = {.at = text + 1, .end = text + n};
    const int64_t hours = number(&rest, 2, 2);
    int64_t minutes = 0;
    const bool colon = rest.at < rest.end && *rest.at == ':';
    rest.at += colon;
    const uint8_t *before = rest.at;
    if (rest.end - rest.at >= 2 && *rest.at >= '0' && *rest.at <= '9')
        minutes = number(&rest, 2, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || (colon && rest.at == before))
        return 0;
    *seconds = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
    return rest.at - text;
}

static bool offset(reading *text)
{
    const int64_t n = bd_scan_offset(text->at, text->end - text->at, &text->offset);
    text->at += n;
    text->has_offset = true;
    return n > 0;
}

/* One directive; false where the text is no such. */
static bool directive(char kind, reading *text)
{
    switch (kind) {
    case 'Y':
        return (text->year = number(text, 4, 4)) >= 0;
    case 'y':
        text->year = number(text, 2, 2);
        if (text->year < 0)
            return false;
        text->year += text->year < 69 ? 2000 : 1900; /* as POSIX has it */
        return true;
    case 'm':
        return (text->month = number(text, 1, 2)) >= 0;
    case 'd':
        return (text->day = number(text, 1, 2)) >= 0;
    case 'H':
    case 'I':
        return (text->hour = number(text, 1, 2)) >= 0;
    case 'M':
        return (text->minute = number(text, 1, 2)) >= 0;
    case 'S':
        return (text->second = number(text, 1, 2)) >= 0;
    case 'f':
        return fraction(text);
    case 'b':
    case 'B':
        return (text->month = name_of(text, MONTHS, 12, kind == 'B') + 1) > 0;
    case 'a':
    case 'A':
        return (text->weekday = name_of(text, WEEKDAYS, 7, kind == 'A')) >= 0;
    case 'p':
        return half_of_day(text);
    case 'z':
        return offset(text);
    default:
        return kind == '%' && text->at < text->end && *text->at++ == '%';
    }
}

/* The moment of what was read; false where there is none. */
static bool moment_of(reading *text, bd_timestamp *found)
{
    const int64_t days = bd_days_of(text->year, text->month, text->day);
    if (days == INT64_MIN || text->minute > 59 || text->second > 59)
        return false;
    if (text->half >= 0) {
        if (text->hour < 1 || text->hour > 12)
            return false;
        text->hour = text->hour % 12 + 12 * text->half;
    }
    /* 1970-01-01 was a Thursday. */
    if (text->hour > 23 || (text->weekday >= 0 && ((days % 7 + 10) % 7) != text->weekday))
        return false;
    const int64_t seconds = (text->hour * 60 + text->minute) * 60 + text->second - text->offset;
    found->micros = days * BD_MICROSECONDS_PER_DAY + seconds * 1000000 + text->nanos / 1000;
    found->nanos = (int32_t)(text->nanos % 1000);
    found->n_fraction = text->n_fraction;
    found->utc = text->has_offset;
    return bd_days_of(1, 1, 1) * BD_MICROSECONDS_PER_DAY <= found->micros &&
           found->micros < (bd_days_of(9999, 12, 31) + 1) * BD_MICROSECONDS_PER_DAY;
}

bool bd_scan_formatted(const char *format, const uint8_t *block, int64_t start, int64_t end,
                       bd_timestamp *found)
{
    reading text = {.at = block + start, .end = block + end, .half = -1, .weekday = -1};
    text.year = 1970;
    text.month = text.day = 1;
    for (const char *f = format; *f; f++) {
        if (*f == '%') {
            if (!directive(*++f, &text))
                return false;
            continue;
        }
        if (text.at >= text.end || *text.at != (uint8_t)*f)
            return false;
        text.at++;
        while (*f == ' ' && text.at < text.end && *text.at == ' ')
            text.at++;
    }
    return text.at == text.end && moment_of(&text, found);
}

/* The microseconds of n texts block[starts[i]:stops[i]] in a format; INT64_MIN for one that has it
 * not. */
void bd_match_format(const char *format, const uint8_t *block, const int64_t *starts,
                     const int64_t *stops, int64_t n, int64_t *micros)
{
    bd_timestamp found;
    for (int64_t i = 0; i < n; i++)
        micros[i] = bd_scan_formatted(format, block, starts[i], stops[i], &found) ? found.micros
                                                                                  : INT64_MIN;
}
