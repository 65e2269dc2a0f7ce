/* Sums from which the mean and the squared deviations of a column follow. They are exact, so that
 * they do not depend on the order of the values, nor on the units and runs that these come in.
 *
 * A number is cut into four digits of 22 bits, signed, at places that are fixed: digit `place`
 * counts units of 2 ** (22 * (place + LOWEST)). The first digit is at the place that the largest
 * number of all asks for; what is below the fourth is rounded away, half to even. So each number is
 * rounded to a unit that is 2 ** -65 of the largest or less, whatever came before it: of rounded
 * numbers, rounding to a larger unit gives the same as of the numbers themselves where that unit is
 * an even multiple, and the digits above are multiples of it. Where a larger number comes, the
 * lowest digits are dropped, and their sums with them.
 *
 * Products of two digits are summed for each pair of places, as these can be dropped too. In a run
 * all sums are below 2 ** 53 units, which doubles hold, and no operation on them rounds.
 *
 * The idea is that of Demmel and Nguyen, "Parallel Reproducible Summation" (2015). */

#include <math.h>

#include "parser.h"
#include "simd.h"

enum { DIGIT_BITS = 22, LOWEST = -46 };

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

/* The place of the first digit of a number > 0 that is the largest: the digit is below 2 ** 21. */
static int64_t top_of(double largest)
{
    uint64_t bits;
    memcpy(&bits, &largest, 8);
    const int exponent = (int)(bits >> 52) - 1022; /* largest < 2 ** exponent */
    const int above = exponent - (DIGIT_BITS - 1) - DIGIT_BITS * LOWEST;
    return above <= 0 ? 0 : (above + DIGIT_BITS - 1) / DIGIT_BITS;
}

/* Where the product of the digits i <= j is. */
static inline int product_of(int i, int j)
{
    return i * (2 * BD_DIGITS - 1 - i) / 2 + j;
}

static inline int128 get(const uint64_t half[2])
{
    return (int128)((uint128)half[1] << 64 | half[0]);
}

static inline void add(uint64_t half[2], int128 value)
{
    const uint128 sum = (uint128)get(half) + (uint128)value;
    half[0] = (uint64_t)sum;
    half[1] = (uint64_t)(sum >> 64);
}

/* Make the first digit that at `top`, if it is below. */
static void raise_top(bd_sums *sums, int64_t top)
{
    if (top <= sums->top)
        return;
    const bd_sums old = *sums;
    const int by = top - old.top < BD_DIGITS ? (int)(top - old.top) : BD_DIGITS;
    memset(sums, 0, sizeof *sums);
    sums->top = top;
    for (int i = by; i < BD_DIGITS; i++) {
        sums->digits[i] = old.digits[i - by];
        for (int j = i; j < BD_DIGITS; j++)
            memcpy(sums->products[product_of(i, j)], old.products[product_of(i - by, j - by)], 16);
    }
}

void bd_merge_sums(bd_sums *sums, const bd_sums *more)
{
    bd_sums other = *more;
    raise_top(&other, sums->top);
    raise_top(sums, other.top);
    for (int i = 0; i < BD_DIGITS; i++)
        sums->digits[i] += other.digits[i];
    for (int i = 0; i < BD_PRODUCTS; i++)
        add(sums->products[i], get(other.products[i]));
}

void bd_take_away_sums(bd_sums *sums, const bd_sums *less)
{
    bd_sums other = *less;
    raise_top(&other, sums->top);
    for (int i = 0; i < BD_DIGITS; i++)
        sums->digits[i] -= other.digits[i];
    for (int i = 0; i < BD_PRODUCTS; i++)
        add(sums->products[i], -get(other.products[i]));
}

bool bd_asks_for_top(const bd_sums *sums, double largest)
{
    return sums->top == top_of(largest);
}

/* 2 ** exponent, of a normal double. */
static inline double power_of_two(int64_t exponent)
{
    const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, 8);
    return power;
}

/* The sum of all lanes, in units of 2 ** -bits. */
static int64_t units_of(bd_doubles sum, int bits)
{
    double lanes[BD_DOUBLES], total = 0;
    memcpy(lanes, &sum, sizeof lanes);
    for (int k = 0; k < BD_DOUBLES; k++)
        total += lanes[k];
    return (int64_t)(total * power_of_two(bits));
}

/* A double from 2 ** 52 to 2 ** 53 is an integer: adding one rounds to units of a digit. */
static const double ROUNDERS[BD_DIGITS] = {0x1.8p52, 0x1.8p30, 0x1.8p8, 0x1.8p-14};

/* Fewer numbers than this are added one by one: a record of many columns gives a run one each. */
enum { FEW = 8 };

static void add_few(bd_sums *sums, const double *values, int64_t n, double scale)
{
    static const double UNITS[BD_DIGITS] = {1, 0x1p22, 0x1p44, 0x1p66};
    int64_t products[BD_PRODUCTS] = {0};
    for (int64_t i = 0; i < n; i++) {
        int64_t digits[BD_DIGITS];
        double rest = values[i] * scale;
        for (int k = 0; k < BD_DIGITS; k++) {
            const double digit = (rest + ROUNDERS[k]) - ROUNDERS[k];
            rest -= digit;
            digits[k] = (int64_t)(digit * UNITS[k]);
            sums->digits[k] += digits[k];
        }
        for (int k = 0; k < BD_DIGITS; k++)
            for (int j = k; j < BD_DIGITS; j++)
                products[product_of(k, j)] += digits[k] * digits[j];
    }
    for (int k = 0; k < BD_PRODUCTS; k++)
        add(sums->products[k], products[k]);
}

typedef struct {
    bd_doubles digits[BD_DIGITS], products[BD_PRODUCTS];
} lane_sums;

/* Add numbers that are given in units of the first digit. */
static inline void add_lanes(lane_sums *lanes, bd_doubles rest)
{
    bd_doubles digits[BD_DIGITS];
    for (int k = 0; k < BD_DIGITS; k++) {
        const bd_doubles rounder = bd_all_doubles(ROUNDERS[k]);
        digits[k] = (rest + rounder) - rounder;
        rest -= digits[k];
        lanes->digits[k] += digits[k];
    }
    for (int i = 0; i < BD_DIGITS; i++)
        for (int j = i; j < BD_DIGITS; j++) {
            bd_doubles *sum = lanes->products + product_of(i, j);
            *sum = bd_add_product(*sum, digits[i], digits[j]);
        }
}

void bd_add_numbers(bd_sums *sums, const double *values, int64_t n, double largest)
{
    if (n == 0 || largest == 0)
        return;
    raise_top(sums, top_of(largest));
    const double unit = power_of_two(-DIGIT_BITS * (sums->top + LOWEST));
    if (n < FEW) {
        add_few(sums, values, n, unit);
        return;
    }
    const bd_doubles scale = bd_all_doubles(unit);
    lane_sums lanes = {0};
    bd_doubles numbers;
    int64_t i = 0;
    for (; i + BD_DOUBLES <= n; i += BD_DOUBLES) {
        memcpy(&numbers, values + i, sizeof numbers);
        add_lanes(&lanes, numbers * scale);
    }
    double last[BD_DOUBLES] = {0};
    memcpy(last, values + i, (size_t)(n - i) * sizeof *last);
    memcpy(&numbers, last, sizeof numbers);
    add_lanes(&lanes, numbers * scale);
    for (int k = 0; k < BD_DIGITS; k++)
        sums->digits[k] += units_of(lanes.digits[k], DIGIT_BITS * k);
    for (int k = 0; k < BD_DIGITS; k++)
        for (int j = k; j < BD_DIGITS; j++) {
            const int place = product_of(k, j);
            add(sums->products[place], units_of(lanes.products[place], DIGIT_BITS * (k + j)));
        }
}

void bd_add_small(bd_sums *sums, const int64_t *values, int64_t n)
{
    raise_top(sums, -LOWEST); /* where the unit is 1: each number is one digit */
    const int64_t place = sums->top + LOWEST;
    if (place >= BD_DIGITS)
        return;
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        const int32_t value = (int32_t)values[i];
        sum += value;
        squares += (int64_t)value * value;
    }
    sums->digits[place] += sum;
    add(sums->products[product_of((int)place, (int)place)], squares);
}

/* Integers of 448 bits in two's complement, the lowest limb first. Of up to 2 ** 42 values all that
 * is computed here is below 2 ** 390. */
enum { LIMBS = 7 };
typedef struct {
    uint64_t limbs[LIMBS];
} big;

static big big_of(int128 value, int shift)
{
    const uint64_t sign = value < 0 ? ~0ull : 0;
    const uint64_t limbs[4] = {(uint64_t)value, (uint64_t)(value >> 64), sign, sign};
    const int whole = shift / 64, part = shift % 64;
    big result = {0};
    for (int i = whole; i < LIMBS; i++) {
        const uint64_t above = i - whole < 2 ? limbs[i - whole] : sign;
        const uint64_t below = i == whole ? 0 : i - whole - 1 < 2 ? limbs[i - whole - 1] : sign;
        result.limbs[i] = part == 0 ? above : above << part | below >> (64 - part);
    }
    return result;
}

static big plus(big a, big b)
{
    uint128 carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        carry += (uint128)a.limbs[i] + b.limbs[i];
        a.limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return a;
}

static big negative(big a)
{
    for (int i = 0; i < LIMBS; i++)
        a.limbs[i] = ~a.limbs[i];
    return plus(a, big_of(1, 0));
}

static bool is_negative(big a)
{
    return a.limbs[LIMBS - 1] >> 63;
}

static big times(big a, big b)
{
    big result = {0};
    for (int i = 0; i < LIMBS; i++) {
        uint128 carry = 0;
        for (int j = 0; i + j < LIMBS; j++) {
            carry += (uint128)a.limbs[i] * b.limbs[j] + result.limbs[i + j];
            result.limbs[i + j] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    return result;
}

/* a * 2 ** exponent / n, rounded to the nearest double; a * 2 ** 128 must fit. */
static double quotient(big a, int64_t n, int exponent)
{
    const bool below = is_negative(a);
    a = times(below ? negative(a) : a, big_of(1, 128));
    uint128 rest = 0;
    for (int i = LIMBS - 1; i >= 0; i--) {
        rest = rest << 64 | a.limbs[i];
        a.limbs[i] = (uint64_t)(rest / (uint64_t)n);
        rest %= (uint64_t)n;
    }
    int top = LIMBS - 1;
    while (top > 0 && a.limbs[top] == 0)
        top--;
    if (a.limbs[top] == 0)
        return 0;
    const int shift = __builtin_clzll(a.limbs[top]);
    uint64_t word = a.limbs[top] << shift;
    bool more = rest != 0;
    if (top > 0 && shift > 0)
        word |= a.limbs[top - 1] >> (64 - shift);
    if (top > 0)
        more |= (a.limbs[top - 1] << shift) != 0;
    for (int i = 0; i < top - 1; i++)
        more |= a.limbs[i] != 0;
    const double rounded = ldexp((double)(word | more), 64 * top - shift - 128 + exponent);
    return below ? -rounded : rounded;
}

void bd_finish_moments(const bd_column_result *results, int64_t n_columns, double *means,
                       double *m2)
{
    for (int64_t column = 0; column < n_columns; column++) {
        const bd_sums *sums = &results[column].sums;
        const int64_t n = results[column].n_finite;
        means[column] = m2[column] = 0;
        if (n == 0)
            continue;
        /* In units of the last digit, and of its square. */
        const int64_t unit = DIGIT_BITS * (sums->top + LOWEST - (BD_DIGITS - 1));
        big sum = {0}, squares = {0};
        for (int i = 0; i < BD_DIGITS; i++) {
            sum = plus(sum, big_of(sums->digits[i], DIGIT_BITS * (BD_DIGITS - 1 - i)));
            for (int j = i; j < BD_DIGITS; j++) {
                const int shift = DIGIT_BITS * (2 * (BD_DIGITS - 1) - i - j) + (i != j);
                squares = plus(squares, big_of(get(sums->products[product_of(i, j)]), shift));
            }
        }
        means[column] = quotient(sum, n, (int)unit);
        const big magnitude = is_negative(sum) ? negative(sum) : sum;
        const big deviations =
            plus(times(squares, big_of(n, 0)), negative(times(magnitude, magnitude)));
        m2[column] = quotient(deviations, n, (int)(2 * unit));
    }
}
