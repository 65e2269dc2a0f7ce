/* What the encodings of a column are judged by: a sample of its values, and the bits that it would
 * take. All is integer arithmetic, so that every processor chooses alike. */

#include "parquet.h"

enum { RUNS = 8, RUN = BD_SAMPLE / RUNS };

/* 256 * log2(x), straight between powers of two: 0.09 too small at the most. */
static int64_t log2_256(int64_t x)
{
    const int exponent = bd_bits_of((uint64_t)x) - 1;
    return ((int64_t)exponent << 8) + (int64_t)((uint64_t)x << 8 >> exponent) - 256;
}

/* The bits that an entropy coder makes of bytes: one at least for each that is not always the
 * same, as zstd's Huffman codes have it. */
static int64_t bits_of_counts(const uint32_t *counts, int64_t n)
{
    if (n == 0)
        return 0;
    int64_t total = n * log2_256(n);
    for (int i = 0; i < 256; i++) {
        if (counts[i] == n)
            return 0;
        if (counts[i])
            total -= counts[i] * log2_256(counts[i]);
    }
    return total / 256 > n ? total / 256 : n;
}

static int64_t bits_of_bytes(const uint8_t *bytes, int64_t n)
{
    uint32_t counts[4][256];
    memset(counts, 0, sizeof counts);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; k++)
            counts[k][bytes[i + k]]++;
    }
    for (; i < n; i++)
        counts[0][bytes[i]]++;
    for (int k = 0; k < 256; k++)
        counts[0][k] += counts[1][k] + counts[2][k] + counts[3][k];
    return bits_of_counts(counts[0], n);
}

/* Where the sample's run r of `n` values begins. */
static int64_t run_start(int64_t n, int r)
{
    return r * (n - RUN) / (RUNS - 1);
}

/* At most BD_SAMPLE of the values: all, or eight runs evenly spread. Numbers are extended to 64
 * bits; of texts it is their hashes. Returns how many. */
int64_t bd_sample_values(const struct bd_gathered *gathered, int width, bool is_signed,
                         uint64_t *sample)
{
    const int64_t n = gathered->values;
    const bool is_whole = n <= BD_SAMPLE;
    const int64_t run = is_whole ? n : RUN;
    for (int r = 0; r < (is_whole ? 1 : RUNS); r++) {
        const int64_t start = is_whole ? 0 : run_start(n, r);
        uint64_t *out = sample + r * RUN;
        if (gathered->texts) {
            for (int64_t i = 0; i < run; i++)
                out[i] = bd_hash_bytes(gathered->texts[start + i], gathered->lengths[start + i]);
        } else {
            for (int64_t i = 0; i < run; i++)
                out[i] = bd_extended(gathered->numbers, width, is_signed, start + i);
        }
    }
    return is_whole ? n : BD_SAMPLE;
}

/* How many of the `total` values are distinct, from `n` of them.
 * Source: Chao, "Nonparametric Estimation of the Number of Classes in a Population", 1984,
 * bias-corrected. */
int64_t bd_estimate_distinct(const uint64_t *sample, int64_t n, int64_t total)
{
    enum { SLOTS = 4 * BD_SAMPLE };
    uint16_t slots[SLOTS]; /* 1 + the place in the sample of the first alike */
    uint8_t seen[BD_SAMPLE];
    int bits = bd_bits_of((uint64_t)n) + 1;
    memset(slots, 0, sizeof *slots << bits);
    memset(seen, 0, (size_t)n);
    const uint32_t mask = (1u << bits) - 1;
    int64_t distinct = 0, once = 0, twice = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t value = sample[i];
        uint32_t at = (uint32_t)((value ^ value >> 32) * 0x9e3779b97f4a7c15u >> 40) & mask;
        while (slots[at] && sample[slots[at] - 1] != value)
            at = (at + 1) & mask;
        if (!slots[at]) {
            slots[at] = (uint16_t)(i + 1);
            seen[i] = 1;
            distinct++;
            once++;
        } else {
            uint8_t *count = &seen[slots[at] - 1];
            if (*count == 1) {
                once--;
                twice++;
            } else if (*count == 2) {
                twice--;
            }
            if (*count < 3)
                (*count)++;
        }
    }
    if (n == total)
        return distinct;
    /* Values that came more than once are no more than those that were seen. */
    const int64_t most = distinct + (total - n) * once / n;
    const int64_t estimate = distinct + once * (once - 1) / (2 * (twice + 1));
    return estimate < most ? estimate : most;
}

/* Bits of the sample when the bytes of a value stand apart, each kind coded for itself. */
int64_t bd_split_bits(const uint64_t *sample, int64_t n, int width)
{
    int64_t total = 0;
    for (int k = 0; k < width; k++) {
        uint8_t plane[BD_SAMPLE];
        for (int64_t i = 0; i < n; i++)
            plane[i] = (uint8_t)(sample[i] >> 8 * k);
        total += bits_of_bytes(plane, n);
    }
    return total;
}

/* Bits of the sample when the bytes of the values follow one another. */
int64_t bd_plain_bits(const uint64_t *sample, int64_t n, int width)
{
    uint8_t bytes[BD_SAMPLE * 8 + 8];
    for (int64_t i = 0; i < n; i++)
        bd_store64(bytes + i * width, sample[i]);
    return bits_of_bytes(bytes, n * width);
}

/* The width of `n` (at least 1) dictionary codes, and what a value then costs, in 1/256 bits.
 *
 * A width of whole bytes may be wider than it need be: zstd then sees the codes, and makes common
 * ones short. */
int bd_code_bits(const uint32_t *codes, int64_t n, int64_t distinct, bool compressed, int64_t *cost)
{
    uint32_t sample[BD_SAMPLE + 8];
    uint8_t bytes[BD_SAMPLE * 5 + 64];
    const int64_t taken = n <= BD_SAMPLE ? n : BD_SAMPLE;
    if (n <= BD_SAMPLE) {
        memcpy(sample, codes, (size_t)n * 4);
    } else {
        for (int r = 0; r < RUNS; r++)
            memcpy(sample + r * RUN, codes + run_start(n, r), RUN * 4);
    }
    const int least = distinct > 2 ? bd_bits_of((uint64_t)distinct - 1) : 1;
    const int aligned = (least + 7) & ~7;
    int64_t size = bd_put_hybrid(sample, taken, least, bytes) - bytes;
    if (!compressed) {
        *cost = size * 8 * 256 / taken;
        return least;
    }
    int64_t bits = bits_of_bytes(bytes, size);
    int chosen = least;
    if (aligned != least) {
        size = bd_put_hybrid(sample, taken, aligned, bytes) - bytes;
        const int64_t bits_aligned = bits_of_bytes(bytes, size);
        /* Several codes in a byte repeat together, which zstd finds, and this does not. */
        if (bits_aligned * 100 < bits * (least <= 4 ? 85 : 97)) {
            bits = bits_aligned;
            chosen = aligned;
        }
    }
    *cost = bits * 256 / taken;
    return chosen;
}
