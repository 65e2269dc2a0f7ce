/* Rows of sample data: integers as numbers with a decimal point, and texts taken from a pool. */

#include <string.h>

#include "bigdata.h"

/* The cell of a field that is left empty. */
static const int64_t NOTHING = INT64_MIN;

static const uint64_t POWERS_OF_TEN[20] = {
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

/* Writes the n digits of a number that has no more, with zeros in front. */
static inline void write_digits(uint8_t *out, uint64_t number, int n)
{
    for (int i = n - 1; i >= 0; i--, number /= 10)
        out[i] = (uint8_t)('0' + number % 10);
}

/* Writes a number / 10**decimals; the position after it. At most 22 bytes. */
static inline uint8_t *write_number(uint8_t *out, int64_t number, int decimals)
{
    uint64_t magnitude = (uint64_t)number;
    if (number < 0) {
        *out++ = '-';
        magnitude = 0 - magnitude;
    }
    /* Digits of the magnitude: 1233 / 2**12 is log10(2), a little more than enough. */
    const int bits = 64 - __builtin_clzll(magnitude | 1);
    const int about = bits * 1233 >> 12;
    const int n = about + (magnitude >= POWERS_OF_TEN[about]) + (magnitude == 0);
    if (decimals == 0) {
        write_digits(out, magnitude, n);
        return out + n;
    }
    const int n_whole = n > decimals ? n - decimals : 1;
    const uint64_t one = POWERS_OF_TEN[decimals];
    write_digits(out, magnitude / one, n_whole);
    out[n_whole] = '.';
    write_digits(out + n_whole + 1, magnitude % one, decimals);
    return out + n_whole + 1 + decimals;
}

/* Copies n bytes; the position after them. Most texts are short: 16 bytes at once, of which what is
 * too much is overwritten. Both places have 16 bytes. */
static inline uint8_t *copy(uint8_t *out, const uint8_t *text, int64_t n)
{
    if (n <= 16)
        memcpy(out, text, 16);
    else
        memcpy(out, text, (size_t)n);
    return out + n;
}

/* Writes rows of n_rows from `row` on while there is room; the row to go on with.
 *
 * cells: of each field those of all rows. out: with 16 bytes after its `size`, which is that of a
 * row at least. Sets *written to the bytes that were written. */
int64_t bd_render_rows(const int64_t *cells, int64_t n_rows, int64_t row, const bd_sample *sample,
                       uint8_t *out, int64_t size, int64_t *written)
{
    uint8_t *at = out;
    for (; row < n_rows && at - out + sample->max_row_bytes <= size; row++) {
        for (int64_t field = 0; field < sample->n_fields; field++) {
            const int64_t cell = cells[field * n_rows + row], pool = sample->pools[field];
            if (cell != NOTHING) {
                if (pool < 0) {
                    at = write_number(at, cell, (int)sample->decimals[field]);
                } else {
                    const int64_t *offset = sample->text_offsets + pool + cell;
                    at = copy(at, sample->texts + offset[0], offset[1] - offset[0]);
                }
            }
            const int64_t *offset = sample->end_offsets + field;
            at = copy(at, sample->ends + offset[0], offset[1] - offset[0]);
        }
    }
    *written = at - out;
    return row;
}
