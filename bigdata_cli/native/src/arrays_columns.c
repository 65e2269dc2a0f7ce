/* Columns of a batch into arrays of their own, each value as it is stored. */

#include "arrays.h"

/* Copy n values of some width, with `fill` where there is none. */
static void copy_values(const uint8_t *from, const uint8_t *validity, int64_t at, int64_t n,
                        int32_t width, uint64_t fill, uint8_t *to)
{
    memcpy(to, from + at * width, (size_t)(n * width));
    for (int64_t i = 0; validity != NULL && i < n; i += 64) {
        const int64_t m = n - i < 64 ? n - i : 64;
        uint64_t nulls = ~bd_bits(validity, at + i, m) & (m < 64 ? (1ull << m) - 1 : ~0ull);
        for (; nulls; nulls &= nulls - 1)
            memcpy(to + (i + __builtin_ctzll(nulls)) * width, &fill, (size_t)width);
    }
}

/* Days, int32, as int64, with `fill` where there is none. */
static void widen_days(const int32_t *from, const uint8_t *validity, int64_t at, int64_t n,
                       int64_t fill, int64_t *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[at + i];
    for (int64_t i = 0; validity != NULL && i < n; i++) {
        if (!bd_bits(validity, at + i, 1))
            to[i] = fill;
    }
}

/* A byte, 0 or 1, for each bit of a bitmap. */
static void unpack(const uint8_t *bitmap, int64_t at, int64_t n, uint8_t *to)
{
    for (int64_t i = 0; i < n; i += 64) {
        const int64_t m = n - i < 64 ? n - i : 64;
        const uint64_t bits = bd_bits(bitmap, at + i, m);
        for (int64_t k = 0; k < m; k++)
            to[i + k] = bits >> k & 1;
    }
}

/* Codes of one to four bytes; 0 where there is no value. Returns whether all are known. */
static bool store_codes(const bd_array_column *column, const int32_t *places,
                        const uint8_t *validity, int64_t at, int64_t n, uint8_t *to)
{
    int32_t least = 0;
    for (int64_t i = 0; i < n; i++) {
        const bool is_null = validity != NULL && !bd_bits(validity, at + i, 1);
        const int32_t code = is_null ? 0 : column->lookup[places[at + i]];
        least = code < least ? code : least;
        if (column->width == 1)
            to[i] = (uint8_t)code;
        else
            memcpy(to + i * column->width, &code, (size_t)column->width);
    }
    return least >= 0;
}

int64_t bd_batch_columns(const struct ArrowArray *batch, const bd_array_column *columns, int64_t n,
                         int64_t row)
{
    const int64_t n_rows = batch->length;
    for (int64_t c = 0; c < n; c++) {
        const bd_array_column *column = &columns[c];
        const struct ArrowArray *array = batch->children[column->child];
        const int64_t at = batch->offset + array->offset;
        const void *values = array->buffers[1];
        const uint8_t *validity = bd_validity(array);
        uint8_t *to = column->values + row * column->width;
        if (n_rows == 0)
            continue;
        if (column->type == BD_CODES) {
            bd_find_codes(array->dictionary, column->vocabulary, column->lookup);
            if (!store_codes(column, values, validity, at, n_rows, to))
                return c;
        } else if (column->type == BD_BOOL) {
            unpack(values, at, n_rows, to);
            for (int64_t i = 0; validity != NULL && i < n_rows; i++)
                to[i] &= (uint8_t)bd_bits(validity, at + i, 1);
        } else if (column->type == BD_NULLS) {
            memset(to, 0, (size_t)(n_rows * column->width));
        } else if (column->type == BD_INT32 && column->width == 8) {
            widen_days(values, validity, at, n_rows, (int64_t)column->fill, (int64_t *)(void *)to);
        } else if (column->type != BD_TEXT) {
            copy_values(values, validity, at, n_rows, column->width, column->fill, to);
        }
        if (column->valid != NULL && column->type == BD_NULLS)
            memset(column->valid + row, 0, (size_t)n_rows);
        else if (column->valid != NULL && validity == NULL)
            memset(column->valid + row, 1, (size_t)n_rows);
        else if (column->valid != NULL)
            unpack(validity, at, n_rows, column->valid + row);
    }
    return -1;
}

static int64_t count_nulls(const struct ArrowArray *array, int64_t at, int64_t n)
{
    const uint8_t *validity = bd_validity(array);
    if (validity == NULL)
        return 0;
    if (array->null_count > 0)
        return array->null_count;
    int64_t n_valid = 0;
    for (int64_t i = 0; i < n; i += 64)
        n_valid += __builtin_popcountll(bd_bits(validity, at + i, n - i < 64 ? n - i : 64));
    return n - n_valid;
}

/* Measure text. looks_inside: for the longest one, and for NULs. */
static void measure_text(const struct ArrowArray *array, int64_t at, int64_t n, bool looks_inside,
                         bd_measured *out)
{
    const int32_t *offsets = (const int32_t *)array->buffers[1] + at;
    const uint8_t *validity = bd_validity(array);
    out->text_bytes = offsets[n] - offsets[0];
    out->text = out->text_bytes ? (const uint8_t *)array->buffers[2] + offsets[0] : NULL;
    for (int64_t i = 0; validity != NULL && i < n; i += 64) {
        const int64_t m = n - i < 64 ? n - i : 64;
        uint64_t nulls = ~bd_bits(validity, at + i, m) & (m < 64 ? (1ull << m) - 1 : ~0ull);
        for (; nulls; nulls &= nulls - 1) {
            const int64_t row = i + __builtin_ctzll(nulls);
            out->hidden |= offsets[row + 1] != offsets[row];
        }
    }
    if (!looks_inside || !out->text_bytes)
        return;
    int32_t longest = 0;
    for (int64_t i = 0; i < n; i++) {
        const int32_t length = offsets[i + 1] - offsets[i];
        longest = length > longest ? length : longest;
    }
    out->longest = longest;
    out->has_nul = memchr(out->text, 0, (size_t)out->text_bytes) != NULL;
}

void bd_batch_measure(const struct ArrowArray *batch, const bd_array_column *columns, int64_t n,
                      int32_t looks_inside, bd_measured *out)
{
    for (int64_t c = 0; c < n; c++) {
        const struct ArrowArray *array = batch->children[columns[c].child];
        const int64_t at = batch->offset + array->offset;
        memset(&out[c], 0, sizeof out[c]);
        if (batch->length == 0)
            continue;
        out[c].nulls =
            columns[c].type == BD_NULLS ? batch->length : count_nulls(array, at, batch->length);
        if (columns[c].type == BD_CODES)
            out[c].dictionary = array->dictionary->length;
        if (columns[c].type == BD_TEXT)
            measure_text(array, at, batch->length, looks_inside != 0, &out[c]);
    }
}
