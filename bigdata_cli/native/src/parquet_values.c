/* The values of a page in each of the encodings. Source: the Parquet format's Encodings.md. */

#include "parquet.h"

/* Numbers of an Arrow width as those of the physical width. */
static uint8_t *put_plain(const void *values, const struct bd_parquet_column *column, int64_t first,
                          int64_t n, uint8_t *out)
{
    const int width = (int)column->width;
    if (width == column->physical) {
        memcpy(out, (const uint8_t *)values + first * width, (size_t)(n * width));
    } else {
        for (int64_t i = 0; i < n; i++) {
            const uint32_t value =
                (uint32_t)bd_extended(values, width, column->is_signed, first + i);
            memcpy(out + 4 * i, &value, 4);
        }
    }
    return out + n * column->physical;
}

/* The bytes of values of 4 or 8 bytes, all first ones first. In pieces that stay in the cache. */
static uint8_t *put_split(const void *values, int width, int64_t first, int64_t n, uint8_t *out)
{
    enum { PIECE = 512 };
    for (int64_t at = 0; at < n; at += PIECE) {
        const int64_t some = n - at < PIECE ? n - at : PIECE;
        for (int k = 0; k < width; k++) {
            uint8_t *to = out + k * n + at;
            if (width == 8) {
                const uint64_t *from = (const uint64_t *)values + first + at;
                for (int64_t i = 0; i < some; i++)
                    to[i] = (uint8_t)(from[i] >> 8 * k);
            } else {
                const uint32_t *from = (const uint32_t *)values + first + at;
                for (int64_t i = 0; i < some; i++)
                    to[i] = (uint8_t)(from[i] >> 8 * k);
            }
        }
    }
    return out + n * width;
}

static uint8_t *put_booleans(const uint8_t *bits, int64_t first, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i += 8) {
        const int64_t at = first + i;
        uint16_t two;
        memcpy(&two, bits + (at >> 3), 2);
        *out++ = (uint8_t)(two >> (at & 7));
    }
    if (n % 8)
        out[-1] &= (uint8_t)((1 << n % 8) - 1);
    return out;
}

/* Texts as their bytes, those that lie one after another copied at once. */
static uint8_t *put_bytes(const uint8_t *const *texts, const int32_t *lengths, int64_t n,
                          uint8_t *out)
{
    for (int64_t i = 0; i < n;) {
        const uint8_t *start = texts[i];
        int64_t size = lengths[i++];
        while (i < n && texts[i] == start + size)
            size += lengths[i++];
        memcpy(out, start, (size_t)size);
        out += size;
    }
    return out;
}

/* Put `n` values from `first`, after the levels of a page. */
uint8_t *bd_put_values(const struct bd_encoding *e, int64_t first, int64_t n, uint8_t *out)
{
    const struct bd_parquet_column *column = e->column;
    const int width = (int)column->width;
    const uint8_t *numbers = e->gathered.numbers;
    if (e->encoding == BD_RLE_DICTIONARY) {
        *out++ = (uint8_t)e->code_bits;
        return bd_put_hybrid(e->dictionary.codes + first, n, e->code_bits, out);
    }
    /* A page of nulls only has no values, but readers ask for the header of differences. */
    if (n == 0 && e->encoding != BD_DELTA_BINARY_PACKED &&
        e->encoding != BD_DELTA_LENGTH_BYTE_ARRAY)
        return out;
    switch (e->encoding) {
    case BD_DELTA_BINARY_PACKED:
        if (column->physical == 8)
            return bd_put_delta64((const uint64_t *)(const void *)numbers + first, n, out);
        return bd_put_delta32(numbers + first * width, width, column->is_signed, n, out);
    case BD_DELTA_LENGTH_BYTE_ARRAY:
        out = bd_put_delta32(e->gathered.lengths + first, 4, true, n, out);
        return put_bytes(e->gathered.texts + first, e->gathered.lengths + first, n, out);
    case BD_BYTE_STREAM_SPLIT:
        return put_split(numbers, width, first, n, out);
    default:
        if (column->kind == BD_BOOL)
            return put_booleans(numbers, first, n, out);
        return put_plain(numbers, column, first, n, out);
    }
}

/* Change pages of plain values of `width` bytes into such with their bytes apart. scratch: room for
 * the largest. */
void bd_parquet_split(struct bd_parquet_page *pages, int64_t n, int64_t width, uint8_t *out,
                      uint8_t *scratch)
{
    for (int64_t i = 0; i < n; i++) {
        uint8_t *values = out + pages[i].at + pages[i].levels;
        if (pages[i].values) {
            memcpy(scratch, values, (size_t)(pages[i].values * width));
            put_split(scratch, (int)width, 0, pages[i].values, values);
        }
        pages[i].encoding = BD_BYTE_STREAM_SPLIT;
    }
}
