/* Minima, maxima, errors of float32 and sums of values that were just parsed.
 *
 * None of them depends on the order of the values, or on how they are divided into runs. */

#include <math.h>

#include "parser.h"

enum { LANES = 8 };

static const double NEARLY = 1 - 1e-9;

static inline void note_range(bd_moments *moments, int64_t low, int64_t high)
{
    if (!moments->any || low < moments->low)
        moments->low = low;
    if (!moments->any || high > moments->high)
        moments->high = high;
    moments->any = true;
}

/* Minimum and maximum of the values that are there; INT64_MAX and INT64_MIN for none. */
static void find_range(const int64_t *values, const uint8_t *valid, int64_t n, int64_t *low,
                       int64_t *high)
{
    int64_t smallest = INT64_MAX, largest = INT64_MIN;
    if (valid == NULL) {
        for (int64_t i = 0; i < n; i++) {
            smallest = values[i] < smallest ? values[i] : smallest;
            largest = values[i] > largest ? values[i] : largest;
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            const int64_t below = valid[i] ? values[i] : INT64_MAX;
            const int64_t above = valid[i] ? values[i] : INT64_MIN;
            smallest = below < smallest ? below : smallest;
            largest = above > largest ? above : largest;
        }
    }
    *low = smallest;
    *high = largest;
}

void bd_measure_times(bd_moments *moments, const int64_t *values, const uint8_t *valid, int64_t n)
{
    int64_t low, high;
    find_range(values, valid, n, &low, &high);
    if (low <= high)
        note_range(moments, low, high);
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* The larger of an error of float32, relative to its value, and that of this value. */
static inline double worse(double error, double value)
{
    const double miss = fabs((double)(float)value - value);
    if (!(miss > NEARLY * error * fabs(value)))
        return error;
    const double found = miss / fabs(value);
    return found > error ? found : error;
}

/* The larger of `error` and what float32 is off the values; a quotient is computed only where it
 * may be larger than the largest. */
static double worst_error(double error, const double *values, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const int64_t stop = i + LANES < n ? i + LANES : n;
        bool any = false;
        for (int64_t k = i; k < stop; k++)
            any |= fabs((double)(float)values[k] - values[k]) > NEARLY * error * fabs(values[k]);
        if (any)
            for (int64_t k = i; k < stop; k++)
                error = worse(error, values[k]);
    }
    return error;
}

static int64_t count_valid(const uint8_t *valid, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += valid[i] != 0;
    return count;
}

void bd_measure_int64(bd_moments *moments, const int64_t *values, const uint8_t *valid, int64_t n)
{
    int64_t low, high;
    find_range(values, valid, n, &low, &high);
    if (low > high)
        return;
    note_range(moments, low, high);
    const int64_t count = valid == NULL ? n : count_valid(valid, n);
    moments->n_finite += count;
    if (low > -BD_SMALL && high < BD_SMALL) {
        if (low < 0 || high > 0)
            bd_add_small(&moments->sums, values, n);
        return;
    }
    double numbers[BD_RUN_ROWS];
    for (int64_t i = 0; i < n; i++)
        numbers[i] = (double)values[i];
    const bool fits_float32 = low >= -(1 << 24) && high <= 1 << 24;
    if (!fits_float32 && moments->float32_error < 1.0)
        moments->float32_error = worst_error(moments->float32_error, numbers, n);
    bd_add_numbers(&moments->sums, numbers, n, larger(-(double)low, (double)high));
}

void bd_measure_uint64(bd_moments *moments, const uint64_t *values, const uint8_t *valid, int64_t n)
{
    double numbers[BD_RUN_ROWS], largest = 0;
    int64_t n_numbers = 0;
    for (int64_t i = 0; i < n; i++) {
        if (valid != NULL && !valid[i])
            continue;
        const uint64_t value = values[i];
        if (!moments->any || value < (uint64_t)moments->low)
            moments->low = (int64_t)value;
        if (!moments->any || value > (uint64_t)moments->high)
            moments->high = (int64_t)value;
        moments->any = true;
        const double number = (double)value;
        moments->float32_error = worse(moments->float32_error, number);
        largest = larger(largest, number);
        numbers[n_numbers++] = number;
    }
    moments->n_finite += n_numbers;
    bd_add_numbers(&moments->sums, numbers, n_numbers, largest);
}

static void note_float_range(bd_moments *moments, double low, double high)
{
    if (!moments->any || low < moments->low_float)
        moments->low_float = low;
    if (!moments->any || high > moments->high_float)
        moments->high_float = high;
    moments->any = true;
}

/* The smallest and the largest of n > 0 finite numbers. */
static void find_finite_range(const double *values, int64_t n, double *low, double *high)
{
    double lows[LANES], highs[LANES];
    for (int k = 0; k < LANES; k++)
        lows[k] = highs[k] = values[0];
    const int64_t whole = n & -(int64_t)LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++) {
            lows[k] = values[i + k] < lows[k] ? values[i + k] : lows[k];
            highs[k] = values[i + k] > highs[k] ? values[i + k] : highs[k];
        }
    for (int64_t i = whole; i < n; i++) {
        lows[0] = values[i] < lows[0] ? values[i] : lows[0];
        highs[0] = values[i] > highs[0] ? values[i] : highs[0];
    }
    for (int k = 1; k < LANES; k++) {
        lows[0] = lows[k] < lows[0] ? lows[k] : lows[0];
        highs[0] = highs[k] > highs[0] ? highs[k] : highs[0];
    }
    *low = lows[0];
    *high = highs[0];
}

static void measure_finite(bd_moments *moments, const double *values, int64_t n)
{
    double low, high;
    find_finite_range(values, n, &low, &high);
    note_float_range(moments, low, high);
    moments->n_finite += n;
    if (moments->float32_error < 1.0) {
        const double error = worst_error(moments->float32_error, values, n);
        moments->float32_error = error < 1.0 ? error : 1.0;
    }
    bd_add_numbers(&moments->sums, values, n, larger(-low, high));
}

/* x - x is 0 for finite numbers only. */
static bool are_finite(const double *values, int64_t n)
{
    double differences[LANES] = {0};
    for (int64_t i = 0; i < n; i++)
        differences[i % LANES] += values[i] - values[i];
    bool finite = true;
    for (int k = 0; k < LANES; k++)
        finite &= differences[k] == 0.0;
    return finite;
}

void bd_measure_float64(bd_moments *moments, const double *values, const uint8_t *valid, int64_t n)
{
    if (valid == NULL && are_finite(values, n)) {
        if (n > 0)
            measure_finite(moments, values, n);
        return;
    }
    double kept[BD_RUN_ROWS];
    int64_t n_kept = 0;
    /* Without a branch: which of them are there cannot be foreseen. */
    for (int64_t i = 0; i < n; i++) {
        const bool is_there = valid == NULL || valid[i], is_finite = isfinite(values[i]);
        kept[n_kept] = values[i];
        n_kept += is_there & is_finite;
        moments->n_infinite += is_there & !is_finite;
    }
    if (n_kept > 0)
        measure_finite(moments, kept, n_kept);
}

/* The range of the finite ones among values that are there. */
static void find_float_range(bd_moments *moments, const double *values, const uint8_t *valid,
                             int64_t n)
{
    double low = INFINITY, high = -INFINITY;
    const bool takes_all = n > 0 && valid == NULL && are_finite(values, n);
    if (takes_all)
        find_finite_range(values, n, &low, &high);
    for (int64_t i = 0; i < n && !takes_all; i++) {
        const bool is_there = (valid == NULL || valid[i]) && isfinite(values[i]);
        const double below = is_there ? values[i] : INFINITY;
        const double above = is_there ? values[i] : -INFINITY;
        low = below < low ? below : low;
        high = above > high ? above : high;
    }
    if (low <= high)
        note_float_range(moments, low, high);
}

void bd_measure_range(bd_moments *moments, int32_t mode, const int64_t *values,
                      const uint8_t *valid, int64_t n)
{
    if (mode == BD_MODE_FLOAT64) {
        double numbers[BD_RUN_ROWS];
        memcpy(numbers, values, (size_t)n * 8);
        find_float_range(moments, numbers, valid, n);
    } else {
        bd_measure_times(moments, values, valid, n); /* their range is all that is known of these */
    }
}

void bd_put_moments(bd_moments *moments, int32_t mode, bd_column_result *result)
{
    result->n_finite = moments->n_finite;
    result->n_infinite = moments->n_infinite;
    result->has_range = moments->any;
    result->sums = moments->sums;
    result->float32_error = moments->float32_error < 1.0 ? moments->float32_error : 1.0;
    if (mode == BD_MODE_FLOAT64) {
        moments->low_float += 0.0; /* of -0.0 and 0.0, which are equal, the second */
        moments->high_float += 0.0;
        memcpy(&result->low, &moments->low_float, 8);
        memcpy(&result->high, &moments->high_float, 8);
    } else {
        result->low = (uint64_t)moments->low;
        result->high = (uint64_t)moments->high;
    }
}
