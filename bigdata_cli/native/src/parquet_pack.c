/* Bit packing, the hybrid of runs and packed values, and definition levels.
 *
 * Source: "RLE / Bit-Packing Hybrid" of the Parquet format's Encodings.md. */

#include "parquet.h"

/* Pack words of `bits` (1 to 64) each, `n` of them, one after another, the lowest bit first. All
 * bits above are 0. The total must be whole bytes; up to 8 bytes more are written. */
static inline __attribute__((always_inline)) uint8_t *pack_words(const uint64_t *words, const int n,
                                                                 int bits, uint8_t *out)
{
    unsigned __int128 waiting = 0;
    int n_waiting = 0;
    for (int i = 0; i < n; i++) {
        waiting |= (unsigned __int128)words[i] << n_waiting;
        n_waiting += bits;
        if (n_waiting >= 64) {
            bd_store64(out, (uint64_t)waiting);
            out += 8;
            waiting >>= 64;
            n_waiting -= 64;
        }
    }
    bd_store64(out, (uint64_t)waiting);
    return out + n_waiting / 8;
}

/* Eight values of `bits` (1 to 32) each. */
static inline uint8_t *pack8(const uint32_t *v, int bits, uint8_t *out)
{
    if (bits <= 8) {
        uint64_t word = v[0];
        for (int i = 1; i < 8; i++)
            word |= (uint64_t)v[i] << i * bits;
        bd_store64(out, word);
        return out + bits;
    }
    uint64_t words[4];
    if (bits <= 16) {
        for (int i = 0; i < 2; i++)
            words[i] = (uint64_t)v[4 * i] | (uint64_t)v[4 * i + 1] << bits |
                       (uint64_t)v[4 * i + 2] << 2 * bits | (uint64_t)v[4 * i + 3] << 3 * bits;
        return pack_words(words, 2, 4 * bits, out);
    }
    for (int i = 0; i < 4; i++)
        words[i] = (uint64_t)v[2 * i] | (uint64_t)v[2 * i + 1] << bits;
    return pack_words(words, 4, 2 * bits, out);
}

/* Pack `n` values, a multiple of 8, of `bits` (1 to 32). Up to 8 bytes more are written. */
uint8_t *bd_pack(const uint32_t *values, int64_t n, int bits, uint8_t *out)
{
    if (bits == 8) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (uint8_t)values[i];
        return out + n;
    }
    if (bits == 16) {
        for (int64_t i = 0; i < n; i++) {
            const uint16_t value = (uint16_t)values[i];
            memcpy(out + 2 * i, &value, 2);
        }
        return out + 2 * n;
    }
    if (bits == 32) {
        memcpy(out, values, (size_t)(4 * n));
        return out + 4 * n;
    }
    for (int64_t i = 0; i < n; i += 8)
        out = pack8(values + i, bits, out);
    return out;
}

/* Pack 32 values of `bits` (1 to 64): 4 * bits bytes, and up to 8 more are written. */
void bd_pack32_of_64(const uint64_t *values, int bits, uint8_t *out)
{
    if (bits <= 32) {
        uint32_t narrow[32];
        for (int i = 0; i < 32; i++)
            narrow[i] = (uint32_t)values[i];
        bd_pack(narrow, 32, bits, out);
    } else if (bits == 64) {
        memcpy(out, values, 256);
    } else {
        for (int i = 0; i < 32; i += 8)
            out = pack_words(values + i, 8, bits, out);
    }
}

static uint8_t *put_run(uint8_t *out, int64_t n, uint32_t value, int bits)
{
    out = bd_put_varint(out, (uint64_t)n << 1);
    memcpy(out, &value, 4);
    return out + (bits + 7) / 8;
}

static uint8_t *put_packed(uint8_t *out, const uint32_t *codes, int64_t groups, int bits)
{
    if (groups == 0)
        return out;
    out = bd_put_varint(out, (uint64_t)groups << 1 | 1);
    return bd_pack(codes, 8 * groups, bits, out);
}

static int64_t count_changes(const uint32_t *codes, int64_t n)
{
    int64_t changes = 0;
    for (int64_t i = 1; i < n; i++)
        changes += codes[i] != codes[i - 1];
    return changes;
}

/* The codes as runs where values repeat, and packed elsewhere. The 7 after the last are 0. */
static uint8_t *put_runs(const uint32_t *codes, int64_t n, int bits, uint8_t *out)
{
    const int64_t run_groups = 2 + 8 / bits; /* fewer of them cost more as a run */
    int64_t packed_from = 0, at = 0;
    while (at + 8 * run_groups <= n) {
        const uint32_t value = codes[at];
        uint32_t differs = 0;
        for (int i = 1; i < 9; i++)
            differs |= codes[at + i] ^ value;
        if (differs) {
            at += 8;
            continue;
        }
        int64_t end = at + 8;
        while (end < n && codes[end] == value)
            end++;
        if (end - at < 8 * run_groups) {
            at += (end - at) / 8 * 8;
            continue;
        }
        /* A run may have any length: what follows it counts its groups of 8 from its own start. */
        out = put_packed(out, codes + packed_from, (at - packed_from) / 8, bits);
        out = put_run(out, end - at, value, bits);
        packed_from = at = end;
    }
    return put_packed(out, codes + packed_from, (n - packed_from + 7) / 8, bits);
}

/* Put `n` codes of `bits` (1 to 32). The array has 8 codes more, which come back unchanged. At
 * most 8 bytes beyond the end are written. */
uint8_t *bd_put_hybrid(uint32_t *codes, int64_t n, int bits, uint8_t *out)
{
    uint32_t after[8];
    memcpy(after, codes + n, sizeof after);
    memset(codes + n, 0, sizeof after);
    if (count_changes(codes, n) * 4 > n * 3)
        out = put_packed(out, codes, (n + 7) / 8, bits);
    else
        out = put_runs(codes, n, bits, out);
    memcpy(codes + n, after, sizeof after);
    return out;
}

/* How many of `n` bits from `first` are ones. Reads the bitmap in words of 8 bytes. */
int64_t bd_count_bits(const uint8_t *bitmap, int64_t first, int64_t n)
{
    int64_t ones = 0;
    for (int64_t i = first & ~(int64_t)63; i < first + n; i += 64) {
        uint64_t word = bd_load64(bitmap + i / 8);
        if (i < first)
            word &= ~(uint64_t)0 << (first - i);
        if (i + 64 > first + n)
            word &= ~(uint64_t)0 >> (64 - (first + n - i));
        ones += __builtin_popcountll(word);
    }
    return ones;
}

/* A byte of a bitmap whose bits begin at any bit. */
static inline uint8_t byte_at(const uint8_t *bitmap, int64_t first)
{
    uint16_t two;
    memcpy(&two, bitmap + (first >> 3), 2);
    return (uint8_t)(two >> (first & 7));
}

/* Definition levels (0 or 1) of `rows` rows from `first`, with their length before them. The
 * bitmap (NULL: all ones) has 2 readable bytes after its last. */
uint8_t *bd_put_levels(const uint8_t *validity, int64_t first, int64_t rows, uint8_t *out)
{
    enum { RUN_BYTES = 64 }; /* zstd makes less of shorter runs than runs do */
    uint8_t *start = out;
    out += 4;
    if (!validity) {
        out = put_run(out, rows, 1, 1);
    } else {
        const int64_t whole = rows / 8, bytes = (rows + 7) / 8;
        int64_t from = 0;
        for (int64_t at = 0; at <= whole; at++) {
            int64_t end = at;
            const uint8_t value = at < whole ? byte_at(validity, first + 8 * at) : 1;
            if (value == 0 || value == 0xff) {
                while (end < whole && byte_at(validity, first + 8 * end) == value)
                    end++;
            }
            const bool is_run = end - at >= RUN_BYTES || (end > at && end - at == bytes);
            if (!is_run && at < whole) {
                at = end > at ? end - 1 : at;
                continue;
            }
            const int64_t literal = (is_run ? at : bytes) - from;
            if (literal) {
                out = bd_put_varint(out, (uint64_t)literal << 1 | 1);
                for (int64_t i = 0; i < literal; i++)
                    *out++ = byte_at(validity, first + 8 * (from + i));
            }
            if (is_run) {
                out = put_run(out, 8 * (end - at), value & 1, 1);
                from = end;
                at = end - 1;
            } else {
                break;
            }
        }
        /* The bits after the last row are of no account, but the same bytes come every time. */
        if (rows % 8 && from < bytes)
            out[-1] &= (uint8_t)((1 << rows % 8) - 1);
    }
    const uint32_t size = (uint32_t)(out - start - 4);
    memcpy(start, &size, 4);
    return out;
}
