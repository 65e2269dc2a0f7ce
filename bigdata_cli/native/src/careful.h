/* The careful path of a column's values: a text by the mode that its column is parsed in. */

#ifndef BD_CAREFUL_H
#define BD_CAREFUL_H

#include "bigdata.h"
#include "dialect.h"

/* How a column is parsed. BD_MODE_SKIP: only tokenised. BD_MODE_NULL: every value is odd. */
enum {
    BD_MODE_SKIP,
    BD_MODE_NULL,
    BD_MODE_BOOLEAN,
    BD_MODE_INT64,
    BD_MODE_UINT64,
    BD_MODE_FLOAT64,
    BD_MODE_DATE,
    BD_MODE_TIMESTAMP_US,
    BD_MODE_TIMESTAMP_NS,
    BD_MODE_TEXT,
};

/* What a cell is. BD_FLAG_ESCAPED: text with doubled quotes. BD_FLAG_ODD: it does not fit the mode.
 * BD_FLAG_HARD: a decimal that Python's float has to decide. */
enum { BD_FLAG_VALUE, BD_FLAG_NO_VALUE, BD_FLAG_ESCAPED, BD_FLAG_ODD, BD_FLAG_HARD };

/* A flag and 64 bits: of an integer, a date (days), a timestamp or a bool the int64 (of uint64 the
 * bits), of a float the bits of a float64; of text, odd and hard cells start << 32 | length. */
typedef struct bd_cell {
    int32_t flag;
    int64_t cell;
} bd_cell;

/* The cell of a trimmed text that is not null, in a mode that is neither SKIP nor TEXT.
 *
 * zoned: the column's timestamps are in UTC. *forms and magnitudes[2], of the negative and of the
 * other values, are those of the column: `lattice.Observed`. A value that fits adds to them.
 * start < 2**31, end - start < 2**32. No byte from `end` on is read. */
bd_cell bd_parse_value(const uint8_t *block, int64_t start, int64_t end, int32_t mode, bool zoned,
                       int64_t *forms, uint64_t *magnitudes, const bd_rules *rules);

/* The cell of such a text in a column of dates or timestamps, in the format that the user says. A
 * time is no date; a timestamp in UTC, and no other, has an offset. */
bd_cell bd_parse_formatted(const uint8_t *block, int64_t start, int64_t end, int32_t mode,
                           bool zoned, const char *format);

#endif
