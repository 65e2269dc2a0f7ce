/* Where records begin in text that is read from its start, so that it is always known whether a
 * byte is inside quotes. What a record is follows scan.h. Dialects with escapes, comments, trimmed
 * spaces or delimiters of several bytes are scanned field by field, the others by their quotes
 * alone, 64 bytes at a time.
 *
 * As in scan.h, a line feed stands at block[end], and BD_PADDING bytes may be read from there on. */

#include "scan.h"
#include "simd.h"

/* Where a position is, as `bd_position.state` has it. SPOILED: in the rest of a line after a closing
 * quote that no field end follows; there quotes are characters. */
enum { OUTSIDE, INSIDE, SPOILED };

static inline int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The position of the first such byte in block[start:end], `end` for none. */
static int64_t find(const uint8_t *block, int64_t start, int64_t end, int32_t byte)
{
    if (start >= end)
        return end;
    const uint8_t *at = memchr(block + start, byte, (size_t)(end - start));
    return at ? at - block : end;
}

/* Whether a byte ends a field: a delimiter of one byte or a line end. */
static inline bool ends_field(uint8_t c, int32_t delimiter)
{
    return c == delimiter || c == '\n' || c == '\r';
}

/* Whether a field starts at a position outside quotes. */
static inline bool starts_field(const uint8_t *block, int64_t pos, int32_t delimiter)
{
    return pos == 0 || ends_field(block[pos - 1], delimiter);
}

/* Goes on to the start of the next line: true where it is known. False where bytes are needed to
 * tell; then *pos is where to go on. */
static bool line_start(const uint8_t *block, int64_t *pos, int64_t end)
{
    for (int64_t p = *pos; p < end; p++) {
        const int64_t n = bd_line_end(block, p);
        if (n == 0)
            continue;
        if (block[p] == '\r' && p + 1 >= end) { /* a line feed may follow */
            *pos = p;
            return false;
        }
        *pos = p + n;
        return true;
    }
    *pos = end;
    return false;
}

/* Passes over whole 64 bytes before `stop`, from a position that is OUTSIDE or INSIDE to another one,
 * as long as every quote in them opens or closes a field or is one of two that are doubled, or none
 * opens a field and all are characters.
 *
 * A quote is inside the quoted text that it opens, and outside the one that it closes: that is what
 * the prefix XOR of the quotes gives. Two that are doubled are one that closes and one that opens.
 * It stops before the 64 bytes where a quote that opens follows neither a field end nor one that
 * closes, or where one that closes is followed by neither a field end nor one that opens. */
static void skip_quotes(const uint8_t *block, bd_position *position, int64_t stop, int32_t quote,
                        int32_t delimiter)
{
    const uint8_t separator = (uint8_t)(delimiter < 0 ? '\n' : delimiter);
    int64_t pos = position->pos;
    uint64_t inside = position->state == INSIDE ? UINT64_MAX : 0; /* at the last byte, in all bits */
    uint64_t closed = 0; /* 1 where the last byte is a quote that closes */
    for (; pos + 64 <= stop; pos += 64) {
        const bd_block bytes = bd_load64(block + pos);
        const uint64_t quotes = bd_match64(bytes, (uint8_t)quote);
        if (!quotes) {
            if (closed && !ends_field(block[pos], delimiter))
                break;
            closed = 0;
            continue;
        }
        const uint64_t ends =
            bd_match64(bytes, separator) | bd_match64(bytes, '\n') | bd_match64(bytes, '\r');
        const uint64_t field_starts = ends << 1 | starts_field(block, pos, delimiter);
        if (!(inside | closed | (quotes & field_starts)))
            continue; /* outside, no quote opens: all are characters */
        const uint64_t within = bd_prefix_xor(quotes) ^ inside;
        const uint64_t opening = quotes & within, closing = quotes & ~within;
        const uint64_t after_closing = closing << 1 | closed;
        if ((opening & ~(field_starts | after_closing)) | (after_closing & ~(ends | opening)))
            break;
        inside = within >> 63 ? UINT64_MAX : 0;
        closed = closing >> 63;
    }
    /* Of a quote that closes it is not known yet whether it is doubled: it is looked at again. */
    position->pos = closed ? pos - 1 : pos;
    position->state = closed || inside ? INSIDE : OUTSIDE;
}

/* `bd_next_record` of dialects with at most a quote and a delimiter of one byte. */
static bool next_plain(const uint8_t *block, bd_position *position, int64_t limit, int64_t end,
                       bool at_eof, int32_t quote, int32_t delimiter)
{
    const int64_t stop = min64(limit, end);
    int64_t pos = position->pos;
    int32_t state = position->state;
    for (;;) {
        if (quote >= 0 && state != SPOILED && stop - pos > 64) {
            /* Not over the byte before the limit: the record may start after it. */
            *position = (bd_position){pos, state};
            skip_quotes(block, position, stop - 1, quote, delimiter);
            pos = position->pos;
            state = position->state;
        }
        if (state == INSIDE) {
            pos = find(block, pos, end, quote);
            if (pos + 1 >= end) /* no quote, or one that may be doubled */
                break;
            if (block[pos + 1] == quote) {
                pos += 2;
                continue;
            }
            pos++;
            state = ends_field(block[pos], delimiter) ? OUTSIDE : SPOILED;
        }
        if (state == SPOILED) {
            if (!line_start(block, &pos, end))
                break;
            state = OUTSIDE;
            if (pos >= limit) {
                *position = (bd_position){pos, OUTSIDE};
                return true;
            }
        }
        const int64_t low = pos;
        if (pos < stop) {
            pos = quote >= 0 ? find(block, pos, stop, quote) : stop;
            if (pos < stop) {
                state = starts_field(block, pos, delimiter) ? INSIDE : OUTSIDE;
                pos++;
                continue;
            }
        }
        /* No quote before the limit: look for the first line that starts at or after it. */
        for (pos = limit - 1 > low ? limit - 1 : low; pos < end; pos++) {
            const uint8_t c = block[pos];
            if (c == '\n' || c == '\r') {
                if (!line_start(block, &pos, end))
                    break;
                *position = (bd_position){pos, OUTSIDE};
                return true;
            }
            if (c == quote && starts_field(block, pos, delimiter)) {
                state = INSIDE;
                pos++;
                break;
            }
        }
        if (state != INSIDE)
            break;
    }
    /* The limit may lie beyond the bytes. */
    *position = (bd_position){at_eof ? end : min64(pos, end), state};
    return at_eof;
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
            return min64(pos + n, end);
        pos += 1 + rules->tail_size;
    }
}

/* Where the last record, comment or blank line of block[pos:end] starts; pos for an empty one. */
int64_t bd_last_record(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    int64_t record = pos;
    while (pos < end) {
        record = pos;
        pos = bd_after_record(block, pos, end, rules);
    }
    return record;
}

/* Whether the start of the first record that starts at or after `limit` is found; it is where
 * *position is then. Where it is not found, more bytes are needed.
 *
 * block: begins with a record. *position: where to go on, first 0 and OUTSIDE, then what it was when
 * the function returned. at_eof: nothing follows `end`, which is where the last record ends. */
bool bd_next_record(const uint8_t *block, bd_position *position, int64_t limit, int64_t end,
                    bool at_eof, const bd_rules *rules)
{
    const int32_t quote = rules->quote, escape = rules->escape;
    if (rules->tail_size == 0 && !rules->trim && escape < 0 && rules->comment < 0)
        return next_plain(block, position, limit, end, at_eof, quote, rules->delimiter);

    int64_t pos = position->pos;
    if ((quote < 0 || find(block, pos, end, quote) == end) &&
        (escape < 0 || find(block, pos, end, escape) == end)) {
        /* Every line is a record; where it is not found, quotes may come with the next bytes. */
        *position = (bd_position){pos, OUTSIDE};
        const bool found = next_plain(block, position, limit, end, at_eof, -1, -1);
        if (!found)
            *position = (bd_position){pos, OUTSIDE};
        return found;
    }
    for (int64_t record = pos; pos < limit; record = pos) {
        pos = bd_after_record(block, pos, end, rules);
        if (pos >= end) {
            *position = (bd_position){at_eof ? end : record, OUTSIDE};
            return at_eof;
        }
    }
    *position = (bd_position){pos, OUTSIDE};
    return true;
}
