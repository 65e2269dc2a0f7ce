/* Where a record begins in text that is entered in its midst, maybe inside quotes: both readings
 * are tried. As in scan.h, a line feed stands at block[size], and padding after it. */

#include "scan.h"

/* The position after the first line end in the block; -1 for none. */
int64_t bd_after_line_end(const uint8_t *block, int64_t size)
{
    for (int64_t p = 0; p < size; p++) {
        const int64_t n = bd_line_end(block, p);
        if (n)
            return p + n < size ? p + n : size;
    }
    return -1;
}

/* The position after the record whose quoted field goes on at position 1; -1 where there is no such
 * field, since something follows a quote that would have to end it; -2 where it goes on beyond the
 * block. */
int64_t bd_after_quoted_record(const uint8_t *block, int64_t size, const bd_rules *rules)
{
    bd_field field = bd_scan_quoted(block, 0, size, rules);
    while (field.status == BD_DONE && field.after < size) {
        const int64_t p = field.after, n = bd_line_end(block, p);
        if (n)
            return p + n < size ? p + n : size;
        field = bd_scan_field(block, p + 1 + rules->tail_size, size, rules);
    }
    return field.status == BD_AFTER_QUOTE ? -1 : -2;
}

/* How many of at most `most` records from pos on have n_fields fields, until one has not; less 1
 * where one has not. at_eof: nothing follows `end`, so that a quote that is not closed is wrong. */
int64_t bd_count_good_records(const uint8_t *block, int64_t pos, int64_t end, bool at_eof,
                              const bd_rules *rules, int64_t n_fields, int64_t most)
{
    int64_t good = 0;
    while (pos < end && good < most) {
        const int64_t skip = bd_line_end(block, pos);
        if (skip) {
            pos += skip;
            continue;
        }
        if (block[pos] == rules->comment) {
            pos = bd_skip_line(block, pos, end);
            continue;
        }
        for (int64_t fields = 1;; fields++) {
            const bd_field field = bd_scan_field(block, pos, end, rules);
            if (field.status == BD_UNTERMINATED)
                return at_eof ? good - 1 : good;
            if (field.status != BD_DONE)
                return good - 1;
            pos = field.after;
            if (pos >= end)
                return good;
            const int64_t n = bd_line_end(block, pos);
            if (n == 0) {
                pos += 1 + rules->tail_size;
                continue;
            }
            if (fields != n_fields)
                return good - 1;
            pos += n;
            break;
        }
        good++;
    }
    return good;
}
