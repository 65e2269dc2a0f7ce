/* Columns of a batch into a matrix of floats, row after row.
 *
 * A tile of some columns and rows is converted column by column, and written row by row: reads and
 * writes are of whole cache lines, however many columns there are. Each value is rounded once, as
 * NumPy's casts do. */

#include <math.h>

#include "arrays.h"

enum { ROWS = 128, COLUMNS = 16 };

/* What is read of a column. at: the element of the tile's first row. */
typedef struct {
    const bd_array_column *column;
    const void *values;
    int64_t at;
} source;

/* Types that float32 holds exactly. */
static bool is_narrow(int32_t type)
{
    return type <= BD_UINT16 || type == BD_FLOAT32 || type == BD_NULLS;
}

static void narrow_values(const source *from, int64_t n, float *restrict out)
{
    switch (from->column->type) {
    case BD_BOOL:
        for (int64_t i = 0; i < n; i += 64) {
            const int64_t m = n - i < 64 ? n - i : 64;
            const uint64_t bits = bd_bits(from->values, from->at + i, m);
            for (int64_t k = 0; k < m; k++)
                out[i + k] = (float)(bits >> k & 1);
        }
        break;
    case BD_INT8:
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const int8_t *)from->values)[from->at + i];
        break;
    case BD_UINT8:
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const uint8_t *)from->values)[from->at + i];
        break;
    case BD_INT16:
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const int16_t *)from->values)[from->at + i];
        break;
    case BD_UINT16:
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const uint16_t *)from->values)[from->at + i];
        break;
    case BD_FLOAT32:
        memcpy(out, (const float *)from->values + from->at, (size_t)n * sizeof(float));
        break;
    default:
        memset(out, 0, (size_t)n * sizeof(float));
    }
}

static void to_float(const source *from, int64_t n, float *restrict out)
{
    const double divisor = from->column->divisor;
    const int32_t *lookup = from->column->lookup;
    if (is_narrow(from->column->type)) {
        narrow_values(from, n, out);
        return;
    }
    switch (from->column->type) {
    case BD_INT32:
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)((const int32_t *)from->values)[from->at + i];
        break;
    case BD_UINT32:
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)((const uint32_t *)from->values)[from->at + i];
        break;
    case BD_INT64:
        for (int64_t i = 0; i < n; i++) {
            const int64_t value = ((const int64_t *)from->values)[from->at + i];
            out[i] = divisor != 0 ? (float)((double)value / divisor) : (float)value;
        }
        break;
    case BD_UINT64:
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)((const uint64_t *)from->values)[from->at + i];
        break;
    case BD_FLOAT64:
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)((const double *)from->values)[from->at + i];
        break;
    default: /* BD_CODES */
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)lookup[((const int32_t *)from->values)[from->at + i]];
    }
}

static void to_double(const source *from, int64_t n, double *restrict out)
{
    const double divisor = from->column->divisor;
    const int32_t *lookup = from->column->lookup;
    float narrow[ROWS];
    if (is_narrow(from->column->type)) {
        narrow_values(from, n, narrow);
        for (int64_t i = 0; i < n; i++)
            out[i] = narrow[i];
        return;
    }
    switch (from->column->type) {
    case BD_INT32:
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const int32_t *)from->values)[from->at + i];
        break;
    case BD_UINT32:
        for (int64_t i = 0; i < n; i++)
            out[i] = ((const uint32_t *)from->values)[from->at + i];
        break;
    case BD_INT64:
        for (int64_t i = 0; i < n; i++) {
            const double value = (double)((const int64_t *)from->values)[from->at + i];
            out[i] = divisor != 0 ? value / divisor : value;
        }
        break;
    case BD_UINT64:
        for (int64_t i = 0; i < n; i++)
            out[i] = (double)((const uint64_t *)from->values)[from->at + i];
        break;
    case BD_FLOAT64:
        memcpy(out, (const double *)from->values + from->at, (size_t)n * sizeof(double));
        break;
    default: /* BD_CODES */
        for (int64_t i = 0; i < n; i++)
            out[i] = lookup[((const int32_t *)from->values)[from->at + i]];
    }
}

/* Codes of the rows that have a value; where there is none the place may be any number. Returns
 * whether all of them are known. */
static bool codes_of_valid(const source *from, const uint8_t *validity, int64_t n, double *out)
{
    const int32_t *places = (const int32_t *)from->values + from->at;
    bool known = true;
    for (int64_t i = 0; i < n; i++) {
        const bool is_null = validity != NULL && !bd_bits(validity, from->at + i, 1);
        const int32_t code = is_null ? 0 : from->column->lookup[places[i]];
        known = known && code >= 0;
        out[i] = code;
    }
    return known;
}

/* Whether a finite number became an infinite one, where there is a value. */
static bool overflows(const source *from, const uint8_t *validity, int64_t n, const float *made)
{
    const double *values = (const double *)from->values + from->at;
    bool found = false;
    for (int64_t i = 0; i < n; i++)
        found |= isinf(made[i]) && !isinf(values[i]);
    if (!found || validity == NULL)
        return found;
    for (int64_t i = 0; i < n; i++) {
        if (isinf(made[i]) && !isinf(values[i]) && bd_bits(validity, from->at + i, 1))
            return true;
    }
    return false;
}

/* The rows of a column that are null, a bit each, from the one at `at` on. */
static uint64_t nulls_at(const uint8_t *validity, int64_t at, int64_t n)
{
    return bd_bits(validity, at, n) ^ (n < 64 ? (1ull << n) - 1 : ~0ull);
}

static bool fill_floats(const source *from, const uint8_t *validity, int64_t n, float *out)
{
    bool fits = true;
    if (from->column->type == BD_CODES && validity != NULL) {
        double codes[ROWS];
        fits = codes_of_valid(from, validity, n, codes);
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)codes[i];
    } else {
        to_float(from, n, out);
        if (from->column->type == BD_FLOAT64)
            fits = !overflows(from, validity, n, out);
        for (int64_t i = 0; from->column->type == BD_CODES && i < n; i++)
            fits = fits && out[i] >= 0;
    }
    for (int64_t i = 0; validity != NULL && i < n; i += 64) {
        uint64_t nulls = nulls_at(validity, from->at + i, n - i < 64 ? n - i : 64);
        for (; nulls; nulls &= nulls - 1)
            out[i + __builtin_ctzll(nulls)] = NAN;
    }
    return fits;
}

static bool fill_doubles(const source *from, const uint8_t *validity, int64_t n, double *out)
{
    bool fits = true;
    if (from->column->type == BD_CODES && validity != NULL) {
        fits = codes_of_valid(from, validity, n, out);
    } else {
        to_double(from, n, out);
        for (int64_t i = 0; from->column->type == BD_CODES && i < n; i++)
            fits = fits && out[i] >= 0;
    }
    for (int64_t i = 0; validity != NULL && i < n; i += 64) {
        uint64_t nulls = nulls_at(validity, from->at + i, n - i < 64 ? n - i : 64);
        for (; nulls; nulls &= nulls - 1)
            out[i + __builtin_ctzll(nulls)] = NAN;
    }
    return fits;
}

/* Rows of a tile, which has COLUMNS columns of ROWS values, into rows of the matrix. */
static void turn_floats(float (*tile)[ROWS], int64_t n_rows, int64_t n_columns, float *out,
                        int64_t row_items)
{
    if (n_columns == COLUMNS) { /* a loop of fixed length is unrolled */
        for (int64_t r = 0; r < n_rows; r++)
            for (int64_t c = 0; c < COLUMNS; c++)
                out[r * row_items + c] = tile[c][r];
        return;
    }
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < n_columns; c++)
            out[r * row_items + c] = tile[c][r];
}

static void turn_doubles(double (*tile)[ROWS], int64_t n_rows, int64_t n_columns, double *out,
                         int64_t row_items)
{
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < n_columns; c++)
            out[r * row_items + c] = tile[c][r];
}

int64_t bd_batch_matrix(const struct ArrowArray *batch, const bd_array_column *columns, int64_t n,
                        void *out, int32_t is_double)
{
    float floats[COLUMNS][ROWS];
    double doubles[COLUMNS][ROWS];
    for (int64_t c = 0; c < n; c++) {
        const struct ArrowArray *array = batch->children[columns[c].child];
        if (columns[c].type == BD_CODES)
            bd_find_codes(array->dictionary, columns[c].vocabulary, columns[c].lookup);
    }
    for (int64_t row = 0; row < batch->length; row += ROWS) {
        const int64_t n_rows = batch->length - row < ROWS ? batch->length - row : ROWS;
        for (int64_t first = 0; first < n; first += COLUMNS) {
            const int64_t n_columns = n - first < COLUMNS ? n - first : COLUMNS;
            for (int64_t c = 0; c < n_columns; c++) {
                const bd_array_column *column = &columns[first + c];
                const struct ArrowArray *array = batch->children[column->child];
                const source from = {column, array->buffers[1],
                                     batch->offset + array->offset + row};
                const uint8_t *validity = bd_validity(array);
                const bool fits = is_double ? fill_doubles(&from, validity, n_rows, doubles[c])
                                            : fill_floats(&from, validity, n_rows, floats[c]);
                if (!fits)
                    return first + c;
            }
            const int64_t at = row * n + first;
            if (is_double)
                turn_doubles(doubles, n_rows, n_columns, (double *)out + at, n);
            else
                turn_floats(floats, n_rows, n_columns, (float *)out + at, n);
        }
    }
    return -1;
}
