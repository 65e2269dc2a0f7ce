/* ISO 8601 dates and timestamps from text. */

#ifndef BD_TEMPORAL_H
#define BD_TEMPORAL_H

#include "bigdata.h"

static const int64_t BD_MICROSECONDS_PER_DAY = 86400000000;

/* A moment: microseconds since 1970-01-01, the nanoseconds beyond them, the digits that its
 * fraction of a second is written with, and whether the text says that it is UTC. */
typedef struct bd_timestamp {
    int64_t micros;
    int32_t nanos, n_fraction;
    bool utc;
} bd_timestamp;

/* Whether the text block[start:end] is a `YYYY-MM-DD` that exists in the Gregorian calendar, years
 * 1 to 9999. Sets *days since 1970-01-01 where it is. */
bool bd_scan_date(const uint8_t *block, int64_t start, int64_t end, int64_t *days);

/* Whether the text is `YYYY-MM-DD[T ]HH:MM[:SS[.f{1,9}]][Z|+00:00|+0000|+00]`. Fills *found where
 * it is. Other offsets are not found. */
bool bd_scan_timestamp(const uint8_t *block, int64_t start, int64_t end, bd_timestamp *found);

#endif
