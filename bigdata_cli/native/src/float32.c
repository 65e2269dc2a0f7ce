/* Whether float32 keeps float64 values, by the rule for the numbers of a text. */

#include "careful.h"
#include "number.h"

/* A decimal of more digits than float32 gives back does not survive. */
enum { DIGITS = 9 };

/* magnitude / 10**exponent, rounded to an integer. */
static inline double shifted(double magnitude, int64_t exponent)
{
    return rint(exponent >= 0 ? magnitude / bd_tens[exponent] : magnitude * bd_tens[-exponent]);
}

/* Whether a value equals its float32, or both have the same shortest decimal: written as text and
 * read again it would be that float32. */
static bool survives(double value)
{
    const double narrow = (double)(float)value, magnitude = fabs(value);
    if (narrow == value || isnan(value))
        return true;
    if (magnitude < 1.1754943508222875e-38 || isinf(narrow))
        return false;
    /* The first nine digits. floor(log2) * log10(2) is floor(log10), or one less. */
    uint64_t bits;
    memcpy(&bits, &magnitude, 8);
    const int64_t log2 = (int64_t)(bits >> 52) - 1023;
    int64_t exponent = (log2 * 78913 >> 18) - (DIGITS - 1);
    double digits = shifted(magnitude, exponent);
    if (digits >= 1e9)
        digits = shifted(magnitude, ++exponent);
    double again;
    return bd_decimal_to_float((uint64_t)digits, exponent, &again) && again == magnitude &&
           bd_survives_float32(magnitude, (uint64_t)digits, exponent);
}

/* Whether float32 loses one of n values; those whose flag is BD_FLAG_NO_VALUE do not count. */
bool bd_loses_float32(const double *values, const uint8_t *flags, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (flags[i] != BD_FLAG_NO_VALUE && !survives(values[i]))
            return true;
    return false;
}
