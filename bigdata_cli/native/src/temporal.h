/* ISO 8601 dates and timestamps from text. */

#ifndef BD_TEMPORAL_H
#define BD_TEMPORAL_H

#include "bigdata.h"
#include "digits.h"

static const int64_t BD_MICROSECONDS_PER_DAY = 86400000000;

/* A moment: microseconds since 1970-01-01, the nanoseconds beyond them, the digits that its
 * fraction of a second is written with, and whether the text says its offset from UTC, which is
 * taken away then. */
typedef struct bd_timestamp {
    int64_t micros;
    int32_t nanos, n_fraction;
    bool utc;
} bd_timestamp;

/* Bytes 0 and 1, 1 and 2, … of a word of digits as numbers, the tens first. */
static inline uint64_t bd_digit_pairs(uint64_t digits)
{
    return digits * 10 + (digits >> 8);
}

/* Whether the text block[start:end] is a `YYYY-MM-DD` that exists in the Gregorian calendar, years
 * 1 to 9999. Sets *days since 1970-01-01 where it is. No byte from `end` on is read. */
static inline bool bd_scan_date(const uint8_t *block, int64_t start, int64_t end, int64_t *days)
{
    static const uint8_t LENGTHS[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const uint16_t BEFORE[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    static const int64_t DAYS_TO_1970 = 719162; /* from 0001-01-01 on */
    if (end - start != 10)
        return false;
    const uint64_t word = bd_load_u64(block + start) ^ 0x2d30302d30303030u; /* 0000-00- */
    const uint32_t tens = block[start + 8] - '0', ones = block[start + 9] - '0';
    const uint64_t pairs = bd_digit_pairs(word);
    const int64_t century = pairs & 0xff, of_century = pairs >> 16 & 0xff;
    const uint32_t month = (uint32_t)(pairs >> 40 & 0xff) - 1;
    const int64_t year = century * 100 + of_century;
    if (!bd_are_digits(word) || (word & 0xff0000ff00000000u) || tens > 9 || ones > 9 || year < 1 ||
        month > 11)
        return false;
    const uint32_t day = 10 * tens + ones - 1;
    const bool leap = ((of_century ? of_century : century) & 3) == 0;
    if (day >= LENGTHS[month] + (uint32_t)(leap && month == 1))
        return false;
    const int64_t past = year - 1, centuries = century - (of_century == 0);
    *days = 365 * past + (past >> 2) - centuries + (centuries >> 2) + BEFORE[month] +
            (leap && month > 1) + day - DAYS_TO_1970;
    return true;
}

/* Whether the text is `YYYY-MM-DD[T ]HH:MM[:SS[.f{1,9}]][OFFSET]`, with an offset as bd_scan_offset
 * has it, and in UTC in the years 1 to 9999. Fills *found where it is. */
bool bd_scan_timestamp(const uint8_t *block, int64_t start, int64_t end, bd_timestamp *found);

#endif
