/* What the encodings of a column are judged by: a sample of its values, and the bits that it would
 * take. All is integer arithmetic, so that every processor chooses alike. */

#include "parquet.h"

enum { RUNS = 8, RUN = BD_SAMPLE / RUNS };
enum { FOLLOWERS = 4 }; /* values that are looked at behind two equal ones */
enum { FEW = 64 };      /* distinct values that follow one another again by chance */

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

/* At most BD_SAMPLE of the numbers, extended to 64 bits: all, or eight runs evenly spread, which
 * show what neighbours are to each other. Returns how many. */
int64_t bd_sample_runs(const struct bd_gathered *gathered, int width, bool is_signed,
                       uint64_t *sample)
{
    const int64_t n = gathered->values;
    const bool is_whole = n <= BD_SAMPLE;
    const int64_t run = is_whole ? n : RUN;
    for (int r = 0; r < (is_whole ? 1 : RUNS); r++) {
        const int64_t start = is_whole ? 0 : run_start(n, r);
        for (int64_t i = 0; i < run; i++)
            sample[r * RUN + i] = bd_extended(gathered->numbers, width, is_signed, start + i);
    }
    return is_whole ? n : BD_SAMPLE;
}

/* How many of `total` values are distinct, where of `n` of them, each taken once, `distinct` were
 * seen, `once` of these once and `twice` twice.
 * Source: Chao, "Nonparametric Estimation of the Number of Classes in a Population", 1984, which is
 * of values that are put back: these would have come again n * n / (2 * total) times. */
static int64_t estimate_of(int64_t distinct, int64_t once, int64_t twice, int64_t n, int64_t total)
{
    const int64_t estimate = distinct + once * (once - 1) * total / (2 * twice * total + n * n);
    return estimate < total ? estimate : total;
}

/* A number below 2 to the power of `bits` (2 at least), another for each `i` below that: numbers
 * one after another give such as look random. */
static int64_t place_of(uint64_t i, int bits)
{
    const uint64_t below = ((uint64_t)1 << bits) - 1;
    for (int round = 0; round < 2; round++) {
        i = (i * 0x9e3779b1u + 0x7f4a7c15u) & below;
        i ^= i >> bits / 2;
    }
    return (int64_t)i;
}

/* Something that equal values have in common, and others hardly: a number, the code of a category,
 * or the hash of a text. Only what is equal is counted, so texts and their codes give the same. */
static uint64_t key_of(const struct bd_gathered *gathered, int width, int64_t i)
{
    if (!gathered->texts)
        return bd_number_at(gathered->numbers, width, i);
    if (gathered->numbers)
        return ((const uint32_t *)gathered->numbers)[i];
    return bd_hash_bytes(gathered->texts[i], gathered->lengths[i]);
}

/* Whether the values behind two equal ones are equal too. */
static bool goes_on(const struct bd_gathered *gathered, int width, int64_t a, int64_t b)
{
    const int64_t last = a > b ? a : b;
    if (last + FOLLOWERS >= gathered->values)
        return false;
    for (int64_t i = 1; i <= FOLLOWERS; i++) {
        if (key_of(gathered, width, a + i) != key_of(gathered, width, b + i))
            return false;
    }
    return true;
}

/* BD_SAMPLE of the values, or all, at places that look random and are the same every time.
 * Neighbours would not do: rows that come again may do so at a distance. */
static int64_t sample_places(const struct bd_gathered *gathered, int width, int32_t *places,
                             uint64_t *keys)
{
    const int64_t total = gathered->values, n = total < BD_SAMPLE ? total : BD_SAMPLE;
    const int place_bits = bd_bits_of((uint64_t)total - 1);
    uint64_t next = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i;
        while (n < total && (at = place_of(next++, place_bits)) >= total)
            continue;
        places[i] = (int32_t)at;
        keys[i] = key_of(gathered, width, at);
    }
    return n;
}

/* How the values (at least 1) repeat: counted, or estimated from a sample. */
struct bd_repeats bd_estimate_repeats(const struct bd_gathered *gathered, int width)
{
    enum { SLOTS = 4 * BD_SAMPLE };
    uint64_t keys[BD_SAMPLE];
    int32_t places[BD_SAMPLE];
    uint16_t slots[SLOTS]; /* 1 + the place in the sample of the first that is equal */
    uint16_t seen[BD_SAMPLE];
    struct {
        uint16_t first, again; /* places in the sample of two that are equal */
    } pairs[BD_SAMPLE];
    const int64_t total = gathered->values;
    const int64_t n = sample_places(gathered, width, places, keys);
    const int bits = bd_bits_of((uint64_t)n) + 1;
    memset(slots, 0, sizeof *slots << bits);
    memset(seen, 0, sizeof *seen * (size_t)n);
    const uint32_t mask = (1u << bits) - 1;
    int64_t distinct = 0, once = 0, twice = 0, common = 1, n_pairs = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t key = keys[i];
        uint32_t at = (uint32_t)((key ^ key >> 32) * 0x9e3779b97f4a7c15u >> 40) & mask;
        while (slots[at] && keys[slots[at] - 1] != key)
            at = (at + 1) & mask;
        if (!slots[at]) {
            slots[at] = (uint16_t)(i + 1);
            seen[i] = 1;
            distinct++;
            once++;
            continue;
        }
        const int64_t first = slots[at] - 1, count = ++seen[first];
        once -= count == 2;
        twice += (count == 2) - (count == 3);
        common = count > common ? count : common;
        pairs[n_pairs].first = (uint16_t)first;
        pairs[n_pairs++].again = (uint16_t)i;
    }
    if (n == total)
        return (struct bd_repeats){distinct, common, total};
    int64_t going_on = 0;
    for (int64_t k = 0; k < n_pairs && distinct >= FEW; k++)
        going_on += goes_on(gathered, width, places[pairs[k].first], places[pairs[k].again]);
    return (struct bd_repeats){
        .distinct = estimate_of(distinct, once, twice, n, total),
        .common = common > 1 ? common * total / n : 1,
        /* Of pairs of places so many lie a multiple of the distance apart. */
        .fresh = distinct < FEW ? total : n * n * total / (2 * going_on * total + n * n),
    };
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
 * has_sequences: whether most of the codes are such as came before.
 *
 * A width of whole bytes may be wider than it need be: zstd then sees the codes, and makes common
 * ones short. */
int bd_code_bits(const uint32_t *codes, int64_t n, int64_t distinct, bool compressed,
                 bool has_sequences, int64_t *cost)
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
        /* Several codes in a byte repeat together, which zstd finds, and this does not. It finds
         * a sequence only where it begins at the same bit again. */
        const int share = has_sequences ? 105 : least <= 4 ? 85 : 97;
        if (bits_aligned * 100 < bits * share) {
            bits = bits_aligned;
            chosen = aligned;
        }
    }
    *cost = bits * 256 / taken;
    return chosen;
}
