/* Stage 2 of numbers: integers and floats, eight digits at a time. What is not written the usual way
 * goes through the careful path, field by field. */

#include "classify.h"
#include "number.h"
#include "parser.h"

static const uint64_t ZEROS = 0x3030303030303030u;
static const uint64_t OVER_NINE = 0x7676767676767676u;
static const uint64_t HIGH_BITS = 0x8080808080808080u;

/* The value of eight digits (0 … 9 in each byte), the first in the lowest byte. */
static inline uint64_t eight_digits(uint64_t digits)
{
    digits = (digits * 10) + (digits >> 8);
    const uint64_t pairs = 0x000000ff000000ffu;
    return (((digits & pairs) * 0x000f424000000064u) +
            (((digits >> 16) & pairs) * 0x0000271000000001u)) >> 32;
}

static inline bool are_digits(uint64_t digits)
{
    return (((digits + OVER_NINE) | digits) & HIGH_BITS) == 0;
}

/* The value of n digits, 0 < n <= 8, at `at`; false where they are no digits. Eight bytes are read. */
static inline bool up_to_eight(const uint8_t *at, int64_t n, uint64_t *value)
{
    const uint64_t digits = (bd_load_u64(at) ^ ZEROS) << (64 - 8 * n);
    *value = eight_digits(digits);
    return are_digits(digits);
}

/* The value of n digits, 8 < n <= 19. The last eight are read from their own place. */
static bool up_to_nineteen(const uint8_t *at, int64_t n, uint64_t *value)
{
    static const uint64_t EIGHT = 100000000;
    uint64_t head, middle = 0, tail;
    const int64_t n_head = n > 16 ? n - 16 : n - 8;
    bool good = up_to_eight(at, n_head, &head) & up_to_eight(at + n - 8, 8, &tail);
    if (n > 16) {
        good &= up_to_eight(at + n_head, 8, &middle);
        head = head * EIGHT + middle;
    }
    *value = head * EIGHT + tail;
    return good;
}

/* A canonical integer of the place, as 64 bits; false where it is none, or is left to the careful
 * path. */
static inline bool scan_integer(const uint8_t *block, bd_place place, bool is_signed, int64_t *value)
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

bool bd_parse_integers(bd_run *run)
{
    bd_column *column = run->column;
    const uint8_t *block = run->fields->block;
    int64_t *numbers = run->parser->numbers;
    uint8_t *valid = run->parser->valid;
    const bool is_signed = column->mode == BD_MODE_INT64;
    const bool careful = run->fields->input->nulls->numeric[run->index];
    int64_t n_nulls = 0;

    for (int64_t i = 0; i < run->n; i++) {
        const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
        if (!careful && scan_integer(block, place, is_signed, numbers + i)) {
            valid[i] = 1;
        } else {
            numbers[i] = 0;
            valid[i] = place.start != place.stop && bd_careful_field(run, i, place, numbers + i);
            n_nulls += !valid[i];
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

/* Take the digits that stand at d->at, up to eight a step. The significand is right for up to 19. */
static inline void take_digits(digits *d)
{
    static const uint64_t POWERS[9] = {1,      10,      100,      1000,     10000,
                                       100000, 1000000, 10000000, 100000000};
    for (;;) {
        const uint64_t word = bd_load_u64(d->at) ^ ZEROS;
        const uint64_t others = ((word + OVER_NINE) | word) & HIGH_BITS;
        if (others == 0) {
            d->significand = d->significand * POWERS[8] + eight_digits(word);
            d->at += 8;
            d->n_digits += 8;
            continue;
        }
        const int bits = bd_trailing_zeros(others) & -8; /* 8 times the number of digits */
        /* Twice: a shift by 64 is not defined. */
        const uint64_t value = eight_digits(word << (32 - bits / 2) << (32 - bits / 2));
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

/* A number written the usual way; false leaves it to the careful path. */
static inline bool scan_float(const uint8_t *block, bd_place place, uint8_t point, evidence *seen,
                              double *value)
{
    const uint8_t *stop = block + place.stop;
    digits d = {block + place.start, 0, 0};
    const bool negative = *d.at == '-';
    d.at += negative;
    const uint8_t *first = d.at;
    take_digits(&d);
    const int64_t n_whole = d.n_digits;
    const bool is_integer = d.at == stop;
    int64_t exponent = 0;
    if (!is_integer) {
        const bool has_point = *d.at == point;
        if (has_point) {
            d.at++;
            take_digits(&d);
            exponent = n_whole - d.n_digits;
        }
        if ((*d.at | 0x20) == 'e' && !scan_exponent(&d.at, has_point, &exponent))
            return false;
    }
    /* Digits that go on beyond the field, into the next one, are none of it: at != stop. */
    if (d.at != stop || n_whole == 0 || d.n_digits > BD_MAX_DIGITS ||
        (*first == '0' && n_whole > 1))
        return false;
    double number;
    if (!bd_decimal_to_float(d.significand, exponent, &number) ||
        bd_out_of_range(number, d.significand))
        return false;
    if (is_integer && !(negative && d.significand == 0)) {
        if (negative && d.significand > (uint64_t)1 << 63)
            return false;
        seen->forms |= BD_FORM_INT;
        if (d.significand > seen->magnitudes[!negative])
            seen->magnitudes[!negative] = d.significand;
    } else {
        seen->forms |= BD_FORM_FLOAT;
        const bool unsure =
            d.significand >= BD_SURE_IN_FLOAT32 || !(number > 1.2e-38 && number < 3.4e38);
        if (unsure && !(seen->forms & BD_FORM_FLOAT32_LOSES) &&
            !bd_survives_float32(number, d.significand, exponent))
            seen->forms |= BD_FORM_FLOAT32_LOSES;
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
        valid[i] = 1;
        if (!careful && scan_float(block, place, point, &seen, values + i))
            continue;
        int64_t cell = 0;
        if (place.start == place.stop || !bd_careful_field(run, i, place, &cell)) {
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
