/* Minima, maxima, means and squared deviations of values that were just parsed.
 *
 * Sums are kept in a fixed number of lanes and joined in a fixed order, so that they do not depend
 * on the instruction set. Sums of small integers are exact. Parts are merged as in Chan, Golub and
 * LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979). */

#include <math.h>

#include "parser.h"

enum { LANES = 8 };

static const int64_t SMALL = 1 << 26; /* squares of BD_RUN_ROWS such integers fit an int64 */
static const double NEARLY = 1 - 1e-9;

void bd_merge_moments(bd_moments *moments, int64_t n, double mean, double m2)
{
    if (n == 0)
        return;
    if (moments->n_merged == 0) { /* no products, which may be beyond float64 */
        moments->mean = mean;
        moments->m2 = m2;
        moments->n_merged = n;
        return;
    }
    const double before = (double)moments->n_merged, count = (double)n, total = before + count;
    const double delta = mean - moments->mean;
    moments->mean += delta * count / total;
    moments->m2 += m2 + delta * delta * before * count / total;
    moments->n_merged += n;
}

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

/* The larger of an error of float32, relative to its value, and that of this value. */
static inline double worse(double error, double value)
{
    const double miss = fabs((double)(float)value - value);
    if (!(miss > NEARLY * error * fabs(value)))
        return error;
    const double found = miss / fabs(value);
    return found > error ? found : error;
}

/* Mean and squared deviations of n > 0 values, one after the other. All are taken relative to the
 * column's first one: of values that lie close to each other and far from 0 little would be left.
 */
static void merge_values(bd_moments *moments, const double *values, int64_t n)
{
    double sums[LANES] = {0}, squares[LANES] = {0};
    const int64_t whole = n & -(int64_t)LANES;
    if (moments->n_merged == 0)
        moments->shift = values[0];
    const double shift = moments->shift;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += values[i + k] - shift;
    for (int64_t i = whole; i < n; i++)
        sums[i - whole] += values[i] - shift;
    const double total =
        ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
    const double mean = total / (double)n;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++) {
            const double miss = values[i + k] - shift - mean;
            squares[k] += miss * miss;
        }
    for (int64_t i = whole; i < n; i++) {
        const double miss = values[i] - shift - mean;
        squares[i - whole] += miss * miss;
    }
    const double m2 = ((squares[0] + squares[4]) + (squares[1] + squares[5])) +
                      ((squares[2] + squares[6]) + (squares[3] + squares[7]));
    bd_merge_moments(moments, n, mean, m2);
}

/* Exact sums of values that are all below SMALL; a null is 0 and adds nothing. */
static void add_small(bd_moments *moments, const int64_t *values, int64_t n, int64_t count)
{
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        const int32_t value = (int32_t)values[i];
        sum += value;
        squares += (int64_t)value * value;
    }
    moments->exact_count += count;
    moments->exact_sum += sum;
    moments->exact_squares += (uint64_t)squares;
}

/* As many of the first values as are integers below SMALL, a whole number of steps of LANES or all.
 */
static int64_t count_small(const double *values, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const int64_t stop = i + LANES < n ? i + LANES : n;
        bool small = true;
        for (int64_t k = i; k < stop; k++)
            small &= fabs(values[k]) < (double)SMALL && values[k] == rint(values[k]);
        if (!small)
            return i;
    }
    return n;
}

/* Take n > 0 finite numbers, as exact sums where all are small integers: the same numbers give the
 * same mean, whether their column is one of integers or of floats. */
static void add_numbers(bd_moments *moments, const double *values, int64_t n)
{
    if (count_small(values, n) < n) {
        merge_values(moments, values, n);
        return;
    }
    int64_t integers[BD_RUN_ROWS];
    for (int64_t i = 0; i < n; i++)
        integers[i] = (int64_t)values[i];
    add_small(moments, integers, n, n);
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
    if (low > -SMALL && high < SMALL) {
        add_small(moments, values, n, count);
        if (low < -(1 << 24) || high > 1 << 24)
            for (int64_t i = 0; i < n; i++)
                moments->float32_error = worse(moments->float32_error, (double)values[i]);
        return;
    }
    double wide[BD_RUN_ROWS];
    int64_t n_wide = 0;
    for (int64_t i = 0; i < n; i++) {
        wide[n_wide] = (double)values[i];
        n_wide += valid == NULL || valid[i];
    }
    for (int64_t i = 0; i < n_wide; i++)
        moments->float32_error = worse(moments->float32_error, wide[i]);
    merge_values(moments, wide, n_wide);
}

void bd_measure_uint64(bd_moments *moments, const uint64_t *values, const uint8_t *valid, int64_t n)
{
    double wide[BD_RUN_ROWS];
    int64_t n_wide = 0;
    for (int64_t i = 0; i < n; i++) {
        if (valid != NULL && !valid[i])
            continue;
        const uint64_t value = values[i];
        if (!moments->any || value < (uint64_t)moments->low)
            moments->low = (int64_t)value;
        if (!moments->any || value > (uint64_t)moments->high)
            moments->high = (int64_t)value;
        moments->any = true;
        wide[n_wide] = (double)value;
        moments->float32_error = worse(moments->float32_error, wide[n_wide]);
        n_wide++;
    }
    moments->n_finite += n_wide;
    if (n_wide > 0)
        add_numbers(moments, wide, n_wide);
}

static void note_float_range(bd_moments *moments, double low, double high)
{
    if (!moments->any || low < moments->low_float)
        moments->low_float = low;
    if (!moments->any || high > moments->high_float)
        moments->high_float = high;
    moments->any = true;
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

static void measure_finite(bd_moments *moments, const double *values, int64_t n)
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
    note_float_range(moments, lows[0], highs[0]);
    moments->n_finite += n;
    if (moments->float32_error < 1.0) {
        const double error = worst_error(moments->float32_error, values, n);
        moments->float32_error = error < 1.0 ? error : 1.0;
    }
    add_numbers(moments, values, n);
}

void bd_measure_float64(bd_moments *moments, const double *values, const uint8_t *valid, int64_t n)
{
    /* x - x is 0 for finite numbers only. */
    double differences[LANES] = {0};
    for (int64_t i = 0; i < n; i++)
        differences[i % LANES] += values[i] - values[i];
    bool finite = true;
    for (int k = 0; k < LANES; k++)
        finite &= differences[k] == 0.0;
    if (finite && valid == NULL) {
        if (n > 0)
            measure_finite(moments, values, n);
        return;
    }
    double kept[BD_RUN_ROWS];
    int64_t n_kept = 0;
    for (int64_t i = 0; i < n; i++) {
        if (valid != NULL && !valid[i])
            continue;
        if (isfinite(values[i]))
            kept[n_kept++] = values[i];
        else
            moments->n_infinite++;
    }
    if (n_kept > 0)
        measure_finite(moments, kept, n_kept);
}

void bd_put_moments(bd_moments *moments, int32_t mode, bd_column_result *result)
{
    const int64_t n = moments->exact_count;
    if (n > 0) {
        __extension__ typedef __int128 wide;
        const wide sum = moments->exact_sum;
        const wide squares = (wide)moments->exact_squares * n - sum * sum;
        const double mean = (double)moments->exact_sum / (double)n - moments->shift;
        bd_merge_moments(moments, n, mean, (double)squares / (double)n);
    }
    result->n_finite = moments->n_finite;
    result->n_infinite = moments->n_infinite;
    result->has_range = moments->any;
    result->mean = moments->shift + moments->mean;
    result->m2 = moments->m2;
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
