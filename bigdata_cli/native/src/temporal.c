/* ISO 8601 dates and timestamps from text. See temporal.h. */

#include "temporal.h"

#include "formatted_time.h"

/* The value of n digits, -1 where one is not a digit. */
static int32_t digits(const uint8_t *text, int n)
{
    int32_t value = 0;
    for (int i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return value;
}

/* The first moment of the year 1, and the first one after the year 9999. */
static const int64_t FIRST_US = -719162 * 86400000000, AFTER_LAST_US = 2932897 * 86400000000;

bool bd_scan_timestamp(const uint8_t *block, int64_t start, int64_t end, bd_timestamp *found)
{
    int64_t days;
    if (end - start < 16 || !bd_scan_date(block, start, start + 10, &days))
        return false;
    const uint8_t *text = block + start;
    if ((text[10] != 'T' && text[10] != ' ') || text[13] != ':')
        return false;
    const int32_t hour = digits(text + 11, 2), minute = digits(text + 14, 2);
    int32_t second = 0, fraction = 0, n_fraction = 0;
    int64_t p = start + 16;
    if (p + 3 <= end && block[p] == ':') {
        second = digits(block + p + 1, 2);
        p += 3;
        if (p < end && block[p] == '.') {
            for (p++; p < end && block[p] >= '0' && block[p] <= '9'; p++) {
                if (n_fraction == 9)
                    return false;
                fraction = fraction * 10 + block[p] - '0';
                n_fraction++;
            }
            if (n_fraction == 0)
                return false;
        }
    }
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    int64_t offset = 0;
    if (p < end && bd_scan_offset(block + p, end - p, &offset) != end - p)
        return false;
    for (int32_t i = n_fraction; i < 9; i++)
        fraction *= 10;
    const int64_t seconds = (hour * 60 + minute) * 60 + second - offset;
    found->micros = days * BD_MICROSECONDS_PER_DAY + seconds * 1000000 + fraction / 1000;
    found->nanos = fraction % 1000;
    found->n_fraction = n_fraction;
    found->utc = p < end;
    return found->micros >= FIRST_US && found->micros < AFTER_LAST_US;
}
