/* Stage 2 of floats: decimals of up to sixteen characters eight fields at a time, then what is left
 * of a run field by field: nulls, longer decimals, exponents. What is not written the usual way
 * goes through the careful path. */

#include "classify.h"
#include "eight_numbers.h"
#include "parser.h"

/* Bytes of the shortest number that is no short decimal (`1.e5`). */
enum { MIN_LONG_BYTES = 4 };

/* What a column of floats has seen. */
typedef struct {
    int64_t forms;
    uint64_t magnitudes[2];
} evidence;

/* A number's text, taken apart: significand * 10**exponent. */
typedef struct {
    uint64_t significand;
    int64_t exponent;
    bool is_integer;
} decimal;

static inline void note_integer(evidence *seen, bool negative, uint64_t magnitude)
{
    seen->forms |= BD_FORM_INT;
    if (magnitude > seen->magnitudes[!negative])
        seen->magnitudes[!negative] = magnitude;
}

/* number: the value of the decimal, without a sign. */
static inline void note_float(evidence *seen, double number, uint64_t significand, int64_t exponent)
{
    seen->forms |= BD_FORM_FLOAT;
    /* Once a value is lost, which is foreseeable, the others do not matter. */
    if (seen->forms & BD_FORM_FLOAT32_LOSES ||
        (significand < BD_SURE_IN_FLOAT32 && number > 1.2e-38 && number < 3.4e38))
        return;
    const int64_t form = bd_equals_float32(number) ? BD_FORM_NOT_SHORTEST : BD_FORM_FLOAT32_LOSES;
    if (!(seen->forms & form) && !bd_is_shortest(number, significand, exponent))
        seen->forms |= form;
}

/* The evidence of the numbers in eight fields whose bits are set: the values are exact. -0 is a
 * float. */
static inline void note_numbers(evidence *seen, uint32_t bits, bd_numbers found,
                                const double *values, const uint64_t *significands,
                                const int64_t *exponents)
{
    uint32_t floats = bits & ~found.integer;
    for (uint32_t left = bits & found.integer; left; left &= left - 1) {
        const int i = __builtin_ctz(left);
        const bool negative = found.negative >> i & 1;
        if (negative && significands[i] == 0)
            floats |= 1u << i;
        else
            note_integer(seen, negative, significands[i]);
    }
    seen->forms |= floats ? BD_FORM_FLOAT : 0;
    if (seen->forms & BD_FORM_FLOAT32_LOSES)
        return;
    /* float32 keeps the others: they are 0, or between 1e-22 and 1e29. */
    for (uint32_t left = floats & found.wide; left; left &= left - 1) {
        const int i = __builtin_ctz(left);
        note_float(seen, fabs(values[i]), significands[i], exponents[i]);
    }
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

/* The decimal between `at` and `stop`, without a sign; false leaves it to the careful path. */
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
    const int64_t n_whole = d.n_digits;
    *found = (decimal){.is_integer = d.at == stop};
    if (!found->is_integer) {
        const bool has_point = *d.at == point;
        if (has_point) {
            uint64_t next;
            d.at++;
            if (stop - d.at >= 16 && d.n_digits <= 3 &&
                bd_join_digits(bd_load_digits(d.at), &next)) {
                d.significand = d.significand * SIXTEEN + next;
                d.at += 16;
                d.n_digits += 16;
            }
            take_digits(&d);
            found->exponent = n_whole - d.n_digits;
        }
        if ((*d.at | 0x20) == 'e' && !scan_exponent(&d.at, has_point, &found->exponent))
            return false;
    }
    found->significand = d.significand;
    /* Digits that go on beyond the field, into the next one, are none of it: at != stop. */
    return d.at == stop && n_whole > 0 && d.n_digits <= BD_MAX_DIGITS &&
           !(first == 0 && n_whole > 1);
}

/* Take a number that was taken apart; number: its value, without a sign. False leaves it to the
 * careful path. */
static inline bool take_number(evidence *seen, bool negative, const decimal *found, double number,
                               double *value)
{
    if (!found->is_integer || (negative && found->significand == 0))
        note_float(seen, number, found->significand, found->exponent);
    else if (negative && found->significand > (uint64_t)1 << 63)
        return false;
    else
        note_integer(seen, negative, found->significand);
    *value = negative ? -number : number;
    return true;
}

/* A number written the usual way between `at` and `stop`; false leaves it to the careful path. */
static inline bool scan_float(const uint8_t *at, const uint8_t *stop, uint8_t point, evidence *seen,
                              double *value)
{
    const bool negative = *at == '-';
    at += negative;
    decimal found;
    double number;
    if (at >= stop || !scan_decimal(at, stop, point, &found) ||
        !bd_decimal_to_float(found.significand, found.exponent, &number) ||
        bd_out_of_range(number, found.significand))
        return false;
    return take_number(seen, negative, &found, number, value);
}

/* Take the numbers of any length of those of eight fields whose bit is set. Returns the bits of
 * those that were taken. */
static uint32_t take_longs(const bd_run *run, int64_t i, uint32_t wanted, evidence *seen,
                           double *values)
{
    const bd_parser *parser = run->parser;
    const uint8_t point = (uint8_t)run->fields->input->rules->decimal;
    uint64_t significands[8];
    int64_t exponents[8];
    const bd_numbers found =
        bd_eight_numbers(run->fields->block, parser->starts + i, parser->sizes + i, point, wanted,
                         values, significands, exponents);
    note_numbers(seen, found.exact, found, values, significands, exponents);
    uint32_t taken = found.exact;
    for (uint32_t left = wanted & ~found.exact; left; left &= left - 1) {
        const int k = __builtin_ctz(left);
        if (!(found.good >> k & 1)) {
            const uint8_t *at = run->fields->block + parser->starts[i + k];
            taken |= (uint32_t)scan_float(at, at + parser->sizes[i + k], point, seen, values + k)
                     << k;
            continue;
        }
        const decimal parts = {significands[k], exponents[k], found.integer >> k & 1};
        double number;
        if (bd_decimal_to_float(significands[k], exponents[k], &number) &&
            !bd_out_of_range(number, significands[k]))
            taken |=
                (uint32_t)take_number(seen, found.negative >> k & 1, &parts, number, values + k)
                << k;
    }
    return taken;
}

/* Row i of the run, which is no number written the usual way. Returns whether it has a value. */
static bool parse_other(bd_run *run, int64_t i, double *value)
{
    const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
    int64_t cell = 0;
    const bool has_value = !bd_is_empty(place) && !bd_is_last_null(run, place) &&
                           bd_careful_field(run, i, place, &cell);
    memcpy(value, &cell, 8);
    return has_value;
}

/* Take the numbers of a run; the rows of the others are listed. Returns their number.
 *
 * Short decimals come first, as most columns have nothing else. Where eight fields had none of them
 * but longer numbers, the next ones are taken as such at once; now and then it is tried again. */
static int64_t parse_numbers(const bd_run *run, evidence *seen, double *values, uint32_t *others)
{
    const bd_parser *parser = run->parser;
    const uint8_t *block = run->fields->block;
    const uint8_t point = (uint8_t)run->fields->input->rules->decimal;
    uint64_t significands[8];
    int64_t exponents[8];
    int64_t n_others = 0;
    bool are_long = false;
    for (int64_t i = 0; i < run->n; i += 8) {
        const int n = run->n - i < 8 ? (int)(run->n - i) : 8;
        uint32_t left = 0xffu >> (8 - n);
        are_long &= (i & 127) != 0;
        if (!are_long) {
            const bd_numbers found = bd_eight_decimals(block, parser->starts + i, parser->sizes + i,
                                                       point, values + i, significands, exponents);
            const uint32_t good = left & found.good;
            note_numbers(seen, good, found, values + i, significands, exponents);
            left &= ~good;
        }
        const uint32_t longs =
            left & bd_longer_than(parser->sizes + i, are_long ? 0 : MIN_LONG_BYTES - 1);
        if (longs) {
            const uint32_t taken = take_longs(run, i, longs, seen, values + i);
            are_long |= taken == 0xff;
            left &= ~taken;
        }
        for (; left; left &= left - 1)
            others[n_others++] = (uint32_t)i + (uint32_t)__builtin_ctz(left);
    }
    return n_others;
}

bool bd_parse_floats(bd_run *run)
{
    bd_column *column = run->column;
    const bd_parser *parser = run->parser;
    uint8_t *valid = run->parser->valid;
    const bool careful = run->fields->input->nulls->numeric[run->index];
    const bool has_quotes = run->fields->has_quotes;
    uint32_t others[BD_RUN_ROWS];
    int64_t n_others = run->n, n_nulls = 0;

    /* Eight values are written at a time. */
    if (!bd_reserve(&column->values, (column->n_rows + run->n + 8) * 8))
        return false;
    double *values = (double *)column->values.data + column->n_rows;
    evidence seen = {column->forms, {column->magnitudes[0], column->magnitudes[1]}};
    memset(valid, 1, (size_t)run->n);
    bd_find_places(run);
    if (!careful)
        n_others = parse_numbers(run, &seen, values, others);
    for (int64_t k = 0; k < n_others; k++) {
        const int64_t i = careful ? k : (int64_t)others[k];
        if (parser->sizes[i] == 0 && !has_quotes) {
            values[i] = 0.0;
            valid[i] = 0;
        } else {
            valid[i] = parse_other(run, i, values + i);
        }
        n_nulls += !valid[i];
    }
    column->forms |= seen.forms;
    for (int side = 0; side < 2; side++)
        if (seen.magnitudes[side] > column->magnitudes[side])
            column->magnitudes[side] = seen.magnitudes[side];
    bd_measure_float64(&column->moments, values, n_nulls ? valid : NULL, run->n);
    return bd_append_valid(column, valid, run->n, n_nulls);
}
