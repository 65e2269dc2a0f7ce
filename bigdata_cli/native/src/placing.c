/* Numbers of columns, normalised and put where they belong among shuffled rows. */

#include <string.h>

#include "bigdata.h"

/* Rows whose features are written together, so that they stay in a core's first cache. */
enum { TILE_ROWS = 256 };

static inline double load(const uint8_t *at, bool is_float32)
{
    if (is_float32) {
        float narrow;
        memcpy(&narrow, at, 4);
        return narrow;
    }
    double value;
    memcpy(&value, at, 8);
    return value;
}

/* No branch depends on a value: which are missing cannot be foreseen. */
static inline void place_column(const bd_number_column *column, int64_t feature, int64_t start,
                                int64_t stop, const int64_t *places, float *restrict out,
                                int64_t width, double most, bool is_float32)
{
    const double center = column->center, scale = column->scale;
    const int64_t stride = column->stride, indicator = column->indicator;
    const uint8_t *at = column->values + start * stride;
    for (int64_t row = start; row < stop; row++, at += stride) {
        const double value = load(at, is_float32);
        const bool missing = value != value;
        double normal = (value - center) / scale;
        normal = normal < -most ? -most : normal;
        normal = normal > most ? most : normal;
        normal = missing ? 0.0 : normal;
        if (places[row] < 0)
            continue;
        float *features = out + places[row] * width;
        features[feature] = (float)normal;
        if (indicator >= 0)
            features[indicator] = missing;
    }
}

/* Writes (value - center) / scale, cut to ±most, into out[places[row] * width + feature], for n
 * rows of n_columns columns. Null (NaN) becomes 0. Rows with a negative place are left out. */
void bd_place_numbers(const bd_number_column *columns, int64_t n_columns, const int64_t *places,
                      int64_t n, float *out, int64_t width, double most)
{
    for (int64_t start = 0; start < n; start += TILE_ROWS) {
        const int64_t stop = start + TILE_ROWS < n ? start + TILE_ROWS : n;
        for (int64_t i = 0; i < n_columns; i++) {
            /* Two calls, so that the loops have no test of the type. */
            if (columns[i].is_float32)
                place_column(columns + i, i, start, stop, places, out, width, most, true);
            else
                place_column(columns + i, i, start, stop, places, out, width, most, false);
        }
    }
}
