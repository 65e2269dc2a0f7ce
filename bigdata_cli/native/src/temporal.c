/* ISO 8601 dates and timestamps from text. See temporal.h. */

#include "temporal.h"

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

/* Whether a text says UTC: `Z`, `+00:00`, `+0000` or `+00`. */
static bool is_utc(const uint8_t *text, int64_t n)
{
    if (n == 1)
        return text[0] == 'Z';
    if (n < 3 || text[0] != '+' || digits(text + 1, 2) != 0)
        return false;
    if (n == 6)
        return text[3] == ':' && digits(text + 4, 2) == 0;
    return n == 3 || (n == 5 && digits(text + 3, 2) == 0);
}

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
    if (p < end && !is_utc(block + p, end - p))
        return false;
    for (int32_t i = n_fraction; i < 9; i++)
        fraction *= 10;
    const int64_t seconds = (hour * 60 + minute) * 60 + second;
    found->micros = days * BD_MICROSECONDS_PER_DAY + seconds * 1000000 + fraction / 1000;
    found->nanos = fraction % 1000;
    found->n_fraction = n_fraction;
    found->utc = p < end;
    return true;
}
