/* The shortest decimals of floating-point numbers: Raffaello Giulietti's method ("The Schubfach way
 * to render doubles", 2021).
 *
 * All numbers that are read as c * 2**q lie between the middles to its neighbours. The method
 * scales both middles and the number by a power of ten, in 128 bits, to where at least one integer
 * and at most ten lie between them. The bit that holds "there was more" (round to odd) keeps
 * comparisons exact. */

#include "shortest.h"

#include <string.h>

#include "number.h"

/* The exponent of the first power in bd_fives; of larger ones than the second the significand is
 * cut off there. */
enum { SMALLEST_POWER = -342, LARGEST_EXACT_POWER = 55 };
/* Where repr() begins to write exponents: the point is so far from the first digit. */
enum { MIN_POINT = -3, MAX_POINT = 16 };

typedef struct decimal {
    uint64_t digits;
    int exponent;
} decimal;

static const char PAIRS[] = "0001020304050607080910111213141516171819"
                            "2021222324252627282930313233343536373839"
                            "4041424344454647484950515253545556575859"
                            "6061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

void bd_write_digits(uint8_t *out, uint64_t number, int n)
{
    int i = n;
    for (; i >= 2; i -= 2, number /= 100)
        memcpy(out + i - 2, PAIRS + 2 * (number % 100), 2);
    if (i)
        out[0] = (uint8_t)('0' + number % 10);
}

static inline int n_digits(uint64_t number)
{
    /* 1233 / 2**12 is log10(2), a little more than enough. */
    const int about = (64 - __builtin_clzll(number | 1)) * 1233 >> 12;
    static const uint64_t POWERS[20] = {
        1u,
        10u,
        100u,
        1000u,
        10000u,
        100000u,
        1000000u,
        10000000u,
        100000000u,
        1000000000u,
        10000000000u,
        100000000000u,
        1000000000000u,
        10000000000000u,
        100000000000000u,
        1000000000000000u,
        10000000000000000u,
        100000000000000000u,
        1000000000000000000u,
        10000000000000000000u,
    };
    return about + (number >= POWERS[about]) + (number == 0);
}

uint8_t *bd_write_integer(uint8_t *out, uint64_t number)
{
    const int n = n_digits(number);
    bd_write_digits(out, number, n);
    return out + n;
}

/* floor(x * 2**-n), also of negative x. */
static inline int shifted(int x, int n)
{
    return x >= 0 ? x >> n : -((-x + (1 << n) - 1) >> n);
}

/* The high 64 bits of power * number, whose last bit is set where anything lies below them. */
static inline uint64_t scaled(const uint64_t power[2], uint64_t number)
{
    const unsigned __int128 low = (unsigned __int128)power[1] * number;
    const unsigned __int128 high = (unsigned __int128)power[0] * number + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The shortest decimal of c * 2**q. is_power: the neighbour below is half as far as the one above.
 */
static decimal shortest(uint64_t c, int q, bool is_power)
{
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0)
        return (decimal){c >> -q, 0};
    /* Both ends round to c * 2**q where c is even. */
    const uint64_t open = c & 1;
    const int k = shifted(q * 1262611 - (is_power ? 524031 : 0), 22); /* floor(log10(2**q)) */
    const int h = q + shifted(-k * 1741647, 19) + 1;
    uint64_t power[2] = {bd_fives[-k - SMALLEST_POWER][0], bd_fives[-k - SMALLEST_POWER][1]};
    if (-k > LARGEST_EXACT_POWER && ++power[1] == 0)
        power[0]++;
    const uint64_t low = scaled(power, (4 * c - 2 + is_power) << h) + open;
    const uint64_t middle = scaled(power, (4 * c) << h);
    const uint64_t high = scaled(power, (4 * c + 2) << h) - open;
    const uint64_t s = middle / 4;
    if (s >= 10) {
        const uint64_t tens = s / 10;
        const bool is_below = low <= 40 * tens, is_above = 40 * tens + 40 <= high;
        if (is_below != is_above)
            return (decimal){tens + is_above, k + 1};
    }
    const bool is_below = low <= 4 * s, is_above = 4 * s + 4 <= high;
    if (is_below != is_above)
        return (decimal){s + is_above, k};
    const uint64_t half = 4 * s + 2;
    return (decimal){s + (middle > half || (middle == half && (s & 1))), k};
}

/* Writes a decimal in the form of repr(). */
static uint8_t *write_decimal(uint8_t *out, decimal number)
{
    if (number.digits == 0) {
        memcpy(out, "0.0", 3);
        return out + 3;
    }
    /* Of prices a dozen zeros follow, which one by one would take longer than all the rest. */
    static const struct {
        uint64_t power;
        int n;
    } ZEROS[] = {{100000000, 8}, {100000000, 8}, {10000, 4}, {100, 2}, {10, 1}};
    for (int i = 0; i < 5; i++) {
        if (number.digits % ZEROS[i].power == 0) {
            number.digits /= ZEROS[i].power;
            number.exponent += ZEROS[i].n;
        }
    }
    const int n = n_digits(number.digits), point = n + number.exponent;
    if (point > MAX_POINT || point < MIN_POINT) {
        bd_write_digits(out + 1, number.digits, n);
        out[0] = out[1];
        out[1] = '.';
        out += n > 1 ? n + 1 : 1;
        const int exponent = point - 1, size = exponent < 0 ? -exponent : exponent;
        *out++ = 'e';
        *out++ = exponent < 0 ? '-' : '+';
        const int wide = size >= 100 ? 3 : 2;
        bd_write_digits(out, (uint64_t)size, wide);
        return out + wide;
    }
    if (point <= 0) {
        memcpy(out, "0.000", 5);
        bd_write_digits(out + 2 - point, number.digits, n);
        return out + 2 - point + n;
    }
    if (point >= n) {
        bd_write_digits(out, number.digits, n);
        memset(out + n, '0', (size_t)(point - n));
        memcpy(out + point, ".0", 2);
        return out + point + 2;
    }
    bd_write_digits(out + 1, number.digits, n);
    memmove(out, out + 1, (size_t)point);
    out[point] = '.';
    return out + n + 1;
}

uint8_t *bd_write_float64(uint8_t *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    if (bits >> 63)
        *out++ = '-';
    const uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    const int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0)
        return write_decimal(out, fraction ? shortest(fraction, -1074, false) : (decimal){0, 0});
    const uint64_t c = fraction | (uint64_t)1 << 52;
    return write_decimal(out, shortest(c, exponent - 1075, fraction == 0 && exponent > 1));
}

uint8_t *bd_write_float32(uint8_t *out, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if (bits >> 31)
        *out++ = '-';
    const uint32_t fraction = bits & ((1u << 23) - 1);
    const int exponent = (int)(bits >> 23 & 0xff);
    if (exponent == 0)
        return write_decimal(out, fraction ? shortest(fraction, -149, false) : (decimal){0, 0});
    const uint32_t c = fraction | 1u << 23;
    return write_decimal(out, shortest(c, exponent - 150, fraction == 0 && exponent > 1));
}
