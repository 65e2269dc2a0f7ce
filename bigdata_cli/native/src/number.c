/* Numbers from text. See number.h. */

#include "number.h"

/* A number that is written without its thousands marks may have so many bytes. */
enum { MAX_NUMBER_BYTES = 112 };

enum { SMALLEST_POWER = -342, LARGEST_POWER = 308 };

static inline bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool bd_eisel_lemire(uint64_t significand, int64_t exponent, double *value)
{
    *value = 0.0;
    if (exponent < SMALLEST_POWER - 20)
        return true; /* at most 20 digits: less than half the smallest float64 */
    if (exponent > LARGEST_POWER) {
        *value = INFINITY;
        return true;
    }
    if (exponent < SMALLEST_POWER)
        return false;
    const int zeros = __builtin_clzll(significand);
    const uint64_t w = significand << zeros;
    const uint64_t *five = bd_fives[exponent - SMALLEST_POWER];
    const unsigned __int128 product = (unsigned __int128)w * five[0];
    uint64_t low = (uint64_t)product, high = (uint64_t)(product >> 64);
    if ((high & 0x1ff) == 0x1ff) {
        /* The lower half of the power may carry into the bits that count. */
        const uint64_t more = (uint64_t)(((unsigned __int128)w * five[1]) >> 64);
        low += more;
        high += low < more;
    }
    if (low == UINT64_MAX && (exponent < -27 || exponent > 55))
        return false;
    const int upper = (int)(high >> 63);
    const int shift = upper + 64 - 52 - 3;
    uint64_t mantissa = high >> shift;
    /* 217706 / 2**16 is log2(10), exactly enough for these exponents. */
    int64_t power = ((217706 * exponent) >> 16) + 63 + upper - zeros + 1023;
    if (power <= 0)
        return false; /* subnormal */
    if (low <= 1 && exponent >= -4 && exponent <= 23 && (mantissa & 3) == 1 &&
        mantissa << shift == high)
        mantissa &= ~(uint64_t)1; /* halfway: to even */
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= (uint64_t)1 << 53) {
        mantissa = (uint64_t)1 << 52;
        power++;
    }
    if (power >= 0x7ff) {
        *value = INFINITY;
        return true;
    }
    const uint64_t bits = (mantissa & ~((uint64_t)1 << 52)) | (uint64_t)power << 52;
    memcpy(value, &bits, 8);
    return true;
}

/* candidate * 10**exponent for |exponent| <= 60. */
static inline double scaled(double candidate, int64_t exponent)
{
    return exponent >= 0 ? candidate * bd_tens[exponent] : candidate / bd_tens[-exponent];
}

bool bd_survives_float32(double value, uint64_t significand, int64_t exponent)
{
    return bd_equals_float32(value) || bd_is_shortest(value, significand, exponent);
}

bool bd_is_shortest(double value, uint64_t significand, int64_t exponent)
{
    const double narrow = fabs((double)(float)value), magnitude = fabs(value);
    if (significand == 0)
        return true;
    if (magnitude < 1.1754943508222875e-38 || narrow == INFINITY)
        return false;
    while (significand >= BD_SURE_IN_FLOAT32 && significand % 10 == 0) {
        significand /= 10;
        exponent++;
    }
    if (significand < BD_SURE_IN_FLOAT32)
        return true;
    /* More than 9 digits never survive (IEEE 754). */
    if (significand >= 1000000000 || exponent < -60 || exponent > 59)
        return false;
    /* Would a printer of the float32 choose these digits? They must be the nearest to it of so
     * many; it breaks ties to even. */
    const double digits = (double)(int64_t)significand;
    const double seen = exponent >= 0 ? narrow / bd_tens[exponent] : narrow * bd_tens[-exponent];
    const double miss = fabs(seen - digits);
    if (miss > 0.5 || (miss == 0.5 && (significand & 1)))
        return false;
    /* And no decimal with a digit less may be read as the same float32. */
    const double shorter = (double)(int64_t)(significand / 10);
    return (double)(float)scaled(shorter, exponent + 1) != narrow &&
           (double)(float)scaled(shorter + 1.0, exponent + 1) != narrow;
}

/* Whether a text is a word of lower case letters, in any case. */
static bool is_word(const uint8_t *text, int64_t n, const char *word)
{
    if (n != (int64_t)strlen(word))
        return false;
    for (int64_t i = 0; i < n; i++)
        if ((text[i] | 0x20) != word[i])
            return false;
    return true;
}

/* A text of digits alone that ends at `end`: BD_INTEGER where 64 bits hold it and it prints back.
 * significand: its first 19 digits; dropped: how many come after them. */
static bd_number integer(const uint8_t *block, int64_t end, bool negative, uint64_t significand,
                         int64_t dropped)
{
    const bd_number nothing = {.form = BD_NOT_A_NUMBER};
    if (dropped == 0) {
        if (negative && significand == 0)
            return (bd_number){.form = BD_DECIMAL, .negative = true};
        if (negative && significand > (uint64_t)1 << 63)
            return nothing;
        return (bd_number){BD_INTEGER, negative, significand, 0};
    }
    if (dropped == 1 && !negative) {
        const uint64_t last = block[end - 1] - '0';
        if (significand < UINT64_MAX / 10 || (significand == UINT64_MAX / 10 && last <= 5))
            return (bd_number){BD_INTEGER, false, significand * 10 + last, 0};
    }
    return nothing;
}

bd_number bd_scan_number(const uint8_t *block, int64_t start, int64_t end)
{
    const bd_number nothing = {.form = BD_NOT_A_NUMBER};
    int64_t p = start;
    if (p >= end)
        return nothing;
    const bool negative = block[p] == '-';
    if (negative)
        p++;

    /* The first 19 digits that count make the significand; zeros in front do not. */
    const int64_t first = p;
    uint64_t significand = 0;
    int n_digits = 0;
    int64_t dropped = 0;
    for (; p < end && is_digit(block[p]); p++) {
        if (n_digits < BD_MAX_DIGITS) {
            significand = significand * 10 + (uint64_t)(block[p] - '0');
            n_digits += significand != 0;
        } else {
            dropped++;
        }
    }
    const int64_t n_whole = p - first;
    if (n_whole > 1 && block[first] == '0')
        return nothing;
    if (p == end && n_whole > 0)
        return integer(block, end, negative, significand, dropped);

    const bool has_point = p < end && block[p] == '.';
    int64_t exponent = dropped, n_fraction = 0;
    bool inexact = dropped > 0;
    if (has_point) {
        for (p++; p < end && is_digit(block[p]); p++) {
            n_fraction++;
            if (n_digits < BD_MAX_DIGITS) {
                significand = significand * 10 + (uint64_t)(block[p] - '0');
                exponent--;
                n_digits += significand != 0;
            } else if (block[p] != '0') {
                inexact = true;
            }
        }
    }
    if (n_whole + n_fraction == 0) {
        const uint8_t *word = block + first;
        if (is_word(word, end - first, "inf") || is_word(word, end - first, "infinity"))
            return (bd_number){.form = BD_INFINITE, .negative = negative};
        return nothing;
    }

    if (p < end && (block[p] | 0x20) == 'e') {
        p++;
        const uint8_t sign = p < end ? block[p] : 0;
        if (sign == '-' || sign == '+')
            p++;
        else if (!has_point)
            return nothing;
        const int64_t begin = p;
        int64_t power = 0;
        for (; p < end && is_digit(block[p]); p++)
            if (power < 100000) /* beyond float64 already */
                power = power * 10 + block[p] - '0';
        if (p == begin)
            return nothing;
        exponent += sign == '-' ? -power : power;
    }
    if (p != end)
        return nothing;
    return (bd_number){inexact ? BD_HARD_DECIMAL : BD_DECIMAL, negative, significand, exponent};
}

bd_number bd_scan_local_number(const uint8_t *block, int64_t start, int64_t end,
                               const bd_rules *rules)
{
    if (rules->decimal == '.' && rules->thousands < 0)
        return bd_scan_number(block, start, end);

    /* Write it as `bd_scan_number` reads it. */
    const bd_number nothing = {.form = BD_NOT_A_NUMBER};
    uint8_t plain[MAX_NUMBER_BYTES];
    int64_t n = 0, n_group = 0;
    bool grouped = false, whole = true;
    for (int64_t p = start; p < end; p++) {
        uint8_t c = block[p];
        if (n >= MAX_NUMBER_BYTES)
            return nothing;
        if (whole && c == rules->thousands) {
            if (n_group == 0 || n_group > 3 || (grouped && n_group != 3))
                return nothing;
            grouped = true;
            n_group = 0;
            continue;
        }
        if (c == rules->decimal)
            c = '.';
        else if (c == '.')
            return nothing;
        if (is_digit(c)) {
            n_group++;
        } else if (whole && p > start) {
            if (grouped && n_group != 3)
                return nothing;
            whole = false;
        }
        plain[n++] = c;
    }
    if (whole && grouped && n_group != 3)
        return nothing;
    return bd_scan_number(plain, 0, n);
}
