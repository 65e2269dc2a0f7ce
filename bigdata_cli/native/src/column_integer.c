/* Stage 2 of integers, eight fields at a time. What is not written the usual way goes through the
 * careful path, field by field. */

#include "classify.h"
#include "eight_empty.h"
#include "eight_longs.h"
#include "parser.h"

/* The value of n digits, 0 < n <= 19; false where they are no digits. Sixteen bytes are read. */
static inline bool scan_digits(const uint8_t *at, int n, uint64_t *value)
{
    /* The last sixteen or eight, and those before them. */
    const int n_head = n > 16 ? n - 16 : n > 8 ? n - 8 : n;
    const uint64_t head = (bd_load_u64(at) ^ BD_ZEROS) << (64 - 8 * n_head);
    const uint64_t last = bd_load_u64(at + n_head) ^ BD_ZEROS;
    *value = bd_eight_digits(head);
    if (n <= 8)
        return bd_are_digits(head);
    if (n <= 16) {
        *value = *value * 100000000 + bd_eight_digits(last);
        return (int)bd_are_digits(head) & (int)bd_are_digits(last);
    }
    uint64_t tail;
    const bool good = bd_join_sixteen(bd_load_digits(at + n_head), &tail);
    *value = *value * 10000000000000000 + tail;
    return (int)bd_are_digits(head) & (int)good;
}

/* A canonical integer of the place, as 64 bits; false where it is none, or is left to the careful
 * path. */
static inline bool scan_integer(const uint8_t *block, bd_place place, bool is_signed,
                                int64_t *value)
{
    const uint8_t *at = block + place.start;
    const bool negative = is_signed && *at == '-';
    const int64_t n = place.stop - place.start - negative;
    at += negative;
    uint64_t magnitude;
    if ((uint64_t)(n - 1) >= 19 || !scan_digits(at, (int)n, &magnitude) ||
        (is_signed && magnitude > (uint64_t)INT64_MAX))
        return false;
    *value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return (*at != '0' || n == 1) && !(negative && magnitude == 0);
}

/* The integers of a column as int64, once they do not fit the width that was expected. */
static bool store_wide(bd_column *column)
{
    bd_buffer wide = {0};
    if (!bd_reserve(&wide, (column->n_rows + BD_RUN_ROWS) * 8))
        return false;
    bd_widen(column->storage, (int64_t *)wide.data, column->values.data, 0, column->n_rows);
    free(column->values.data);
    column->values = wide;
    column->storage = BD_INT64;
    return true;
}

bool bd_append_integers(bd_column *column, const int64_t *numbers, int64_t n)
{
    const int64_t width = bd_item_bytes(column->storage);
    if (!bd_reserve(&column->values, (column->n_rows + n) * width))
        return false;
    if (bd_narrow(column->storage, column->values.data + column->n_rows * width, numbers, n))
        return true;
    if (!store_wide(column) || !bd_reserve(&column->values, (column->n_rows + n) * 8))
        return false;
    return bd_narrow(BD_INT64, column->values.data + column->n_rows * 8, numbers, n);
}

/* An integer that is not short, or not written the usual way. Returns whether there is one. */
static bool parse_other(bd_run *run, int64_t i, bool careful, bool is_signed)
{
    int64_t *number = run->parser->numbers + i;
    const int64_t start = run->parser->starts[i];
    const bd_place found = {start, start + run->parser->sizes[i], false};
    if (!careful && scan_integer(run->fields->block, found, is_signed, number))
        return true;
    const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
    *number = 0;
    return !bd_is_empty(place) && !bd_is_last_null(run, place) &&
           bd_careful_field(run, i, place, number);
}

/* Take the integers of 8 to 19 digits of those of eight fields whose bit is set. Returns the bits
 * of those that were taken. */
static uint32_t take_longs(const bd_run *run, int64_t i, uint32_t wanted, bool is_signed)
{
#if defined(__AVX512BW__)
    bd_parser *parser = run->parser;
    wanted &= bd_longer_than(parser->sizes + i, 8);
    return wanted == 0
               ? 0
               : bd_eight_long_integers(run->fields->block, parser->starts + i, parser->sizes + i,
                                        wanted, is_signed, parser->numbers + i);
#else
    (void)run, (void)i, (void)wanted, (void)is_signed;
    return 0;
#endif
}

bool bd_parse_integers(bd_run *run)
{
    bd_column *column = run->column;
    bd_parser *parser = run->parser;
    int64_t *numbers = parser->numbers;
    uint8_t *valid = parser->valid;
    const bool is_signed = column->mode == BD_MODE_INT64;
    const bool careful = run->fields->input->nulls->numeric[run->index];
    bool are_long = false; /* the eight before were, and so they are taken as such first */
    int64_t n_nulls = 0;

    bd_find_values(run);
    for (int64_t i = 0; i < run->n; i += 8) {
        const int n = run->n - i < 8 ? (int)(run->n - i) : 8;
        const uint32_t empty = bd_find_empty(parser, i), wanted = 0xffu >> (8 - n) & ~empty;
        n_nulls += __builtin_popcount(empty & 0xffu >> (8 - n));
        if (wanted == 0) {
            memset(numbers + i, 0, 64);
            memset(valid + i, 0, 8);
            continue;
        }
        uint32_t good = are_long && !careful ? take_longs(run, i, wanted, is_signed) : 0;
        if (good != wanted) {
            good = bd_eight_integers(run->fields->block, parser->starts + i, parser->sizes + i,
                                     is_signed, numbers + i);
            const uint32_t longs = careful ? 0 : take_longs(run, i, wanted & ~good, is_signed);
            are_long = longs == wanted;
            good = careful ? 0 : good | longs;
        }
        if (empty)
            bd_put_empty(empty, numbers + i, valid + i);
        else
            memset(valid + i, 1, 8);
        for (uint32_t left = wanted & ~good; left; left &= left - 1) {
            const int64_t k = i + __builtin_ctz(left);
            valid[k] = parse_other(run, k, careful, is_signed);
            n_nulls += !valid[k];
        }
    }
    const uint8_t *mask = n_nulls ? valid : NULL;
    if (is_signed)
        bd_measure_int64(&column->moments, numbers, mask, run->n);
    else
        bd_measure_uint64(&column->moments, (const uint64_t *)numbers, mask, run->n);
    return bd_append_integers(column, numbers, run->n) &&
           bd_append_valid(column, valid, run->n, n_nulls);
}
