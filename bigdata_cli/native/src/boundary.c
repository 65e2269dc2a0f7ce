/* Where records begin in text that is read from its start. What a record is follows scan.h, whose
 * functions decide. Where text is as it mostly is, records are passed over 64 bytes at a time.
 *
 * As in scan.h, a line feed stands at block[end], and BD_PADDING bytes may be read from there on.
 */

#include "scan.h"
#include "simd.h"

/* What is carried from 64 bytes to the next ones. All but `inside` are bits for their first byte.
 */
typedef struct {
    uint64_t inside;  /* all bits set: it is inside quotes */
    uint64_t closed;  /* it follows a quote that closes */
    uint64_t ended;   /* it follows the end of a field */
    uint64_t escaped; /* it follows an escape */
} carry;

/* The bytes that follow an escape which is not escaped itself. */
static uint64_t find_escaped(uint64_t escapes, uint64_t *first)
{
    uint64_t escaped = *first;
    escapes &= ~escaped;
    *first = 0;
    while (escapes) {
        const uint64_t bit = escapes & -escapes;
        escaped |= bit << 1;
        *first = bit >> 63;
        escapes &= ~(bit | bit << 1);
    }
    return escaped;
}

/* Follows the quotes of 64 bytes: `ends` are their field ends, as far as they are outside quotes.
 * Returns whether all are regular; then *within are the bytes inside quotes, and `state` is that of
 * the next bytes.
 *
 * A quote that opens is inside, one that closes is not: that is the prefix XOR of the quotes. Two
 * that are doubled are one that closes and one that opens. They are regular where one that opens
 * follows a field end or one that closes, and what follows one that closes is a field end or one
 * that opens. Where none follows a field end, all are characters, but not regular if `strict`. */
static inline bool follow_quotes(uint64_t quotes, uint64_t ends, bool strict, carry *state,
                                 uint64_t *within)
{
    const uint64_t field_starts = ends << 1 | state->ended;
    if (!(state->inside | state->closed | (quotes & field_starts))) {
        *within = 0;
        return !strict;
    }
    *within = bd_prefix_xor(quotes) ^ state->inside;
    const uint64_t opening = quotes & *within, closing = quotes & ~*within;
    const uint64_t after_closing = closing << 1 | state->closed;
    if ((opening & ~(field_starts | after_closing)) | (after_closing & ~(ends | opening)))
        return false;
    state->inside = *within >> 63 ? UINT64_MAX : 0;
    state->closed = closing >> 63;
    return true;
}

/* Passes over records, from the start of one to that of another one at or before `stop`: the last
 * one that is found in whole 64 bytes, as long as they have none of these: quotes that are not
 * regular; any quotes, where the delimiter has several bytes; comments. */
static int64_t skip_records(const uint8_t *block, int64_t record, int64_t stop,
                            const bd_rules *rules)
{
    const int32_t delimiter = rules->delimiter, quote = rules->quote, comment = rules->comment;
    const int32_t escape = rules->escape == quote ? -1 : rules->escape;
    /* Quotes that follow no field end may be escapes, or open a field after spaces. */
    const bool strict = rules->escape == quote || rules->trim;
    carry state = {.ended = 1};
    for (int64_t pos = record; pos + 64 <= stop; pos += 64) {
        const bd_block bytes = bd_load64(block + pos);
        uint64_t quotes = quote < 0 ? 0 : bd_match64(bytes, (uint8_t)quote);
        const uint64_t feeds = bd_match64(bytes, '\n'), returns = bd_match64(bytes, '\r');
        const uint64_t before_feed = feeds >> 1 | (uint64_t)(block[pos + 64] == '\n') << 63;
        uint64_t lines = feeds | (returns & ~before_feed); /* the last byte of each line end */
        uint64_t ends = feeds | returns;
        if (delimiter >= 0)
            ends |= bd_match64(bytes, (uint8_t)delimiter);
        if (rules->runs)
            ends |= bd_match64(bytes, '\t');
        if (escape >= 0) {
            const uint64_t escapes = bd_match64(bytes, (uint8_t)escape);
            const uint64_t plain = ~find_escaped(escapes, &state.escaped);
            quotes &= plain;
            lines &= plain;
            ends &= plain;
        }
        if (comment >= 0) {
            const uint64_t line_starts = lines << 1 | (pos == record);
            if (bd_match64(bytes, (uint8_t)comment) & line_starts)
                break;
        }
        uint64_t within = state.inside;
        if (quotes | state.closed) {
            if (rules->tail_size > 0 || !follow_quotes(quotes, ends, strict, &state, &within))
                break;
        }
        state.ended = ends >> 63;
        lines &= ~within;
        if (lines)
            record = pos + 64 - __builtin_clzll(lines);
    }
    return record;
}

/* The position after the record, comment or blank line that starts at pos < end; at most `end`. */
int64_t bd_after_record(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    if (block[pos] == rules->comment)
        return bd_skip_line(block, pos, end);
    for (;;) {
        const bd_field field = bd_scan_field(block, pos, end, rules);
        if (field.status != BD_DONE)
            return bd_skip_line(block, field.after, end);
        pos = field.after;
        if (pos >= end)
            return end;
        const int64_t n = bd_line_end(block, pos);
        if (n)
            return pos + n < end ? pos + n : end;
        pos += 1 + rules->tail_size;
    }
}

/* Where the last record, comment or blank line of block[pos:end] starts; pos for an empty one. */
int64_t bd_last_record(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    int64_t record = pos;
    while (pos < end) {
        record = skip_records(block, pos, end - 1, rules);
        pos = bd_after_record(block, record, end, rules);
    }
    return record;
}

/* Whether the start of the first record that starts at or after `limit` is found; *pos is where it
 * is then. Where it is not found, more bytes are needed.
 *
 * *pos: the start of a record; at first 0, then what it was when the function returned. at_eof:
 * nothing follows `end`, which is where the last record ends. */
bool bd_next_record(const uint8_t *block, int64_t *pos, int64_t limit, int64_t end, bool at_eof,
                    const bd_rules *rules)
{
    /* Not over the byte before the limit: the record may start after it. */
    const int64_t stop = (limit < end ? limit : end) - 1;
    while (*pos < limit) {
        const int64_t record = skip_records(block, *pos, stop, rules);
        const int64_t after = record < end ? bd_after_record(block, record, end, rules) : end;
        if (after >= end) {
            *pos = at_eof ? end : record;
            return at_eof;
        }
        *pos = after;
    }
    return true;
}
