/* Record batches as pyarrow hands them over: the structs of the Arrow C data interface
 * (https://arrow.apache.org/docs/format/CDataInterface.html).
 *
 * A batch is a struct array whose children are its columns. Of a child the values lie in
 * buffers[1], the validity bitmap in buffers[0]; element i of the column is element offset + i of
 * both. Bitmaps need not be padded: no bit beyond the column's last is read. */

#ifndef BIGDATA_ARROW_BATCH_H
#define BIGDATA_ARROW_BATCH_H

#include <string.h>

#include "bigdata.h"

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

/* The validity bitmap of a column, NULL where no value is null. */
static inline const uint8_t *bd_validity(const struct ArrowArray *column)
{
    return column->null_count == 0 ? NULL : column->buffers[0];
}

/* Bits at, at + 1, … of a bitmap, the first one lowest; n of them, from 1 to 64, and zeros. */
static inline uint64_t bd_bits(const uint8_t *bitmap, int64_t at, int64_t n)
{
    const uint8_t *first = bitmap + (at >> 3);
    const int shift = (int)(at & 7);
    const int64_t n_bytes = (shift + n + 7) >> 3;
    uint64_t low = 0;
    memcpy(&low, first, n_bytes < 8 ? (size_t)n_bytes : 8);
    low >>= shift;
    if (n_bytes > 8)
        low |= (uint64_t)first[8] << (64 - shift);
    return n < 64 ? low & ((1ull << n) - 1) : low;
}

#endif
