/* What the values of columns showed: measured where they are at hand already, and joined. */

#include "parser.h"

void bd_measure_cells(int32_t mode, const int64_t *cells, const uint8_t *valid, int64_t n,
                      bd_column_result *result)
{
    bd_moments moments = {0};
    double floats[BD_RUN_ROWS];
    uint64_t words[BD_RUN_ROWS];
    for (int64_t i = 0; i < n; i += BD_RUN_ROWS) {
        const int64_t size = n - i < BD_RUN_ROWS ? n - i : BD_RUN_ROWS;
        switch (mode) {
        case BD_MODE_FLOAT64:
            memcpy(floats, cells + i, (size_t)size * 8);
            bd_measure_float64(&moments, floats, valid + i, size);
            break;
        case BD_MODE_UINT64:
            memcpy(words, cells + i, (size_t)size * 8);
            bd_measure_uint64(&moments, words, valid + i, size);
            break;
        case BD_MODE_INT64:
        case BD_MODE_BOOLEAN:
            bd_measure_int64(&moments, cells + i, valid + i, size);
            break;
        case BD_MODE_DATE:
        case BD_MODE_TIMESTAMP_US:
        case BD_MODE_TIMESTAMP_NS:
            bd_measure_times(&moments, cells + i, valid + i, size);
            break;
        default:
            return;
        }
    }
    bd_put_moments(&moments, mode, result);
}

static bool is_below(uint64_t a, uint64_t b, int32_t mode)
{
    if (mode == BD_MODE_FLOAT64) {
        double x, y;
        memcpy(&x, &a, 8);
        memcpy(&y, &b, 8);
        return x < y;
    }
    return mode == BD_MODE_UINT64 ? a < b : (int64_t)a < (int64_t)b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void merge(bd_column_result *all, const bd_column_result *more, int32_t mode)
{
    all->forms |= more->forms;
    all->negative = more->negative > all->negative ? more->negative : all->negative;
    all->positive = more->positive > all->positive ? more->positive : all->positive;
    all->n_nulls += more->n_nulls;
    all->n_infinite += more->n_infinite;
    all->text_bytes += more->text_bytes;
    all->max_text_bytes = larger(all->max_text_bytes, more->max_text_bytes);
    if (more->float32_error > all->float32_error)
        all->float32_error = more->float32_error;
    if (more->has_range) {
        if (!all->has_range || is_below(more->low, all->low, mode))
            all->low = more->low;
        if (!all->has_range || is_below(all->high, more->high, mode))
            all->high = more->high;
        all->has_range = 1;
    }
    all->n_finite += more->n_finite;
    bd_merge_sums(&all->sums, &more->sums);
}

void bd_merge_results(bd_column_result *all, const bd_column_result *more, const int32_t *modes,
                      int64_t n_columns)
{
    for (int64_t i = 0; i < n_columns; i++)
        merge(all + i, more + i, modes[i]);
}
