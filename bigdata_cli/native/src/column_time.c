/* Stage 2 of dates, timestamps, bools, and of columns that had nothing but nulls so far. */

#include "classify.h"
#include "digits.h"
#include "parser.h"
#include "temporal.h"

/* Seconds of `HH:MM:SS` or, without seconds, `HH:MM`; -1 where there is none. Eight bytes are read.
 */
static inline int64_t scan_clock(const uint8_t *at, bool has_seconds)
{
    uint64_t word = bd_load_u64(at);
    if (!has_seconds)
        word = (word & 0xffffffffffu) | 0x30303a0000000000u; /* :00 */
    word ^= 0x30303a30303a3030u;                             /* 00:00:00 */
    const uint64_t pairs = bd_digit_pairs(word);
    const int64_t hour = pairs & 0xff, minute = pairs >> 24 & 0xff, second = pairs >> 48 & 0xff;
    if (!bd_are_digits(word) || (word & 0x0000ff0000ff0000u) || hour > 23 || minute > 59 ||
        second > 59)
        return -1;
    return (hour * 60 + minute) * 60 + second;
}

/* Nanoseconds of a fraction of a second of n digits, 0 < n <= 9; -1 for another text. Nine bytes
 * are read. */
static inline int64_t scan_fraction(const uint8_t *at, int64_t n)
{
    if (n < 1 || n > 9)
        return -1;
    uint64_t digits = bd_load_u64(at) ^ BD_ZEROS;
    if (n < 8)
        digits &= ~(UINT64_MAX << (8 * n)); /* zeros after them */
    const uint32_t last = n == 9 ? (uint32_t)(at[8] - '0') : 0;
    if (!bd_are_digits(digits) || last > 9)
        return -1;
    return (int64_t)bd_eight_digits(digits) * 10 + last;
}

/* Bytes at the end of a text that say UTC: `Z` or `+00:00`; 0 for none. The text is in front of
 * `stop`, and has six bytes. */
static inline int64_t utc_bytes(const uint8_t *stop)
{
    return stop[-1] == 'Z' ? 1 : memcmp(stop - 6, "+00:00", 6) == 0 ? 6 : 0;
}

/* A timestamp as it is mostly written, of the kind that the column has: `YYYY-MM-DD[T ]HH:MM`, then
 * nothing or `:SS`, that with a fraction or not, then the zone where the column is in UTC. Adds its
 * forms to those that were seen. False leaves it to the careful path. */
static inline bool scan_moment(const uint8_t *block, int64_t start, int64_t stop, bool zoned,
                               bool in_nanos, int64_t *forms, int64_t *number)
{
    static const int64_t MAX_NANOSECONDS_US = INT64_MAX / 1000;
    if (stop - start < 16)
        return false;
    const int64_t n_zone = zoned ? utc_bytes(block + stop) : 0;
    stop -= n_zone;
    const int64_t n = stop - start;
    const uint8_t separator = block[start + 10];
    int64_t days;
    if ((separator != ' ' && separator != 'T') || (zoned && n_zone == 0) || (n != 16 && n < 19) ||
        !bd_scan_date(block, start, start + 10, &days))
        return false;
    const int64_t seconds = scan_clock(block + start + 11, n > 16);
    int64_t nanos = 0;
    if (n > 19) {
        nanos = block[start + 19] == '.' ? scan_fraction(block + start + 20, n - 20) : -1;
        if (n - 20 > 6 && !in_nanos)
            return false;
    }
    if (seconds < 0 || nanos < 0)
        return false;
    const int64_t micros = days * BD_MICROSECONDS_PER_DAY + seconds * 1000000 + nanos / 1000;
    if (in_nanos && (micros < 0 ? -micros : micros) >= MAX_NANOSECONDS_US)
        return false;
    *number = in_nanos ? micros * 1000 + nanos % 1000 : micros;
    *forms |= (zoned ? BD_FORM_TIMESTAMP_UTC : BD_FORM_TIMESTAMP) |
              (n - 20 > 6 ? BD_FORM_NANOSECONDS : 0);
    return true;
}

bool bd_parse_times(bd_run *run)
{
    bd_column *column = run->column;
    const uint8_t *block = run->fields->block;
    const uint32_t *starts = run->parser->starts, *sizes = run->parser->sizes;
    int64_t *numbers = run->parser->numbers;
    uint8_t *valid = run->parser->valid;
    const bool is_date = column->mode == BD_MODE_DATE;
    const bool in_nanos = column->mode == BD_MODE_TIMESTAMP_NS;
    const bool zoned = column->zoned;
    const bool careful = run->fields->input->nulls->numeric[run->index] || column->format != NULL;
    int64_t n_nulls = 0, forms = 0;

    bd_find_values(run);
    for (int64_t i = 0; i < run->n; i++) {
        const int64_t start = starts[i], stop = start + sizes[i];
        valid[i] = 1;
        if (careful) {
            /* a null may look like a date, and a date in a format like another one */
        } else if (is_date) {
            if (bd_scan_date(block, start, stop, numbers + i))
                continue;
        } else if (scan_moment(block, start, stop, zoned, in_nanos, &forms, numbers + i)) {
            continue;
        }
        const bd_place place = {start, stop, run->parser->quoted[i]};
        numbers[i] = 0;
        valid[i] = !bd_is_empty(place) && !bd_is_last_null(run, place) &&
                   bd_careful_field(run, i, place, numbers + i);
        n_nulls += !valid[i];
    }
    column->forms |= forms;
    bd_measure_times(&column->moments, numbers, n_nulls ? valid : NULL, run->n);
    return bd_append_integers(column, numbers, run->n) &&
           bd_append_valid(column, valid, run->n, n_nulls);
}

/* Whether the letters of a word are those of `lower`, small ones, or with the first or all of them
 * as capitals; `all` has the bits that differ then. */
static inline bool is_word(uint64_t word, uint64_t lower, uint64_t all)
{
    const uint64_t capitals = word ^ lower;
    return (capitals == 0) | (capitals == 0x20) | (capitals == all);
}

/* 1 for true, True, TRUE; 0 for false, False, FALSE; -1 for anything else. Eight bytes are read.
 * There is no branch: which of them comes next cannot be foreseen. */
static inline int64_t scan_boolean(const uint8_t *at, uint32_t size)
{
    const uint64_t word = bd_load_u64(at);
    const bool is_true =
        (size == 4) & is_word(word & 0xffffffffu, 0x65757274, 0x20202020); /* true */
    const bool is_false =
        (size == 5) & is_word(word & 0xffffffffffu, 0x65736c6166, 0x2020202020); /* false */
    return (int64_t)is_true - !(is_true | is_false);
}

bool bd_parse_booleans(bd_run *run)
{
    bd_column *column = run->column;
    const bd_parser *parser = run->parser;
    const uint8_t *block = run->fields->block;
    int64_t *numbers = run->parser->numbers;
    uint8_t *valid = run->parser->valid;
    int64_t n_nulls = 0;
    bool loose = false;
    bd_find_values(run);
    for (int64_t i = 0; i < run->n; i++) {
        const uint8_t *at = block + parser->starts[i];
        const bd_place place = {parser->starts[i], parser->starts[i] + parser->sizes[i],
                                parser->quoted[i]};
        int64_t value = -1;
        if (!bd_may_be_null(parser, *at, parser->sizes[i]))
            value = scan_boolean(at, parser->sizes[i]);
        numbers[i] = value > 0;
        valid[i] = 1;
        if (value >= 0) {
            loose |= *at < 'a'; /* True, TRUE */
        } else {
            valid[i] = !bd_is_empty(place) && !bd_is_last_null(run, place) &&
                       bd_careful_field(run, i, place, numbers + i);
            n_nulls += !valid[i];
        }
    }
    column->forms |= loose ? BD_FORM_LOOSE : 0;
    bd_measure_int64(&column->moments, numbers, n_nulls ? valid : NULL, run->n);
    return bd_append_integers(column, numbers, run->n) &&
           bd_append_valid(column, valid, run->n, n_nulls);
}

bool bd_parse_nothing(bd_run *run)
{
    uint8_t *valid = run->parser->valid;
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < run->n; i++) {
        const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
        int64_t cell;
        valid[i] = !bd_is_empty(place) && !bd_is_last_null(run, place) &&
                   bd_careful_field(run, i, place, &cell);
        n_nulls += !valid[i];
    }
    return bd_append_valid(run->column, valid, run->n, n_nulls);
}
