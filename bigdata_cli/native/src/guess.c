/* Where a record begins in text that is entered in its midst, maybe inside quotes: both readings
 * are tried. As in scan.h, a line feed stands at block[size], and padding after it. */

#include <string.h>

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

/* The position after the record that goes on after `field`; -1 where a quote in it is followed by
 * what cannot follow it, -2 where the record goes on beyond the block. */
static int64_t after_fields(const uint8_t *block, bd_field field, int64_t size,
                            const bd_rules *rules)
{
    while (field.status == BD_DONE && field.after < size) {
        const int64_t p = field.after, n = bd_line_end(block, p);
        if (n)
            return p + n < size ? p + n : size;
        field = bd_scan_field(block, p + 1 + rules->tail_size, size, rules);
    }
    return field.status == BD_AFTER_QUOTE ? -1 : -2;
}

/* The position after the record that position 1 is in, outside quotes; as after_fields. */
int64_t bd_after_unquoted_record(const uint8_t *block, int64_t size, const bd_rules *rules)
{
    return after_fields(block, bd_scan_field(block, 1, size, rules), size, rules);
}

/* The position after the record whose quoted field goes on at position 1; as after_fields. */
int64_t bd_after_quoted_record(const uint8_t *block, int64_t size, const bd_rules *rules)
{
    const int64_t after = after_fields(block, bd_scan_quoted(block, 0, size, rules), size, rules);
    /* Position 1 may be the second one of two quotes. */
    if (after == -1 && size > 1 && block[1] == rules->quote)
        return after_fields(block, bd_scan_quoted(block, 1, size, rules), size, rules);
    return after;
}

/* Whether an unquoted field has a quote in it. */
static bool is_suspect(const uint8_t *block, const bd_field *field, const bd_rules *rules)
{
    return !field->quoted && rules->quote >= 0 && field->stop > field->start &&
           memchr(block + field->start, rules->quote, (size_t)(field->stop - field->start)) != NULL;
}

/* How many of at most `most` records from pos on have n_fields fields, none of them unquoted and
 * with a quote in it, until one has not; less 1 where one has not. at_eof: nothing follows `end`,
 * so that a quote that is not closed is wrong. */
int64_t bd_count_good_records(const uint8_t *block, int64_t pos, int64_t end, bool at_eof,
                              const bd_rules *rules, int64_t n_fields, int64_t most)
{
    int64_t good = 0;
    while (pos < end && good < most) {
        const int64_t start = bd_line_start(block, pos, rules);
        const int64_t skip = bd_line_end(block, start);
        if (skip) {
            pos = start + skip;
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
            if (field.status != BD_DONE || is_suspect(block, &field, rules))
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
