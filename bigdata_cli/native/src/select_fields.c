/* Some fields of whole records, as a CSV of their own: what a spool keeps of a pipe. */

#include "bigdata.h"
#include "scan.h"

#include <string.h>

/* The first record at or after pos: blank lines and comments are none. `end` where there is none.
 */
static int64_t find_record(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    while (pos < end) {
        uint8_t c = block[pos];
        if (c == rules->comment)
            pos = bd_skip_line(block, pos, end);
        else if (!rules->keep_blank && (c == '\n' || c == '\r'))
            pos += bd_line_end(block, pos);
        else
            return pos;
    }
    return end;
}

/* Where the field at `pos` ends: at a delimiter, a line end or `end`. A field that has no quotes
 * and no escapes in it is looked at here, as most are; the others by the careful scanner. */
static int64_t field_end(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    if (rules->trim || block[pos] == rules->quote)
        return bd_scan_field(block, pos, end, rules).after;
    int64_t p = pos;
    for (;; p++) {
        uint8_t c = block[p];
        if (c == '\n' || c == '\r')
            break;
        if (c == rules->delimiter && bd_is_delimiter(block, p, rules))
            break;
        if (c == rules->escape)
            return bd_scan_field(block, pos, end, rules).after;
    }
    return p < end ? p : end;
}

/* Copies the fields f with wanted[f] of all records of block[0 ... end), as they stand there:
 * quotes, escapes and spaces too. Each record begins with the byte `first`, as a field of its own,
 * so that it is never a blank line or a comment, and ends with a line feed.
 *
 * Precondition: all records have n_fields fields and are whole (a parser took them), and BD_PADDING
 * bytes may be read after `end`, the first of them a line feed. `out` has room for the bytes of the
 * block, and for each record of it two bytes and a delimiter. Returns the bytes written. */
int64_t bd_select_fields(const uint8_t *block, int64_t end, const bd_rules *rules, int64_t n_fields,
                         const uint8_t *wanted, uint8_t first, uint8_t *out)
{
    int64_t delimiter_size = 1 + rules->tail_size;
    uint8_t *to = out;
    int64_t pos = find_record(block, 0, end, rules);
    while (pos < end) {
        *to++ = first;
        for (int64_t field = 0; field < n_fields; field++) {
            int64_t stop = field_end(block, pos, end, rules);
            if (wanted[field]) {
                *to++ = (uint8_t)rules->delimiter;
                for (int64_t i = 0; i < rules->tail_size; i++)
                    *to++ = rules->tail[i];
                memcpy(to, block + pos, (size_t)(stop - pos));
                to += stop - pos;
            }
            /* The last field may be empty, and the block end after its delimiter. */
            pos = field < n_fields - 1 && stop < end ? stop + delimiter_size : stop;
        }
        *to++ = '\n';
        if (pos < end)
            pos += bd_line_end(block, pos);
        pos = find_record(block, pos, end, rules);
    }
    return to - out;
}

/* Where record `number` (from 0) of the block begins; `end` where there are not so many. The same
 * preconditions as above. */
int64_t bd_record_offset(const uint8_t *block, int64_t end, const bd_rules *rules, int64_t n_fields,
                         int64_t number)
{
    int64_t pos = find_record(block, 0, end, rules);
    for (int64_t record = 0; record < number && pos < end; record++) {
        for (int64_t field = 0; field < n_fields && pos < end; field++) {
            pos = field_end(block, pos, end, rules);
            if (field < n_fields - 1)
                pos += 1 + rules->tail_size;
        }
        if (pos < end)
            pos += bd_line_end(block, pos);
        pos = find_record(block, pos, end, rules);
    }
    return pos < end ? pos : end;
}
