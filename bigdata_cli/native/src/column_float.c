/* Stage 2 of floats: where there is AVX-512, eight fields at a time, else field by field. Nulls,
 * and what is not written the usual way, are left to the end of a run; the latter goes through the
 * careful path. */

#include "classify.h"
#include "eight_empty.h"
#include "eight_longs.h"
#include "parser.h"

/* Bytes of the shortest number that is no short decimal (`1.e5`). */
enum { MIN_LONG_BYTES = 4 };

/* What a column of floats has seen. */
typedef struct {
    int64_t forms;
    uint64_t magnitudes[2];
} evidence;

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

/* Take a number that was taken apart; number: its value, without a sign. False leaves it to the
 * careful path. */
static inline bool take_number(evidence *seen, bool negative, const bd_decimal *found,
                               double number, double *value)
{
    if (!found->is_integer || (negative && found->significand == 0))
        note_float(seen, number, found->significand, found->exponent);
    else if (negative && found->significand > (uint64_t)1 << 63)
        return false;
    else
        note_integer(seen, negative, found->significand);
    *value = bd_put_sign(number, negative);
    return true;
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
#if defined(__AVX512BW__)
    const uint32_t scaled = bd_eight_eisel_lemire(
        significands, exponents, found.good & ~found.exact & ~found.integer & found.wide,
        found.negative, values);
    note_numbers(seen, scaled, found, values, significands, exponents);
    taken |= scaled;
#endif
    for (uint32_t left = found.good & ~taken; left; left &= left - 1) {
        const int k = __builtin_ctz(left);
        const bd_decimal parts = {significands[k], exponents[k], found.integer >> k & 1};
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

/* Take the numbers of a run, and its empty fields, which are counted as nulls. Returns how many
 * rows are left, which are listed.
 *
 * Short decimals come first, as most columns have nothing else. Where eight fields had none of them
 * but longer numbers, the next ones are taken as such at once; now and then it is tried again. */
static int64_t parse_numbers(const bd_run *run, evidence *seen, double *values, uint32_t *others,
                             int64_t *n_nulls)
{
    bd_parser *parser = run->parser;
    const uint8_t *block = run->fields->block;
    const uint8_t point = (uint8_t)run->fields->input->rules->decimal;
    uint64_t significands[8];
    int64_t exponents[8];
    int64_t n_others = 0;
    bool are_long = !BD_SHUFFLES;
    for (int64_t i = 0; i < run->n; i += 8) {
        const int n = run->n - i < 8 ? (int)(run->n - i) : 8;
        const uint32_t empty = bd_find_empty(parser, i), wanted = 0xffu >> (8 - n) & ~empty;
        uint32_t left = wanted;
        are_long &= !BD_SHUFFLES || (i & 127) != 0;
        *n_nulls += __builtin_popcount(empty & 0xffu >> (8 - n));
        if (wanted == 0) {
            memset(values + i, 0, 64);
            memset(parser->valid + i, 0, 8);
            continue;
        }
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
            are_long |= taken == wanted;
            left &= ~taken;
        }
        if (empty)
            bd_put_empty(empty, values + i, parser->valid + i);
        for (; left; left &= left - 1)
            others[n_others++] = (uint32_t)i + (uint32_t)__builtin_ctz(left);
    }
    return n_others;
}

bool bd_parse_floats(bd_run *run)
{
    bd_column *column = run->column;
    uint8_t *valid = run->parser->valid;
    const bool careful = run->fields->input->nulls->numeric[run->index];
    uint32_t others[BD_RUN_ROWS];
    int64_t n_others = run->n, n_nulls = 0;

    /* Eight values are written at a time. */
    if (!bd_reserve(&column->values, (column->n_rows + run->n + 8) * 8))
        return false;
    double *values = (double *)column->values.data + column->n_rows;
    evidence seen = {column->forms, {column->magnitudes[0], column->magnitudes[1]}};
    memset(valid, 1, (size_t)run->n);
    bd_find_values(run);
    if (!careful)
        n_others = parse_numbers(run, &seen, values, others, &n_nulls);
    for (int64_t k = 0; k < n_others; k++) {
        const int64_t i = careful ? k : (int64_t)others[k];
        valid[i] = parse_other(run, i, values + i);
        n_nulls += !valid[i];
    }
    column->forms |= seen.forms;
    for (int side = 0; side < 2; side++)
        if (seen.magnitudes[side] > column->magnitudes[side])
            column->magnitudes[side] = seen.magnitudes[side];
    bd_measure_float64(&column->moments, values, n_nulls ? valid : NULL, run->n);
    return bd_append_valid(column, valid, run->n, n_nulls);
}
