/* Numbers from text: exact, and with what typing needs to know of the text.
 *
 * Decimal to float64: Clinger's fast path ("How to Read Floating Point Numbers Accurately", PLDI
 * 1990), then Eisel and Lemire ("Number Parsing at a Gigabyte per Second", Software: Practice and
 * Experience, 2021). What neither decides (more than 19 digits, results that are subnormal, a few
 * that are nearly halfway) is left to the caller, who asks Python's `float`. */

#ifndef BD_NUMBER_H
#define BD_NUMBER_H

#include <math.h>
#include <string.h>

#include "bigdata.h"
#include "dialect.h"

/* What a text is. BD_INTEGER: canonical, it prints back; BD_HARD_DECIMAL: needs Python's float. */
enum { BD_NOT_A_NUMBER, BD_INTEGER, BD_DECIMAL, BD_HARD_DECIMAL, BD_INFINITE };

/* Digits that a significand of 64 bits always holds. */
enum { BD_MAX_DIGITS = 19 };

/* Decimals with a smaller significand survive in float32 (in its normal range): its values lie
 * closer to each other, by at most value / 2**23 < 10**exponent, than such decimals do. */
static const uint64_t BD_SURE_IN_FLOAT32 = 1 << 23;

/* ±significand * 10**exponent. All zero for BD_NOT_A_NUMBER; significand 0 for BD_INFINITE. */
typedef struct bd_number {
    int32_t form;
    bool negative;
    uint64_t significand;
    int64_t exponent;
} bd_number;

/* The number that is the whole text block[start:end]. No byte from `end` on is read.
 *
 * Canonical integers are `-?(0|[1-9][0-9]*)` but `-0`, of up to 64 bits. Decimals have a point, or
 * an exponent after a point or with a sign (`1e-5`, `1.0E4`), and no zeros in front; `1E4`, `+1`,
 * `007` and `1_000` are BD_NOT_A_NUMBER. */
bd_number bd_scan_number(const uint8_t *block, int64_t start, int64_t end);

/* `bd_scan_number` with the decimal and thousands marks of the rules. Thousands marks stand between
 * groups of three digits before the decimal mark, or it is no number. */
bd_number bd_scan_local_number(const uint8_t *block, int64_t start, int64_t end,
                               const bd_rules *rules);

/* powers.c: 10**0 ... 10**60, rounded to nearest, and 5**-342 ... 5**324 (see there). */
extern const double bd_tens[61];
extern const uint64_t bd_fives[667][2];

/* `bd_decimal_to_float` by Eisel and Lemire, for a significand that is not 0. */
bool bd_eisel_lemire(uint64_t significand, int64_t exponent, double *value);

/* Whether significand and power of ten are exact in float64: one operation rounds once. */
static inline bool bd_is_exact(uint64_t significand, int64_t exponent)
{
    return significand <= (uint64_t)1 << 53 && (uint64_t)(exponent + 22) <= 44;
}

/* significand * 10**exponent, rounded to nearest, where bd_is_exact. One of the powers is 1: a
 * branch on the sign would be mispredicted where it varies. */
static inline double bd_scale_exactly(uint64_t significand, int64_t exponent)
{
    return (double)(int64_t)significand * bd_tens[exponent > 0 ? exponent : 0] /
           bd_tens[exponent < 0 ? -exponent : 0];
}

/* Sets *value to significand * 10**exponent, rounded to nearest, ties to even; infinite or 0 where
 * it is beyond float64. False where that could not be decided: then *value is 0. */
static inline bool bd_decimal_to_float(uint64_t significand, int64_t exponent, double *value)
{
    if (bd_is_exact(significand, exponent)) {
        *value = bd_scale_exactly(significand, exponent);
        return true;
    }
    if (significand == 0) {
        *value = 0.0;
        return true;
    }
    return bd_eisel_lemire(significand, exponent, value);
}

/* A number >= 0 with a sign. No branch: signs are as good as random. */
static inline double bd_put_sign(double number, bool negative)
{
    uint64_t bits;
    memcpy(&bits, &number, 8);
    bits |= (uint64_t)negative << 63;
    memcpy(&number, &bits, 8);
    return number;
}

/* Whether a decimal with this significand is beyond float64: it became infinite, or zero. */
static inline bool bd_out_of_range(double value, uint64_t significand)
{
    return value == INFINITY || (value == 0.0 && significand != 0);
}

/* Whether float32 keeps a number: it is equal to it, or the text is its shortest decimal, so that
 * it prints as the text did. significand and exponent: the decimal that the value was read from. */
bool bd_survives_float32(double value, uint64_t significand, int64_t exponent);

/* Whether the text of a number is the shortest decimal of its float32; arguments as above. Of a
 * number that is subnormal in float32 it is said to be none. */
bool bd_is_shortest(double value, uint64_t significand, int64_t exponent);

static inline bool bd_equals_float32(double value)
{
    return (double)(float)value == value;
}

/* The value of the *n digits that stand from pos on, of eight at the most; 8 bytes are read.
 *
 * They are added in pairs (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", The VLDB
 * Journal, 2019); where there are fewer than eight, zeros are shifted in before them. */
static inline uint64_t bd_scan_digits(const uint8_t *block, int64_t pos, int64_t *n)
{
    uint64_t digits;
    memcpy(&digits, block + pos, 8);
    digits ^= 0x3030303030303030u;
    /* A sum of more than a byte spoils only bytes after one that is no digit. */
    const uint64_t others = ((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u;
    *n = others ? __builtin_ctzll(others) >> 3 : 8;
    const int half = 4 * (8 - (int)*n); /* twice: a shift by 64 is not defined */
    digits = digits << half << half;
    digits = (digits * 2561) >> 8;
    digits = ((digits & 0x00ff00ff00ff00ffu) * 6553601) >> 16;
    return ((digits & 0x0000ffff0000ffffu) * 42949672960001u) >> 32;
}

#endif
