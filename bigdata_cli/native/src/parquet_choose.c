/* Which encoding a column gets: the one of the fewest bits, by a sample of its values. */

#include "parquet.h"

enum { MAX_TABLE_SPAN = 1 << 16 }; /* of a range that a table is made of */
enum { MIN_TRIAL_BYTES = 2048 };   /* of floats for which more than plain values is tried */
enum { PAGE_COST = 256 };          /* bits of a dictionary page that is there at all */

/* Numbers by a table of their range, where that is small; false where it is not, or where so many
 * are distinct that no dictionary can pay. */
static bool code_by_range(struct bd_encoding *e, uint64_t min, uint64_t max, struct bd_arena *arena)
{
    const int64_t n = e->gathered.values;
    const uint64_t span = max - min;
    const int width = (int)e->column->width;
    if (span >= MAX_TABLE_SPAN || (span > 255 && span > 4 * (uint64_t)n))
        return false;
    uint32_t *ranks = bd_take(arena, ((int64_t)span + 2) * 4);
    if (!ranks)
        return false;
    e->dictionary.distinct = bd_count_in_range(e->gathered.numbers, width, n, min, span, ranks);
    if (e->dictionary.distinct > n / 2 + 1)
        return false;
    bd_code_in_range(e->gathered.numbers, width, n, min, span, ranks, &e->dictionary);
    return true;
}

static int64_t dictionary_bits(const struct bd_encoding *e, int64_t distinct, int64_t value_bits,
                               int64_t code_cost)
{
    return PAGE_COST + distinct * value_bits + e->gathered.values * code_cost / 256;
}

/* Keep the codes as the encoding if they cost less than `other` bits. */
static void settle(bool compressed, struct bd_encoding *e, int64_t value_bits, int64_t other,
                   enum bd_parquet_encoding otherwise)
{
    int64_t cost;
    e->code_bits = bd_code_bits(e->dictionary.codes, e->gathered.values, e->dictionary.distinct,
                                compressed, &cost);
    const bool pays = dictionary_bits(e, e->dictionary.distinct, value_bits, cost) < other;
    e->encoding = pays ? BD_RLE_DICTIONARY : otherwise;
}

static int64_t delta_cost(const uint64_t *sample, int64_t n)
{
    int64_t bits = 0;
    for (int64_t at = 0; at < n; at += 512)
        bits += bd_delta_bits(sample + at, n - at < 512 ? n - at : 512);
    return bits * 256 / n;
}

static void choose_for_integers(bool compressed, struct bd_encoding *e, uint64_t min, uint64_t max,
                                struct bd_arena *arena)
{
    uint64_t sample[BD_SAMPLE];
    const struct bd_parquet_column *column = e->column;
    const int64_t n = e->gathered.values;
    const int width = (int)column->width, physical = (int)column->physical;
    const int64_t taken = bd_sample_values(&e->gathered, width, column->is_signed, sample);
    enum bd_parquet_encoding otherwise = BD_DELTA_BINARY_PACKED;
    int64_t other = n * delta_cost(sample, taken) / 256;
    if (compressed) {
        const int64_t plain = n * (bd_plain_bits(sample, taken, physical) * 256 / taken) / 256;
        /* More bytes for zstd: they must pay. */
        if (plain * 7 < other * 6) {
            other = plain * 7 / 6;
            otherwise = BD_PLAIN;
        }
    }
    const int64_t value_bits = physical * (compressed ? 6 : 8);
    e->encoding = otherwise;
    if (max - min < MAX_TABLE_SPAN) {
        if (code_by_range(e, min, max, arena))
            settle(compressed, e, value_bits, min == max ? INT64_MAX : other, otherwise);
        return;
    }
    const int64_t distinct = bd_estimate_distinct(sample, taken, n);
    const int64_t code_cost = 256 * bd_bits_of((uint64_t)distinct) * 3 / 4;
    if (distinct > n / 2 || dictionary_bits(e, distinct, value_bits, code_cost) >= other)
        return;
    if (bd_code_by_hash(e->gathered.numbers, width, column->is_signed, n, distinct, n / 2 + 1,
                        arena, &e->dictionary))
        settle(compressed, e, value_bits, other, otherwise);
}

/* Floats that come again are few bits by a dictionary, or as they are, where zstd finds them;
 * others are best with their bytes apart. Between the last two the caller decides, by trying. */
static void choose_for_floats(bool compressed, struct bd_encoding *e, struct bd_arena *arena)
{
    uint64_t sample[BD_SAMPLE];
    const int64_t n = e->gathered.values;
    const int width = (int)e->column->width;
    const int64_t taken = bd_sample_values(&e->gathered, width, false, sample);
    const int64_t distinct = bd_estimate_distinct(sample, taken, n);
    enum bd_parquet_encoding otherwise = BD_PLAIN;
    bool can_be_split = false;
    int64_t other = n * 8 * width;
    int64_t value_bits = 8 * width;
    if (compressed && n * width >= MIN_TRIAL_BYTES) {
        const int64_t split = n * (bd_split_bits(sample, taken, width) * 256 / taken) / 256;
        /* A value that came before is a match for zstd, of some 24 bits. */
        const int64_t matched = distinct * 7 * width + (n - distinct) * 24;
        value_bits = 9 * width / 2; /* in a sorted dictionary */
        const bool is_split = split * 100 < other * 98 && split <= matched;
        can_be_split = distinct * 20 < n * 19;
        if (is_split && !can_be_split)
            otherwise = BD_BYTE_STREAM_SPLIT;
        other = is_split ? split : matched < other ? matched : other;
    }
    e->encoding = otherwise;
    const int64_t code_cost = 256 * bd_bits_of((uint64_t)distinct) * 7 / 8;
    const bool may_pay = dictionary_bits(e, distinct, value_bits, code_cost) < other;
    if (distinct == 1 || (distinct <= n / 2 && may_pay)) {
        if (bd_code_by_hash(e->gathered.numbers, width, false, n, distinct, n / 2 + 1, arena,
                            &e->dictionary))
            settle(compressed, e, value_bits, distinct == 1 ? INT64_MAX : other, otherwise);
    }
    e->can_be_split = can_be_split && e->encoding == BD_PLAIN;
}

/* A dictionary of texts where they come again; false where it would hold too many. */
static bool code_texts(struct bd_encoding *e, int64_t limit, struct bd_arena *arena)
{
    struct bd_strings strings;
    struct bd_gathered *gathered = &e->gathered;
    if (!bd_strings_begin(&strings, limit, arena))
        return false;
    for (int64_t i = 0; i < gathered->values; i++) {
        if (strings.distinct == limit)
            return false;
        e->dictionary.codes[i] =
            bd_strings_code(&strings, gathered->texts[i], gathered->lengths[i]);
    }
    e->dictionary.distinct = strings.distinct;
    gathered->texts = strings.texts;
    gathered->lengths = strings.lengths;
    gathered->distinct = strings.distinct;
    return true;
}

static void choose_for_texts(bool compressed, struct bd_encoding *e, struct bd_arena *arena)
{
    uint64_t sample[BD_SAMPLE];
    const int64_t n = e->gathered.values;
    const int64_t taken = bd_sample_values(&e->gathered, 0, false, sample);
    const int64_t distinct = bd_estimate_distinct(sample, taken, n);
    int64_t bytes = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += e->gathered.lengths[i];
    e->encoding = BD_DELTA_LENGTH_BYTE_ARRAY;
    const int64_t text_bits = bytes * (compressed ? 5 : 8) / n;
    const int64_t bits =
        dictionary_bits(e, distinct, text_bits + 16, 256 * bd_bits_of((uint64_t)distinct));
    if (distinct > n / 2 || bits >= n * (text_bits + 4))
        return;
    const int64_t limit = 2 * distinct + 1024 < n ? 2 * distinct + 1024 : n;
    if (code_texts(e, limit + 1, arena)) {
        int64_t cost;
        e->encoding = BD_RLE_DICTIONARY;
        e->code_bits =
            bd_code_bits(e->dictionary.codes, n, e->dictionary.distinct, compressed, &cost);
    }
}

/* Choose the encoding of a column, and make its dictionary where it has one. `compressed`: whether
 * pages will be. False where the arena is too small. */
bool bd_choose(bool compressed, struct bd_encoding *e, struct bd_arena *arena)
{
    const struct bd_gathered *gathered = &e->gathered;
    const int64_t n = gathered->values;
    int64_t cost;
    uint64_t min, max;
    e->encoding = BD_PLAIN;
    if (n == 0 || e->column->kind == BD_BOOL)
        return true;
    if (e->column->kind == BD_CATEGORY) {
        e->encoding = BD_RLE_DICTIONARY;
        e->dictionary.codes = gathered->numbers;
        e->dictionary.distinct = gathered->distinct;
        e->code_bits = bd_code_bits(e->dictionary.codes, n, gathered->distinct, compressed, &cost);
        return true;
    }
    e->dictionary.codes = bd_take(arena, (n + 16) * 4);
    e->dictionary.values = bd_take(arena, (n + 2) * 8);
    if (!e->dictionary.codes || !e->dictionary.values)
        return false;
    switch (e->column->kind) {
    case BD_TEXT:
        choose_for_texts(compressed, e, arena);
        break;
    case BD_FLOAT:
        choose_for_floats(compressed, e, arena);
        break;
    default:
        bd_number_range(gathered->numbers, (int)e->column->width, e->column->is_signed, n, &min,
                        &max);
        choose_for_integers(compressed, e, min, max, arena);
    }
    return true;
}
