/* Stage 1: where the fields of whole records end.
 *
 * 64 bytes at a time, as simdjson does (Langdale and Lemire, "Parsing Gigabytes of JSON per
 * Second", The VLDB Journal, 2019): bit masks of quotes, delimiters and line ends; the prefix XOR
 * of the quotes tells what is quoted. That reading of the quotes is right where every quote that
 * opens stands at the start of a field or after a closing one (then it is a doubled quote), and
 * every quote that closes stands at the end of a field or before another. That is tested. A record
 * where it is not so, or that has another number of fields, is scanned by the careful scanner, and
 * so is every record of a dialect with escapes, comments, spaces to be trimmed, or a delimiter of
 * several bytes. Records that are short or long are mended there, if the dialect says so. */

#include "parser.h"
#include "scan.h"

enum { STRIP_BYTES = 1 << 16, SPARE_ENDS = 80, PREFETCH_BYTES = 2048 };

/* Where the search stands. n_ends: entries of `ends` in whole records; record: where the next
 * begins. */
typedef struct {
    const bd_input *input;
    bd_strip *strip;
    int64_t n_ends, record, stop;
    int64_t n_blank, n_short, n_long;
} search;

typedef enum { FULL, IRREGULAR, NO_MEMORY } found;

/* Whether stage 1 can read a dialect by its masks. */
static bool is_plain(const bd_rules *rules)
{
    return rules->escape < 0 && rules->comment < 0 && !rules->trim && rules->tail_size == 0;
}

/* Room for `more` entries; ends[-1] is in front of them. */
static bool reserve_ends(bd_strip *strip, int64_t n_ends, int64_t more)
{
    if (!bd_reserve(&strip->memory, (n_ends + more + SPARE_ENDS) * (int64_t)sizeof(uint32_t)))
        return false;
    strip->ends = (uint32_t *)strip->memory.data + 1;
    return true;
}

/* Write the position of every bit that is set. Up to seven entries after them are overwritten. */
static inline void write_positions(uint32_t *out, uint64_t bits, int n, uint32_t base)
{
    for (int i = 0; i < n; i += 8)
        for (int k = 0; k < 8; k++) {
            out[i + k] = base + (uint32_t)(bits ? bd_trailing_zeros(bits) : 64);
            bits &= bits - 1;
        }
}

/* What the masks of 64 bytes say. */
typedef struct {
    uint64_t separators; /* delimiters and line ends outside quotes */
    uint64_t line_ends;  /* of them, line ends; CR LF counts once, at the LF */
    uint64_t wrong;      /* quotes that are neither at the edge of a field nor doubled */
} masks;

/* What is carried from one block to the next. */
typedef struct {
    uint64_t inside;  /* all ones where the block begins within quotes */
    uint64_t before;  /* 1 where an opening quote may be the block's first byte */
    uint64_t closing; /* 1 where the byte before the block is a closing quote */
} carry;

static inline masks find_masks(const bd_input *input, int64_t base, carry *carried, bd_strip *strip)
{
    const bd_rules *rules = input->rules;
    const uint8_t *at = input->block + base;
    const bd_block bytes = bd_load64(at);
    /* The block is larger than the second cache, and processors do not fetch across pages. */
    __builtin_prefetch(at + PREFETCH_BYTES);
    const int64_t left = input->size - base;
    /* The line feed at `size` ends a last line; what is behind it is not data. */
    const uint64_t data = left >= 63 ? UINT64_MAX : ((uint64_t)2 << left) - 1;
    const uint64_t feeds = bd_match64(bytes, '\n') & data;
    const uint64_t returns = bd_match64(bytes, '\r') & data;
    const uint64_t quotes = rules->quote >= 0 ? bd_match64(bytes, (uint8_t)rules->quote) & data : 0;
    uint64_t delimiters = 0;
    if (rules->delimiter >= 0)
        delimiters = bd_match64(bytes, (uint8_t)rules->delimiter) & data;

    strip->not_ascii |= (bd_not_ascii64(bytes) & data) != 0;
    uint64_t line_ends = feeds;
    if (returns) {
        const uint64_t feed_follows = feeds >> 1 | (uint64_t)(at[64] == '\n') << 63;
        line_ends |= returns & ~feed_follows;
        strip->has_returns = true;
    }
    if (quotes == 0 && carried->inside == 0) {
        const uint64_t edges = delimiters | feeds | returns;
        const uint64_t wrong = carried->closing & ~edges;
        *carried = (carry){0, edges >> 63, 0};
        return (masks){delimiters | line_ends, line_ends, wrong};
    }
    strip->has_quotes = true;
    const uint64_t inside = bd_prefix_xor(quotes) ^ carried->inside;
    const uint64_t edges = (delimiters | feeds | returns) & ~inside;
    const uint64_t opening = quotes & inside, closing = quotes & ~inside;
    const uint64_t may_open = (edges | closing) << 1 | carried->before;
    const uint64_t may_follow = edges | opening;
    strip->has_doubled |= (opening & (closing << 1 | carried->closing)) != 0;
    const uint64_t top = (uint64_t)1 << 63;
    const uint64_t wrong = (opening & ~may_open) | (closing & ~(may_follow >> 1) & ~top) |
                           (carried->closing & ~may_follow);
    *carried = (carry){(uint64_t)((int64_t)inside >> 63), (edges | closing) >> 63, closing >> 63};
    return (masks){(delimiters | line_ends) & ~inside, line_ends & ~inside, wrong};
}

/* Whether a record without a field's byte ends here: a blank line. */
static inline bool is_blank(const bd_input *input, int64_t record, int64_t end)
{
    return record == end ||
           (record + 1 == end && input->block[record] == '\r' && input->block[end] == '\n');
}

/* Whether nothing stands between the last delimiter of a record and its line end. */
static inline bool ends_with_delimiter(const uint8_t *block, const uint32_t *ends, int64_t end)
{
    const int64_t first = (int64_t)ends[-1] + 1;
    return first == end || (first + 1 == end && block[first] == '\r' && block[end] == '\n');
}

/* Regular records from s->record on. FULL: a record starts at or after s->stop. IRREGULAR: that at
 * s->record needs the careful scanner. */
static found find_regular(search *s)
{
    const bd_input *input = s->input;
    const int64_t n_fields = input->n_fields, size = input->size;
    const bool skips_blanks = !input->rules->keep_blank, drops_last = input->rules->drops_last;
    carry carried = {0, 1, 0};
    int64_t n_ends = s->n_ends, first = n_ends;

    for (int64_t base = s->record; base < size; base += 64) {
        if (!reserve_ends(s->strip, n_ends, 64))
            return NO_MEMORY;
        uint32_t *ends = s->strip->ends;
        masks mask = find_masks(input, base, &carried, s->strip);
        if (mask.wrong) {
            const uint64_t good = (mask.wrong & -mask.wrong) - 1;
            mask.separators &= good;
            mask.line_ends &= good;
        }
        int n = __builtin_popcountll(mask.separators);
        write_positions(ends + n_ends, mask.separators, n, (uint32_t)base);

        for (uint64_t left = mask.line_ends; left; left &= left - 1) {
            const int bit = bd_trailing_zeros(left);
            const int64_t end = base + bit;
            const uint64_t below = ((uint64_t)1 << bit) - 1;
            const int64_t last = n_ends + __builtin_popcountll(mask.separators & below);
            if (end + 1 >= size && !input->at_eof)
                return IRREGULAR; /* the record, or its line end, may go on */
            if (last == first && skips_blanks && is_blank(input, s->record, end)) {
                /* Its entry goes; the first field of the next record skips the line ends. */
                n--;
                memmove(ends + last, ends + last + 1, (size_t)(n_ends + n - last) * 4);
                mask.separators &= ~((uint64_t)1 << bit);
                s->n_blank++;
                s->strip->has_blanks = true;
            } else if (last + 1 - first != n_fields ||
                       (drops_last && !ends_with_delimiter(input->block, ends + last, end))) {
                return IRREGULAR;
            } else {
                first = last + 1;
                s->n_ends = first;
            }
            s->record = end + 1 < size ? end + 1 : size;
            if (s->record >= s->stop)
                return FULL;
        }
        if (mask.wrong)
            return IRREGULAR;
        n_ends += n;
    }
    return IRREGULAR;
}

/* A record as the careful scanner reads it. pos: where its last field ends, or what is wrong
 * stands. n_found: its fields; goes_on: others follow; quoted: the field that takes a surplus is.
 */
typedef struct {
    int64_t pos, n_found;
    bool goes_on, quoted;
} scanned_record;

/* The fields of the record at s->record, up to its line end; where a surplus is wrong, without it.
 * Their ends are written after those of the records before. Returns BD_DONE,
 * BD_NO_MEMORY, or what is wrong with a field. */
static int32_t scan_fields(search *s, scanned_record *record)
{
    const bd_input *input = s->input;
    const bd_rules *rules = input->rules;
    int64_t pos = s->record;

    *record = (scanned_record){0};
    for (int64_t field = 0;; field++) {
        if (field % 64 == 0 && !reserve_ends(s->strip, s->n_ends + field, input->n_fields + 64))
            return BD_NO_MEMORY;
        const bd_field scanned = bd_scan_field(input->block, pos, input->size, rules);
        record->n_found = field + 1;
        record->pos = pos = scanned.after;
        if (scanned.status != BD_DONE)
            return scanned.status;
        s->strip->ends[s->n_ends + field] = (uint32_t)pos;
        if (field == rules->join_field)
            record->quoted = scanned.quoted;
        if (pos >= input->size || !bd_is_delimiter(input->block, pos, rules))
            return BD_DONE;
        record->goes_on = field + 1 == input->n_fields && rules->long_rows == BD_LONG_IS_WRONG;
        if (record->goes_on)
            return BD_DONE;
        pos += 1 + rules->tail_size;
    }
}

/* Have the ends of a record that was scanned be those of n_fields fields. Returns BD_DONE,
 * BD_TOO_FEW or BD_TOO_MANY; *contiguous as in scan_careful. */
static int32_t mend_record(search *s, const scanned_record *record, bool *contiguous)
{
    const bd_input *input = s->input;
    const bd_rules *rules = input->rules;
    const int64_t n_fields = input->n_fields, n_wanted = n_fields - rules->drops_last;
    uint32_t *ends = s->strip->ends + s->n_ends;
    int64_t n = record->n_found + record->goes_on;

    /* Nothing after the last delimiter is no field. */
    if (rules->drops_last && n > n_wanted && !record->goes_on) {
        int64_t start = (int64_t)ends[n - 2] + 1 + rules->tail_size;
        while (rules->trim && start < (int64_t)ends[n - 1] && input->block[start] == ' ')
            start++;
        n -= start == (int64_t)ends[n - 1];
    }
    if (n < n_wanted) {
        if (!rules->fills_short)
            return BD_TOO_FEW;
        s->n_short++;
    } else if (n > n_wanted) {
        if (rules->long_rows == BD_LONG_IS_WRONG ||
            (rules->long_rows == BD_LONG_IS_JOINED && record->quoted))
            return BD_TOO_MANY;
        s->n_long++;
        if (rules->long_rows == BD_LONG_IS_CUT) {
            *contiguous = false; /* the next record is not where the last field ends */
            return BD_DONE;
        }
        const int64_t surplus = n - n_wanted, from = rules->join_field;
        memmove(ends + from, ends + from + surplus, (size_t)(n_wanted - from) * sizeof *ends);
        n = n_wanted;
    }
    for (int64_t field = n; field < n_fields; field++) {
        ends[field] = (uint32_t)record->pos;
        s->strip->has_missing = true;
    }
    return BD_DONE;
}

/* A comment or blank line at s->record. Returns BD_DONE or BD_MORE. */
static int32_t skip_no_record(search *s, bool *contiguous)
{
    const bd_input *input = s->input;
    const uint8_t *block = input->block;
    const bool is_comment = block[s->record] == input->rules->comment;
    const int64_t start = bd_line_start(block, s->record, input->rules);
    const int64_t after = is_comment ? bd_skip_line(block, s->record, input->size)
                                     : start + bd_line_end(block, start);
    if (after >= input->size && !input->at_eof)
        return BD_MORE;
    s->record = after < input->size ? after : input->size;
    if (is_comment) {
        *contiguous = false;
    } else {
        s->n_blank++;
        s->strip->has_blanks = true;
    }
    return BD_DONE;
}

/* The record, comment or blank line at s->record by the careful scanner. Returns BD_DONE, BD_MORE,
 * BD_NO_MEMORY, or what is wrong with the record; *n_seen: its fields up to there. `contiguous` is
 * false after a comment, and a record that was cut: what follows is not where the line before
 * ended. */
static int32_t scan_careful(search *s, int64_t *n_seen, int64_t *wrong_at, bool *contiguous)
{
    const bd_input *input = s->input;
    const bd_rules *rules = input->rules;
    const uint8_t *block = input->block;
    const int64_t size = input->size;

    *n_seen = 0;
    s->strip->has_quotes = s->strip->has_doubled = s->strip->not_ascii = true;
    if (block[s->record] == rules->comment ||
        (!rules->keep_blank && bd_line_end(block, bd_line_start(block, s->record, rules))))
        return skip_no_record(s, contiguous);
    scanned_record record;
    int32_t wrong = scan_fields(s, &record);
    if (wrong == BD_NO_MEMORY)
        return wrong;
    bool follows = true;
    if (wrong == BD_DONE)
        wrong = mend_record(s, &record, &follows);
    int64_t pos = record.pos;
    *n_seen = record.n_found;
    if (wrong != BD_DONE) {
        *wrong_at = pos;
        return !input->at_eof && (wrong == BD_UNTERMINATED || pos >= size) ? BD_MORE : wrong;
    }
    const int64_t skip = bd_line_end(block, pos);
    uint32_t *last = s->strip->ends + s->n_ends + input->n_fields - 1;
    if (skip == 2 && rules->escape < 0 && follows) { /* as stage 1 has it: the end is at the LF */
        *last = (uint32_t)(pos + 1);
        s->strip->has_returns = true;
    } else if (skip == 2) { /* a CR before a LF may be an escaped one: the end is at the CR */
        s->strip->has_blanks = true;
    }
    pos += skip;
    if (pos >= size) {
        if (!input->at_eof)
            return BD_MORE;
        pos = size;
    }
    s->record = pos;
    s->n_ends += input->n_fields;
    *contiguous = follows;
    return BD_DONE;
}

/* List a wrong record and go on after it. Returns BD_DONE; BD_MORE where the record may go on; or
 * BD_FULL where the list is full. */
static int32_t skip_wrong(search *s, int32_t wrong, int64_t n_seen, int64_t at, bd_outcome *outcome)
{
    const bd_input *input = s->input;
    if (outcome->n_bad == input->max_bad)
        return BD_FULL;
    int64_t after;
    if (wrong == BD_AFTER_QUOTE)
        after = bd_skip_line(input->block, at, input->size);
    else
        after = bd_skip_record(input->block, at, input->size, input->rules);
    if (after >= input->size && !input->at_eof)
        return BD_MORE;
    input->bad[outcome->n_bad] = (bd_bad_record){s->record, after, wrong, n_seen};
    outcome->n_bad++;
    s->record = after;
    return BD_DONE;
}

int32_t bd_find_strip(struct bd_parser *parser, const bd_input *input, int64_t pos, int64_t stop,
                      bd_outcome *outcome)
{
    bd_strip *strip = &parser->strip;
    search s = {.input = input, .strip = strip, .record = pos};
    s.stop = stop < pos + STRIP_BYTES ? stop : pos + STRIP_BYTES;
    strip->start = pos;
    strip->has_returns = strip->has_blanks = strip->has_missing = false;
    strip->has_quotes = strip->has_doubled = strip->not_ascii = false;
    if (!reserve_ends(strip, 0, 0))
        return BD_NO_MEMORY;
    strip->ends[-1] = (uint32_t)pos - 1u;

    const bool plain = is_plain(input->rules);
    bool contiguous = true;
    int32_t status = BD_DONE;
    while (s.record < s.stop && s.record < input->size && contiguous) {
        if (plain) {
            const found what = find_regular(&s);
            if (what == NO_MEMORY)
                return BD_NO_MEMORY;
            if (what == FULL)
                break;
        }
        int64_t n_seen, wrong_at = 0;
        status = scan_careful(&s, &n_seen, &wrong_at, &contiguous);
        if (status == BD_DONE)
            continue;
        if (status > BD_FULL && status != BD_NO_MEMORY && input->max_bad > 0) {
            status = skip_wrong(&s, status, n_seen, wrong_at, outcome);
            if (status == BD_DONE)
                break; /* what follows is not where the last good record ended */
        }
        outcome->position = s.record;
        outcome->n_seen = n_seen;
        return status;
    }
    strip->n_rows = s.n_ends / input->n_fields;
    strip->after = s.record;
    outcome->n_blank += s.n_blank;
    outcome->n_short += s.n_short;
    outcome->n_long += s.n_long;
    return BD_DONE;
}
