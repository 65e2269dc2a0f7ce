/* The careful scanner of records: fields, quotes, line ends, in any dialect.
 *
 * For all functions: `block` holds text up to `end`, a line feed stands at block[end], and
 * BD_PADDING bytes may be read from there on. That is why no function tests whether the byte at
 * `end` or just after it is there. Positions are indices into `block`. */

#ifndef BD_SCAN_H
#define BD_SCAN_H

#include "bigdata.h"
#include "dialect.h"

/* Why a scan stopped. BD_MORE: the record goes on beyond the bytes. BD_FULL: no room for another
 * record. The last four are wrong records. */
enum { BD_DONE, BD_MORE, BD_FULL, BD_TOO_FEW, BD_TOO_MANY, BD_AFTER_QUOTE, BD_UNTERMINATED };

/* A field. [start, stop): its content, without the quotes around it. escaped: quotes or escapes in
 * it must be undone. after: the position that follows, at a delimiter, a line end, or `end`; at the
 * first byte that is wrong where the status is BD_AFTER_QUOTE. status: BD_DONE, BD_AFTER_QUOTE or
 * BD_UNTERMINATED. */
typedef struct bd_field {
    int64_t start, stop, after;
    bool quoted, escaped;
    int32_t status;
} bd_field;

/* The field that starts at pos <= end. */
bd_field bd_scan_field(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules);

/* `bd_scan_field` where it is known that the field's opening quote stands at pos, or before it. */
bd_field bd_scan_quoted(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules);

/* Whether a delimiter stands at pos. */
static inline bool bd_is_delimiter(const uint8_t *block, int64_t pos, const bd_rules *rules)
{
    if (block[pos] != rules->delimiter)
        return rules->runs && block[pos] == '\t';
    for (int64_t i = 0; i < rules->tail_size; i++)
        if (block[pos + 1 + i] != rules->tail[i])
            return false;
    return true;
}

/* Bytes of the line end at pos: 2 for CR LF, 1 for LF or CR, 0 for none. */
static inline int64_t bd_line_end(const uint8_t *block, int64_t pos)
{
    if (block[pos] == '\n')
        return 1;
    if (block[pos] == '\r')
        return block[pos + 1] == '\n' ? 2 : 1;
    return 0;
}

static inline bool bd_is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Where the line at pos begins: after spaces, where runs of them are the delimiter. */
static inline int64_t bd_line_start(const uint8_t *block, int64_t pos, const bd_rules *rules)
{
    while (rules->runs && bd_is_space(block[pos]))
        pos++;
    return pos;
}

/* Move *start and *stop over the spaces around a field of a dialect that trims them. */
static inline void bd_trim_field(const uint8_t *block, const bd_rules *rules, int64_t *start,
                                 int64_t *stop)
{
    while (*start < *stop && (block[*start] == ' ' || (rules->runs && block[*start] == '\t')))
        (*start)++;
    while (*stop > *start && (block[*stop - 1] == ' ' || (rules->runs && block[*stop - 1] == '\t')))
        (*stop)--;
}

/* The position after the first line end at or after pos, at most `end`. */
int64_t bd_skip_line(const uint8_t *block, int64_t pos, int64_t end);

/* The position after the record that goes on at pos, the end of one of its fields; at most `end`.
 * After a field that is wrong, the record ends with the line. */
int64_t bd_skip_record(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules);

#endif
