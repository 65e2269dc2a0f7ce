/* Stage 2 of numbers: integers and floats, eight digits at a time. What is not written the usual
 * way goes through the careful path, field by field. */

#include "classify.h"
#include "digits.h"
#include "number.h"
#include "parser.h"

/* The value of n digits, 0 < n <= 8, at `at`; false where they are no digits. Eight bytes are read.
 */
static inline bool up_to_eight(const uint8_t *at, int64_t n, uint64_t *value)
{
    const uint64_t digits = (bd_load_u64(at) ^ BD_ZEROS) << (64 - 8 * n);
    *value = bd_eight_digits(digits);
    return bd_are_digits(digits);
}

/* The value of n digits, 8 < n <= 19. The last eight are read from their own place. */
static bool up_to_nineteen(const uint8_t *at, int64_t n, uint64_t *value)
{
    static const uint64_t EIGHT = 100000000;
    uint64_t head, middle = 0, tail;
    const int64_t n_head = n > 16 ? n - 16 : n - 8;
    bool good = up_to_eight(at, n_head, &head);
    good = up_to_eight(at + n - 8, 8, &tail) && good;
    if (n > 16) {
        good = up_to_eight(at + n_head, 8, &middle) && good;
        head = head * EIGHT + middle;
    }
    *value = head * EIGHT + tail;
    return good;
}

/* A canonical integer of the place, as 64 bits; false where it is none, or is left to the careful
 * path. */
static inline bool scan_integer(const uint8_t *block, bd_place place, bool is_signed,
                                int64_t *value)
{
    const uint8_t *at = block + place.start;
    int64_t n = place.stop - place.start;
    const bool negative = is_signed && *at == '-';
    at += negative;
    n -= negative;
    uint64_t magnitude;
    if ((uint64_t)(n - 1) < 8) {
        if (!up_to_eight(at, n, &magnitude))
            return false;
    } else if ((uint64_t)(n - 1) < 19) {
        if (!up_to_nineteen(at, n, &magnitude))
            return false;
        if (is_signed && magnitude > (uint64_t)INT64_MAX)
            return false;
    } else {
        return false;
    }
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
    const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
    if (!careful && scan_integer(run->fields->block, place, is_signed, number))
        return true;
    *number = 0;
    return !bd_is_empty(place) && bd_careful_field(run, i, place, number);
}

bool bd_parse_integers(bd_run *run)
{
    bd_column *column = run->column;
    bd_parser *parser = run->parser;
    int64_t *numbers = parser->numbers;
    uint8_t *valid = parser->valid;
    const bool is_signed = column->mode == BD_MODE_INT64;
    const bool careful = run->fields->input->nulls->numeric[run->index];
    int64_t n_nulls = 0;

    bd_find_places(run);
    for (int64_t i = 0; i < run->n; i += 8) {
        const int n = run->n - i < 8 ? (int)(run->n - i) : 8;
        const uint32_t all = 0xffu >> (8 - n);
        uint32_t good = bd_eight_integers(run->fields->block, parser->starts + i, parser->sizes + i,
                                          is_signed, numbers + i);
        memset(valid + i, 1, 8);
        if (careful)
            good = 0;
        for (uint32_t left = all & ~good; left; left &= left - 1) {
            const int64_t k = i + __builtin_ctz(left);
            if (parser->sizes[k] == 0 && !run->fields->has_quotes) {
                numbers[k] = 0;
                valid[k] = 0;
            } else {
                valid[k] = parse_other(run, k, careful, is_signed);
            }
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

/* A decimal's digits as they are scanned: none after `at` are read yet. */
typedef struct {
    const uint8_t *at;
    uint64_t significand;
    int64_t n_digits;
} digits;

/* Take the digits that stand at d->at, up to eight a step. The significand is right for up to 19.
 */
static inline void take_digits(digits *d)
{
    static const uint64_t POWERS[9] = {1,      10,      100,      1000,     10000,
                                       100000, 1000000, 10000000, 100000000};
    for (;;) {
        const uint64_t word = bd_load_u64(d->at) ^ BD_ZEROS;
        const uint64_t others = ((word + BD_OVER_NINE) | word) & BD_HIGH_BITS;
        if (others == 0) {
            d->significand = d->significand * POWERS[8] + bd_eight_digits(word);
            d->at += 8;
            d->n_digits += 8;
            continue;
        }
        const int bits = bd_trailing_zeros(others) & -8; /* 8 times the number of digits */
        /* Twice: a shift by 64 is not defined. */
        const uint64_t value = bd_eight_digits(word << (32 - bits / 2) << (32 - bits / 2));
        d->significand = d->significand * POWERS[bits / 8] + value;
        d->at += bits / 8;
        d->n_digits += bits / 8;
        return;
    }
}

/* The exponent at *at, after its `e`; false where there is none, or a very long one. */
static inline bool scan_exponent(const uint8_t **at, bool has_point, int64_t *exponent)
{
    const uint8_t *p = *at + 1;
    const bool negative = *p == '-';
    if (negative || *p == '+')
        p++;
    else if (!has_point)
        return false;
    const uint8_t *first = p;
    int64_t power = 0;
    while ((uint8_t)(*p - '0') < 10 && p - first < 5)
        power = power * 10 + (*p++ - '0');
    *at = p;
    *exponent += negative ? -power : power;
    return p > first;
}

/* What a column of floats has seen. */
typedef struct {
    int64_t forms;
    uint64_t magnitudes[2];
} evidence;

/* A number's text, taken apart: significand * 10**exponent. */
typedef struct {
    uint64_t significand;
    int64_t exponent, n_whole, n_digits;
    bool is_integer;
} decimal;

/* The decimal between `at` and `stop`, without a sign, digit by digit. */
static inline bool scan_decimal(const uint8_t *at, const uint8_t *stop, uint8_t point,
                                decimal *found)
{
    static const uint64_t SIXTEEN = 10000000000000000;
    digits d = {at, 0, 0};
    const uint8_t first = (uint8_t)(*at - '0');
    if (first < 10 && at[1] == point) /* as numbers with exponents are written */
        d = (digits){at + 1, first, 1};
    else
        take_digits(&d);
    *found = (decimal){.n_whole = d.n_digits, .is_integer = d.at == stop};
    if (!found->is_integer) {
        const bool has_point = *d.at == point;
        if (has_point) {
            uint64_t next;
            d.at++;
            if (BD_SHUFFLES && stop - d.at >= 16 && d.n_digits <= 3 &&
                bd_sixteen_digits(d.at, &next)) {
                d.significand = d.significand * SIXTEEN + next;
                d.at += 16;
                d.n_digits += 16;
            }
            take_digits(&d);
            found->exponent = found->n_whole - d.n_digits;
        }
        if ((*d.at | 0x20) == 'e' && !scan_exponent(&d.at, has_point, &found->exponent))
            return false;
    }
    found->significand = d.significand;
    found->n_digits = d.n_digits;
    /* Digits that go on beyond the field, into the next one, are none of it: at != stop. */
    return d.at == stop;
}

/* A number written the usual way; false leaves it to the careful path. */
static inline bool scan_float(const uint8_t *block, bd_place place, uint8_t point, evidence *seen,
                              double *value)
{
    const uint8_t *at = block + place.start, *stop = block + place.stop;
    const bool negative = *at == '-';
    at += negative;
    decimal found;
    bool is_short = false;
    if (BD_SHUFFLES && (uint64_t)(stop - at - 1) < 16) {
        is_short = bd_short_decimal(at, stop - at, point, &found.significand, &found.n_whole,
                                    &found.n_digits);
        found.is_integer = found.n_whole == stop - at;
        found.exponent = found.n_whole - found.n_digits;
    }
    if (!is_short && !scan_decimal(at, stop, point, &found))
        return false;
    if (found.n_whole == 0 || found.n_digits > BD_MAX_DIGITS || (*at == '0' && found.n_whole > 1))
        return false;
    double number;
    /* Clinger's path, which is exact and in range; see number.h. */
    if (found.significand <= (uint64_t)1 << 53 && (uint64_t)(found.exponent + 22) <= 44) {
        const double whole = (double)(int64_t)found.significand;
        number =
            found.exponent < 0 ? whole / bd_tens[-found.exponent] : whole * bd_tens[found.exponent];
    } else if (!bd_decimal_to_float(found.significand, found.exponent, &number) ||
               bd_out_of_range(number, found.significand)) {
        return false;
    }
    if (found.is_integer && !(negative && found.significand == 0)) {
        if (negative && found.significand > (uint64_t)1 << 63)
            return false;
        seen->forms |= BD_FORM_INT;
        if (found.significand > seen->magnitudes[!negative])
            seen->magnitudes[!negative] = found.significand;
    } else {
        seen->forms |= BD_FORM_FLOAT;
        /* Once a value is lost, which is foreseeable, the others do not matter. */
        if (!(seen->forms & BD_FORM_FLOAT32_LOSES) &&
            (found.significand >= BD_SURE_IN_FLOAT32 || !(number > 1.2e-38 && number < 3.4e38))) {
            const int64_t form =
                bd_equals_float32(number) ? BD_FORM_NOT_SHORTEST : BD_FORM_FLOAT32_LOSES;
            if (!(seen->forms & form) && !bd_is_shortest(number, found.significand, found.exponent))
                seen->forms |= form;
        }
    }
    *value = negative ? -number : number;
    return true;
}

bool bd_parse_floats(bd_run *run)
{
    bd_column *column = run->column;
    const bd_input *input = run->fields->input;
    const uint8_t *block = run->fields->block;
    uint8_t *valid = run->parser->valid;
    const bool careful = input->nulls->numeric[run->index];
    const uint8_t point = (uint8_t)input->rules->decimal;
    int64_t n_nulls = 0;

    if (!bd_reserve(&column->values, (column->n_rows + run->n) * 8))
        return false;
    double *values = (double *)column->values.data + column->n_rows;
    evidence seen = {column->forms, {column->magnitudes[0], column->magnitudes[1]}};
    for (int64_t i = 0; i < run->n; i++) {
        const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
        int64_t cell = 0;
        valid[i] = 1;
        if (bd_is_empty(place)) {
            values[i] = 0.0;
            valid[i] = 0;
            n_nulls++;
            continue;
        }
        if (!careful && scan_float(block, place, point, &seen, values + i))
            continue;
        if (!bd_careful_field(run, i, place, &cell)) {
            valid[i] = 0;
            n_nulls++;
        }
        memcpy(values + i, &cell, 8);
    }
    column->forms |= seen.forms;
    for (int side = 0; side < 2; side++)
        if (seen.magnitudes[side] > column->magnitudes[side])
            column->magnitudes[side] = seen.magnitudes[side];
    bd_measure_float64(&column->moments, values, n_nulls ? valid : NULL, run->n);
    return bd_append_valid(column, valid, run->n, n_nulls);
}
