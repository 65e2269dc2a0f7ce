/* Some fields of whole records, as a CSV of their own: what a spool keeps of a pipe. */

#include "bigdata.h"
#include "scan.h"

#include <string.h>

/* The first record at or after pos: blank lines and comments are none. `end` where there is none.
 */
static int64_t find_record(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    while (pos < end) {
        const int64_t start = bd_line_start(block, pos, rules);
        const int64_t skip = bd_line_end(block, start);
        if (block[pos] == rules->comment)
            pos = bd_skip_line(block, pos, end);
        else if (!rules->keep_blank && skip)
            pos = start + skip;
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

/* How many fields the record at `pos` has; where nothing stands after its last delimiter (or
 * spaces, if the dialect trims fields), and the dialect drops that, one less. */
static int64_t count_fields(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    for (int64_t n = 1;; n++) {
        const int64_t stop = field_end(block, pos, end, rules);
        if (stop >= end || bd_line_end(block, stop)) {
            while (rules->trim && pos < stop && block[pos] == ' ')
                pos++;
            return n - (rules->drops_last && n > 1 && stop == pos);
        }
        pos = stop + 1 + rules->tail_size;
    }
}

/* A field; in quotes, if `quote` is not -1, as one with delimiters in it. Returns where it ends. */
static uint8_t *copy_field(uint8_t *to, const uint8_t *from, int64_t n, int32_t quote)
{
    if (quote < 0) {
        memcpy(to, from, (size_t)n);
        return to + n;
    }
    *to++ = (uint8_t)quote;
    for (int64_t i = 0; i < n; i++) {
        if (from[i] == quote)
            *to++ = (uint8_t)quote;
        *to++ = from[i];
    }
    *to++ = (uint8_t)quote;
    return to;
}

/* Copies the fields f with wanted[f] of all records of block[0 ... end), as they stand there:
 * quotes, escapes and spaces too. Each record begins with the byte `first`, as a field of its own,
 * so that it is never a blank line or a comment, and ends with a line feed. Records that the
 * dialect mends are mended.
 *
 * Precondition: a parser took all records, they are whole, and BD_PADDING bytes may be read after
 * `end`, the first of them a line feed. `out` has room for the bytes of the block, and for each
 * record of it two bytes and a delimiter; where records are mended, for twice the bytes, and a
 * delimiter for each field. Returns the bytes written. */
int64_t bd_select_fields(const uint8_t *block, int64_t end, const bd_rules *rules, int64_t n_fields,
                         const uint8_t *wanted, uint8_t first, uint8_t *out)
{
    const int64_t delimiter_size = 1 + rules->tail_size;
    const int64_t n_wanted = n_fields - rules->drops_last;
    const bool joins = rules->long_rows == BD_LONG_IS_JOINED;
    uint8_t *to = out;
    int64_t pos = find_record(block, 0, end, rules);
    while (pos < end) {
        const int64_t surplus = joins ? count_fields(block, pos, end, rules) - n_wanted : 0;
        int64_t stop = pos;
        bool ended = false; /* the record has no other field */
        *to++ = first;
        for (int64_t field = 0; field < n_fields; field++) {
            const int64_t n_joined = joins && field == rules->join_field ? surplus : 0;
            stop = ended ? pos : field_end(block, pos, end, rules);
            for (int64_t i = 0; i < n_joined; i++)
                stop = field_end(block, stop + delimiter_size, end, rules);
            if (wanted[field]) {
                *to++ = (uint8_t)rules->delimiter;
                for (int64_t i = 0; i < rules->tail_size; i++)
                    *to++ = rules->tail[i];
                int64_t from = pos, to_here = stop;
                /* Within the quotes around joined fields spaces would be kept. */
                if (n_joined > 0 && rules->trim)
                    bd_trim_field(block, rules, &from, &to_here);
                to = copy_field(to, block + from, to_here - from, n_joined > 0 ? rules->quote : -1);
            }
            /* The last field may be empty, and the block end after its delimiter. */
            ended = ended || stop >= end || bd_line_end(block, stop);
            pos = ended ? stop : stop + delimiter_size;
        }
        *to++ = '\n';
        pos = find_record(block, bd_skip_record(block, stop, end, rules), end, rules);
    }
    return to - out;
}

/* Where record `number` (from 0) of the block begins; `end` where there are not so many. The same
 * preconditions as above. */
int64_t bd_record_offset(const uint8_t *block, int64_t end, const bd_rules *rules, int64_t number)
{
    int64_t pos = find_record(block, 0, end, rules);
    for (int64_t record = 0; record < number && pos < end; record++)
        pos = find_record(block, bd_after_record(block, pos, end, rules), end, rules);
    return pos < end ? pos : end;
}
