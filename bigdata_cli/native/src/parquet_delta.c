/* Integers as packed differences of neighbours.
 *
 * Source: DELTA_BINARY_PACKED of the Parquet format's Encodings.md, with blocks of 128 values in
 * four miniblocks. Differences wrap at the width of the physical type, as its readers do. */

#include "parquet.h"

enum { BLOCK = 128, MINIBLOCK = 32, MINIBLOCKS = BLOCK / MINIBLOCK };

static uint8_t *put_header(uint8_t *out, int64_t n, int64_t first)
{
    out = bd_put_varint(out, BLOCK);
    out = bd_put_varint(out, MINIBLOCKS);
    out = bd_put_varint(out, (uint64_t)n);
    return bd_put_zigzag(out, first);
}

/* The 128 differences after values[0]; those past `n` are the smallest, so that they cost nothing.
 * Returns the smallest. */
static inline int64_t differences64(const uint64_t *values, int64_t n, uint64_t *differences)
{
    int64_t least = INT64_MAX;
    for (int64_t i = 0; i < n; i++)
        differences[i] = values[i + 1] - values[i];
    for (int64_t i = 0; i < n; i++)
        least = (int64_t)differences[i] < least ? (int64_t)differences[i] : least;
    for (int64_t i = n; i < BLOCK; i++)
        differences[i] = (uint64_t)least;
    return least;
}

/* Subtract the smallest; the bits that each miniblock then needs, 0 for those past `n`. */
static inline void relative64(uint64_t *differences, int64_t n, int64_t least, uint8_t *bits)
{
    for (int m = 0; m < MINIBLOCKS; m++) {
        uint64_t all = 0;
        for (int i = 0; i < MINIBLOCK; i++) {
            differences[m * MINIBLOCK + i] -= (uint64_t)least;
            all |= differences[m * MINIBLOCK + i];
        }
        bits[m] = m * MINIBLOCK < n ? (uint8_t)bd_bits_of(all) : 0;
    }
}

/* Put `n` values. At most 8 bytes beyond the end are written. */
uint8_t *bd_put_delta64(const uint64_t *values, int64_t n, uint8_t *out)
{
    out = put_header(out, n, n ? (int64_t)values[0] : 0);
    for (int64_t at = 0; at + 1 < n; at += BLOCK) {
        uint64_t differences[BLOCK];
        uint8_t bits[MINIBLOCKS];
        const int64_t some = n - 1 - at < BLOCK ? n - 1 - at : BLOCK;
        const int64_t least = differences64(values + at, some, differences);
        relative64(differences, some, least, bits);
        out = bd_put_zigzag(out, least);
        memcpy(out, bits, sizeof bits);
        out += sizeof bits;
        for (int m = 0; m < MINIBLOCKS; m++) {
            if (bits[m])
                bd_pack32_of_64(differences + m * MINIBLOCK, bits[m], out);
            out += 4 * bits[m];
        }
    }
    return out;
}

/* The same for 32 bits, of values that are a block's and the one before it. */
static uint8_t *put_block32(const uint32_t *values, int64_t n, uint8_t *out)
{
    uint32_t differences[BLOCK];
    uint8_t bits[MINIBLOCKS];
    int32_t least = INT32_MAX;
    for (int64_t i = 0; i < n; i++)
        differences[i] = values[i + 1] - values[i];
    for (int64_t i = 0; i < n; i++)
        least = (int32_t)differences[i] < least ? (int32_t)differences[i] : least;
    for (int64_t i = n; i < BLOCK; i++)
        differences[i] = (uint32_t)least;
    for (int m = 0; m < MINIBLOCKS; m++) {
        uint32_t all = 0;
        for (int i = 0; i < MINIBLOCK; i++) {
            differences[m * MINIBLOCK + i] -= (uint32_t)least;
            all |= differences[m * MINIBLOCK + i];
        }
        bits[m] = m * MINIBLOCK < n ? (uint8_t)bd_bits_of(all) : 0;
    }
    out = bd_put_zigzag(out, least);
    memcpy(out, bits, sizeof bits);
    out += sizeof bits;
    for (int m = 0; m < MINIBLOCKS; m++) {
        if (bits[m])
            bd_pack(differences + m * MINIBLOCK, MINIBLOCK, bits[m], out);
        out += 4 * bits[m];
    }
    return out;
}

static inline __attribute__((always_inline)) uint8_t *
put_delta32(const void *values, const int width, const bool is_signed, int64_t n, uint8_t *out)
{
    out = put_header(out, n, n ? (int32_t)bd_extended(values, width, is_signed, 0) : 0);
    for (int64_t at = 0; at + 1 < n; at += BLOCK) {
        const int64_t some = n - 1 - at < BLOCK ? n - 1 - at : BLOCK;
        uint32_t wide[BLOCK + 1];
        for (int64_t i = 0; i <= some; i++)
            wide[i] = (uint32_t)bd_extended(values, width, is_signed, at + i);
        out = put_block32(wide, some, out);
    }
    return out;
}

/* Put `n` values of 1, 2 or 4 bytes as INT32. */
uint8_t *bd_put_delta32(const void *values, int width, bool is_signed, int64_t n, uint8_t *out)
{
    if (width == 4)
        return put_delta32(values, 4, true, n, out);
    if (width == 2)
        return is_signed ? put_delta32(values, 2, true, n, out)
                         : put_delta32(values, 2, false, n, out);
    return is_signed ? put_delta32(values, 1, true, n, out) : put_delta32(values, 1, false, n, out);
}

/* The bits that the differences of up to 512 values in a row take. */
int64_t bd_delta_bits(const uint64_t *values, int64_t n)
{
    int64_t total = 0;
    for (int64_t at = 0; at + 1 < n; at += BLOCK) {
        uint64_t differences[BLOCK];
        uint8_t bits[MINIBLOCKS];
        const int64_t some = n - 1 - at < BLOCK ? n - 1 - at : BLOCK;
        const int64_t least = differences64(values + at, some, differences);
        relative64(differences, some, least, bits);
        for (int m = 0; m < MINIBLOCKS; m++)
            total += MINIBLOCK * bits[m];
        total += 8 * MINIBLOCKS +
                 8 * ((bd_bits_of((uint64_t)least << 1 ^ (uint64_t)(least >> 63)) + 6) / 7);
    }
    return total;
}
