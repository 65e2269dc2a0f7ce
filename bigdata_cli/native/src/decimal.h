/* A decimal in one field, taken apart: where its point and exponent are is found in masks of the
 * characters that are no digits. What varies from field to field, signs above all, is no branch:
 * it would be mispredicted. */

#ifndef BD_DECIMAL_H
#define BD_DECIMAL_H

#include "digits.h"

/* A number's text, taken apart: significand * 10**exponent. */
typedef struct {
    uint64_t significand;
    int64_t exponent;
    bool is_integer; /* neither point nor exponent */
} bd_decimal;

/* The significand of `size` <= 32 characters at `at`, which are digits but for a point at `point`
 * (`size`: there is none). False where it may not fit 64 bits, or has more than 24 characters. */
static inline bool bd_scan_significand(const uint8_t *at, int size, int point, uint64_t *value)
{
    const bool has_point = point < size;
    if (size <= 16) {
        *value = bd_join_decimal(at, size - has_point, has_point ? point : 16);
        return true;
    }
    /* The last sixteen characters, and those before them. */
    const int n_head = size - 16;
    const bool in_head = point < n_head;
    uint64_t word = bd_load_u64(at) ^ BD_ZEROS;
    if (in_head) {
        const uint64_t before = ((uint64_t)1 << (8 * (point & 7))) - 1;
        word = (word & before) | (word >> 8 & ~before);
    }
    const int half = 4 * (8 - (n_head - in_head)); /* twice: a shift by 64 is not defined */
    const uint64_t head = bd_eight_digits(word << (half & 63) << (half & 63));
    if (has_point && !in_head) {
        *value = head * 1000000000000000 + bd_join_decimal(at + n_head, 15, point - n_head);
        return n_head <= 8 && head < 10000;
    }
    uint64_t tail;
    bd_join_sixteen(bd_load_digits(at + n_head), &tail);
    *value = head * 10000000000000000 + tail;
    return n_head <= 8 && head < 1000;
}

/* The exponent of the n characters from its `e` on, into *power. It needs a sign where
 * `signed_only` is set. False where it is none, or has more than five digits. */
static inline bool bd_scan_exponent(const uint8_t *at, int n, bool signed_only, int64_t *power)
{
    const bool negative = at[1] == '-', has_sign = negative | (at[1] == '+');
    const int n_digits = n - 1 - has_sign;
    if (((at[0] | 0x20) != 'e') | (signed_only & !has_sign) | ((unsigned)(n_digits - 1) >= 5))
        return false;
    const uint64_t digits = (bd_load_u64(at + 1 + has_sign) ^ BD_ZEROS) << (64 - 8 * n_digits);
    const int64_t value = (int64_t)bd_eight_digits(digits), sign = -(int64_t)negative;
    *power = (value ^ sign) - sign;
    return bd_are_digits(digits);
}

/* The mantissa that starts with one digit, the point, and sixteen digits, of 17 to 19 in all.
 * Returns how many characters it has; 0 where it is none. Most numbers of so many digits are
 * written so, and no search for the point is needed. 32 bytes are read. */
static inline int bd_scan_long(const uint8_t *at, uint8_t point, uint64_t *significand)
{
    static const uint64_t POWERS[3] = {1, 10, 100};
    const uint8_t first = (uint8_t)(*at - '0');
    uint64_t sixteen;
    if ((first > 9) | (at[1] != point) || !bd_join_sixteen(bd_load_digits(at + 2), &sixteen))
        return 0;
    const uint64_t word = bd_load_u64(at + 18) ^ BD_ZEROS;
    const uint64_t others = ((word + BD_OVER_NINE) | word) & BD_HIGH_BITS;
    const uint64_t last = (word & 0xff) * 10 + (word >> 8 & 0xff);
    const int n_last = others ? bd_trailing_zeros(others) >> 3 : 8;
    if (n_last > 2)
        return 0;
    const uint64_t few = n_last == 2 ? last : n_last == 1 ? word & 0xff : 0;
    *significand = (first * (uint64_t)10000000000000000 + sixteen) * POWERS[n_last] + few;
    return 18 + n_last;
}

/* The number `d.d…e±dd` that n bytes at `at` are, 6 <= n <= 24, as C's %e writes it: n tells where
 * each part stands. False where it is written otherwise. */
static inline bool bd_scan_scientific(const uint8_t *at, int n, uint8_t point, bd_decimal *found)
{
    static const uint64_t POWERS[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    const int n_after = n - 6, n_last = n_after & 24, n_first = n_after & 7;
    const uint8_t first = (uint8_t)(at[0] - '0'), sign = at[n - 3];
    const uint8_t tens = (uint8_t)(at[n - 2] - '0'), ones = (uint8_t)(at[n - 1] - '0');
    if ((first > 9) | (at[1] != point) | ((sign != '-') & (sign != '+')) | (tens > 9) | (ones > 9))
        return false;
    const int half = 4 * (8 - n_first); /* twice: a shift by 64 is not defined */
    const uint64_t head = (bd_load_u64(at + 2) ^ BD_ZEROS) << half << half;
    uint64_t value = first * POWERS[n_first] + bd_eight_digits(head), tail;
    bool good = bd_are_digits(head);
    if (n_last == 16) {
        good &= bd_join_sixteen(bd_load_digits(at + 2 + n_first), &tail);
        value = value * 10000000000000000 + tail;
    } else if (n_last == 8) {
        tail = bd_load_u64(at + 2 + n_first) ^ BD_ZEROS;
        good &= bd_are_digits(tail);
        value = value * 100000000 + bd_eight_digits(tail);
    }
    const int64_t minus = -(int64_t)(sign == '-'), power = 10 * tens + ones;
    *found = (bd_decimal){value, (power ^ minus) - minus - n_after, false};
    return good;
}

/* The number `(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]{1,5})?` that n bytes at `at` are; the
 * exponent needs a sign or a point before it. False where they are none, where n > 31, or where it
 * may have more than 19 digits but for zeros in front. Eight bytes more than 32 are read. */
static inline bool bd_scan_decimal(const uint8_t *at, int64_t n, uint8_t point, bd_decimal *found)
{
    if ((uint64_t)(n - 1) >= 31)
        return false;
    if (n >= 6 && n <= 24 && (at[n - 4] | 0x20) == 'e' &&
        bd_scan_scientific(at, (int)n, point, found))
        return true;
    int n_whole = 1, size = n >= 18 ? bd_scan_long(at, point, &found->significand) : 0;
    bool has_point = true;
    if (size == 0) {
        uint32_t others = bd_find_others(bd_load_digits(at));
        if (n > 16)
            others |= bd_find_others(bd_load_digits(at + 16)) << 16;
        const uint32_t end = (uint32_t)1 << n;
        others = (others & (end - 1)) | end;
        n_whole = __builtin_ctz(others);
        has_point = (n_whole < n) & (at[n_whole] == point);
        size = __builtin_ctz(others & (others - has_point));
        if (!bd_scan_significand(at, size, n_whole, &found->significand))
            return false;
    }
    int64_t power = 0;
    if (size != n && (size > n || !bd_scan_exponent(at + size, (int)n - size, !has_point, &power)))
        return false;
    found->exponent = power - (size - n_whole - has_point);
    found->is_integer = n_whole == n;
    return (n_whole > 0) & !((*at == '0') & (n_whole > 1));
}

#endif
