/* The hash of a text that may be a number, a bool, a date or a time. See hash_values.h. */

#include "hash_values.h"

#include <math.h>
#include <stdlib.h>

#include "marked_number.h"
#include "parser.h"
#include "temporal.h"

/* A decimal of more digits is hashed as text, where float64 cannot be found otherwise. */
enum { MAX_HARD_BYTES = 800 };

/* The product of two words, folded: each bit of the result depends on many of both. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The bits of a word that its first bytes have, by their number. */
static const uint64_t FIRST_BYTES[9] = {0,          0xff,         0xffff,         0xffffff,
                                        0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
                                        UINT64_MAX};

/* Up to 16 bytes are hashed without branches: sizes are as good as random. */
static inline uint64_t hash_text(const uint8_t *text, int64_t n, uint64_t salt)
{
    const uint64_t other = salt * 0x9E3779B97F4A7C15u + (uint64_t)n;
    if (n > 16)
        return fold(bd_hash_text(text, n) ^ salt, other);
    const uint64_t first = bd_load_u64(text) & FIRST_BYTES[n < 8 ? n : 8];
    const uint64_t last = bd_load_u64(text + (n > 8 ? n - 8 : 0)) & FIRST_BYTES[n > 8 ? 8 : 0];
    return fold(first ^ salt, last ^ other);
}

/* Bit 7 of each byte that is not 0. */
static inline uint64_t nonzero_bytes(uint64_t word)
{
    return (((word & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu) | word) & 0x8080808080808080u;
}

/* Whether a byte of a word is a letter that no number, date or time has: none of E, T and Z. */
static inline bool has_other_letter(uint64_t word)
{
    const uint64_t lower = word | 0x2020202020202020u;
    return ((word << 1) & 0x8080808080808080u & nonzero_bytes(lower ^ 0x6565656565656565u) &
            nonzero_bytes(lower ^ 0x7474747474747474u) &
            nonzero_bytes(lower ^ 0x7a7a7a7a7a7a7a7au)) != 0;
}

/* Whether a text may be something else than text. */
static inline bool may_be_other(const uint8_t *text, int64_t n, const bd_rules *rules)
{
    if (rules->n_strip > 0 || rules->bools_size > 0)
        return true;
    const uint8_t first = text[0];
    if ((uint8_t)(first - '0') > 9 && first != '-' && first != '.' && first != rules->decimal)
        return ((first | 32) == 't' && n == 4) || ((first | 32) == 'f' && n == 5) ||
               ((first | 32) == 'i' && (n == 3 || n == 8));
    if ((text[1] | 32) == 'i' && first == '-')
        return true;
    return !has_other_letter(bd_load_u64(text) & FIRST_BYTES[n < 8 ? n : 8]) &&
           (n <= 8 || !has_other_letter(bd_load_u64(text + n - 8)));
}

/* A decimal that bd_decimal_to_float does not decide. There is no point in what strtod gets, as
 * which one it reads depends on the locale. False where the text is too long. */
static bool read_hard_decimal(const uint8_t *text, int64_t n, const bd_rules *rules, double *value)
{
    char digits[MAX_HARD_BYTES + 32];
    int64_t size = 0, exponent = 0;
    bool after_point = false;
    if (n > MAX_HARD_BYTES)
        return false;
    int64_t i = 0;
    for (; i < n && (text[i] | 32) != 'e'; i++) {
        if (text[i] == (uint8_t)rules->decimal) {
            after_point = true;
        } else if ((uint8_t)(text[i] - '0') <= 9 || (text[i] == '-' && size == 0)) {
            digits[size++] = (char)text[i];
            exponent -= after_point;
        }
    }
    if (i + 1 < n) {
        int64_t power = 0;
        const bool is_negative = text[i + 1] == '-';
        for (i++; i < n; i++)
            if ((uint8_t)(text[i] - '0') <= 9 && power < 100000)
                power = power * 10 + text[i] - '0';
        exponent += is_negative ? -power : power;
    }
    digits[size++] = 'e';
    digits[size++] = exponent < 0 ? '-' : '+';
    uint64_t left = (uint64_t)(exponent < 0 ? -exponent : exponent), unit = 1;
    while (left / unit >= 10)
        unit *= 10;
    for (; unit > 0; unit /= 10)
        digits[size++] = (char)('0' + left / unit % 10);
    digits[size] = 0;
    *value = strtod(digits, NULL);
    return true;
}

/* The value of a text that is a number; false where it is none. */
static bool read_number(const uint8_t *text, int64_t n, const bd_rules *rules, double *value)
{
    const bd_number number = bd_scan_marked_number(text, 0, n, rules);
    const uint64_t significand = number.significand;
    if (number.form == BD_NOT_A_NUMBER)
        return false;
    if (number.form == BD_INTEGER) {
        bd_decimal_to_float(significand, 0, value); /* always exact */
    } else if (number.form == BD_INFINITE) {
        *value = INFINITY;
    } else {
        const bool exact = bd_decimal_to_float(significand, number.exponent, value);
        if (exact && bd_out_of_range(*value, significand))
            return false;
        if (number.form != BD_DECIMAL || !exact)
            return read_hard_decimal(text, n, rules, value);
    }
    if (number.negative)
        *value = -*value;
    return true;
}

uint64_t bd_hash_value(const uint8_t *text, int64_t n, uint64_t salt, const bd_rules *rules,
                       const bd_nulls *nulls, int64_t column)
{
    int64_t start = 0, stop = n;
    if (n > 0 && (text[0] <= ' ' || text[n - 1] <= ' '))
        bd_trim(text, &start, &stop);
    text += start;
    n = stop - start;
    if (n == 0 || (nulls != NULL && bd_is_null(text, 0, n, nulls, column)))
        return 0;
    if (!may_be_other(text, n, rules))
        return hash_text(text, n, salt);
    double value;
    if (read_number(text, n, rules, &value))
        return bd_hash_number(value, salt);
    const int32_t truth = bd_scan_local_bool(text, 0, n, rules);
    if (truth >= 0)
        return bd_hash_number(truth, salt);
    int64_t days;
    bd_timestamp moment;
    if (bd_scan_date(text, 0, n, &days))
        return bd_hash_time(days * BD_MICROSECONDS_PER_DAY, 0, salt);
    if (bd_scan_timestamp(text, 0, n, &moment))
        return bd_hash_time(moment.micros, moment.nanos, salt);
    return hash_text(text, n, salt);
}
