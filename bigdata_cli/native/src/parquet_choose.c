/* Which encoding a column gets: the one of the fewest bits, by a sample of its values. */

#include "parquet.h"

enum { MAX_TABLE_SPAN = 1 << 16 }; /* of a range that a table is made of */
enum { MIN_TRIAL_BYTES = 2048 };   /* of floats for which more than plain values is tried */
enum { PAGE_COST = 256 };          /* bits of a dictionary page that is there at all */
enum { LENGTH_BITS = 4 };          /* of a text, where differences of lengths are packed */
enum { MATCH_BITS = 24 };          /* of a value that came before, as zstd stores it */
enum { COMMON_BITS = 6 };          /* of the most common value */
enum { MANY = 8192 };              /* distinct values, of which a dictionary takes long */

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

static int64_t count_pages(const struct bd_encoding *e)
{
    return (e->gathered.values + BD_MAX_PAGE_ROWS - 1) / BD_MAX_PAGE_ROWS;
}

/* How many of the values zstd has to store: of a sequence that came before in the page it needs
 * no more than where. */
static int64_t stored_values(bool compressed, const struct bd_encoding *e,
                             struct bd_repeats repeats)
{
    const int64_t n = e->gathered.values, stored = repeats.fresh * count_pages(e);
    return compressed && stored < n ? stored : n;
}

/* Bits that zstd makes of `n` values one after another: of one that did not come before `each`. */
static int64_t matched_bits_of(int64_t n, int64_t distinct, int64_t common, int64_t each)
{
    distinct = distinct < n ? distinct : n;
    common = common < n - distinct ? common : n - distinct;
    return distinct * each + (n - distinct - common) * MATCH_BITS + common * COMMON_BITS;
}

static int64_t matched_bits(const struct bd_encoding *e, struct bd_repeats repeats, int64_t each)
{
    const int64_t n = e->gathered.values, pages = count_pages(e), fresh = repeats.fresh;
    if (fresh * pages >= n)
        return matched_bits_of(n, repeats.distinct, repeats.common, each);
    return pages * matched_bits_of(fresh, repeats.distinct, repeats.common * fresh / n, each);
}

/* Bits of a dictionary, and of `n` codes of code_cost / 256 bits. */
static int64_t dictionary_bits(int64_t n, int64_t distinct, int64_t value_bits, int64_t code_cost)
{
    return PAGE_COST + distinct * value_bits + n * code_cost / 256;
}

/* Keep the codes as the encoding if they, `n` of which are stored, cost less than `other` bits. */
static void settle(bool compressed, struct bd_encoding *e, int64_t n, int64_t value_bits,
                   int64_t other, enum bd_parquet_encoding otherwise)
{
    int64_t cost;
    e->code_bits = bd_code_bits(e->dictionary.codes, e->gathered.values, e->dictionary.distinct,
                                compressed, n < e->gathered.values / 2, &cost);
    const bool pays = dictionary_bits(n, e->dictionary.distinct, value_bits, cost) < other;
    e->encoding = pays ? BD_RLE_DICTIONARY : otherwise;
}

/* Whether a dictionary of `distinct` numbers may cost less than `other` bits, where a code costs
 * `eighths` of its bits. */
static bool may_pay(const struct bd_encoding *e, int64_t stored, int64_t distinct,
                    int64_t value_bits, int eighths, int64_t other)
{
    const int64_t code_cost = 256 * bd_bits_of((uint64_t)distinct) * eighths / 8;
    return distinct <= e->gathered.values / 2 &&
           dictionary_bits(stored, distinct, value_bits, code_cost) < other;
}

/* A dictionary of numbers, if it may pay, by an estimate of how many are distinct. That is often
 * too few where some are common and most are not: so many are counted better before. */
static bool code_by_hash(struct bd_encoding *e, int64_t stored, int64_t distinct,
                         int64_t value_bits, int eighths, int64_t other, struct bd_arena *arena)
{
    const struct bd_parquet_column *column = e->column;
    const void *numbers = e->gathered.numbers;
    const int64_t n = e->gathered.values;
    const int width = (int)column->width;
    if (distinct > 1 && !may_pay(e, stored, distinct, value_bits, eighths, other))
        return false;
    if (distinct >= MANY && distinct > n / 8) {
        distinct = bd_count_by_hash(numbers, width, n, arena);
        if (distinct < 0 || !may_pay(e, stored, distinct, value_bits, eighths, other))
            return false;
    }
    const bool is_signed = column->kind != BD_FLOAT && column->is_signed;
    return bd_code_by_hash(numbers, width, is_signed, n, distinct, n / 2 + 1, arena,
                           &e->dictionary);
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
    const int64_t taken = bd_sample_runs(&e->gathered, width, column->is_signed, sample);
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
    if (n * 8 * physical < other) { /* differences that take more than the numbers */
        other = n * 8 * physical;
        otherwise = BD_PLAIN;
    }
    const int64_t value_bits = physical * (compressed ? 6 : 8);
    e->encoding = otherwise;
    if (max - min < MAX_TABLE_SPAN) {
        if (code_by_range(e, min, max, arena))
            settle(compressed, e, n, value_bits, min == max ? INT64_MAX : other, otherwise);
        return;
    }
    const struct bd_repeats repeats = bd_estimate_repeats(&e->gathered, width);
    const int64_t stored = stored_values(compressed, e, repeats);
    if (code_by_hash(e, stored, repeats.distinct, value_bits, 6, other, arena))
        settle(compressed, e, stored, value_bits, other, otherwise);
}

/* Floats that come again are few bits by a dictionary, or as they are, where zstd finds them;
 * others are best with their bytes apart. Between the last two the caller decides, by trying. */
static void choose_for_floats(bool compressed, struct bd_encoding *e, struct bd_arena *arena)
{
    uint64_t sample[BD_SAMPLE];
    const int64_t n = e->gathered.values;
    const int width = (int)e->column->width;
    struct bd_repeats repeats = bd_estimate_repeats(&e->gathered, width);
    const int64_t distinct = repeats.distinct, stored = stored_values(compressed, e, repeats);
    bool is_split = false, can_be_split = false;
    int64_t split = n * 8 * width, value_bits = 8 * width;
    int64_t other = split;
    if (compressed && n * width >= MIN_TRIAL_BYTES) {
        const int64_t taken = bd_sample_runs(&e->gathered, width, false, sample);
        const int64_t bits = stored * (bd_split_bits(sample, taken, width) * 256 / taken) / 256;
        const int64_t matched = matched_bits(e, repeats, 7 * width);
        value_bits = 9 * width / 2; /* in a sorted dictionary */
        const bool shrinks = bits * 100 < other * 98;
        is_split = shrinks && bits <= matched;
        can_be_split = distinct * 20 < n * 19 || (shrinks && !is_split);
        split = shrinks ? bits : split;
        other = split < matched ? split : matched;
    }
    e->encoding = is_split && !can_be_split ? BD_BYTE_STREAM_SPLIT : BD_PLAIN;
    /* Where it hardly pays by an estimate, it does not. */
    if (code_by_hash(e, stored, distinct, value_bits, 7, other * 16 / 17, arena)) {
        repeats.distinct = e->dictionary.distinct;
        if (value_bits != 8 * width) {
            const int64_t matched = matched_bits(e, repeats, 7 * width);
            other = split < matched ? split : matched;
        }
        settle(compressed, e, stored, value_bits, distinct == 1 ? INT64_MAX : other, e->encoding);
    }
    e->can_be_split = can_be_split && e->encoding == BD_PLAIN;
}

/* A dictionary of texts; false where it would hold more than `limit`, or the arena is too small.
 * A category has one, of the same codes: they are counted as texts first come. */
static bool code_texts(struct bd_encoding *e, int64_t limit, struct bd_arena *arena)
{
    struct bd_strings strings;
    struct bd_gathered *gathered = &e->gathered;
    if (gathered->numbers) {
        e->dictionary.codes = gathered->numbers;
        e->dictionary.distinct = gathered->distinct;
        return gathered->distinct <= limit;
    }
    if (!bd_strings_begin(&strings, limit + 1, arena))
        return false;
    for (int64_t i = 0; i < gathered->values; i++) {
        e->dictionary.codes[i] =
            bd_strings_code(&strings, gathered->texts[i], gathered->lengths[i]);
        if (strings.distinct > limit)
            return false;
    }
    e->dictionary.distinct = strings.distinct;
    gathered->texts = strings.texts;
    gathered->lengths = strings.lengths;
    gathered->distinct = strings.distinct;
    return true;
}

/* The texts of a category one by one, as those of a column of text; false where the arena is too
 * small. */
static bool expand_category(struct bd_gathered *gathered, struct bd_arena *arena)
{
    const uint8_t **texts = bd_take(arena, (gathered->values + 1) * 8);
    int32_t *lengths = bd_take(arena, (gathered->values + 1) * 4);
    if (!texts || !lengths)
        return false;
    for (int64_t i = 0; i < gathered->values; i++) {
        const int64_t text = bd_text_of(gathered, i);
        texts[i] = gathered->texts[text];
        lengths[i] = gathered->lengths[text];
    }
    gathered->texts = texts;
    gathered->lengths = lengths;
    gathered->numbers = NULL;
    return true;
}

/* Whether a dictionary of texts costs less than the texts one after another. code_cost: of a value,
 * in 1/256 bits. */
static bool dictionary_pays(bool compressed, const struct bd_encoding *e, struct bd_repeats repeats,
                            int64_t text_bits, int64_t code_cost)
{
    const int64_t n = stored_values(compressed, e, repeats), each = text_bits + LENGTH_BITS;
    const int64_t matched = matched_bits(e, repeats, each);
    const int64_t plain = compressed && matched < n * each ? matched : n * each;
    return dictionary_bits(n, repeats.distinct, text_bits + 16, code_cost) < plain;
}

/* How many texts a dictionary may hold at the most, so that it can pay; 0: it cannot. */
static int64_t max_texts(bool compressed, const struct bd_encoding *e, struct bd_repeats repeats,
                         int64_t text_bits)
{
    int64_t least = 0, most = e->gathered.values / 2;
    while (least < most) {
        const int64_t middle = (least + most + 1) / 2;
        const int64_t code_cost = 256 * bd_bits_of((uint64_t)middle) * 3 / 4;
        repeats.distinct = middle;
        if (dictionary_pays(compressed, e, repeats, text_bits, code_cost))
            least = middle;
        else
            most = middle - 1;
    }
    return least;
}

/* Texts, or a category, by the same numbers: so that the bytes are the same, whatever the column
 * was taken for. How many are distinct is estimated first, which is often too few where some are
 * common and many rare: then it is seen when they are counted. False where the arena is too
 * small. */
static bool choose_for_texts(bool compressed, struct bd_encoding *e, struct bd_arena *arena)
{
    const struct bd_gathered before = e->gathered;
    const int64_t n = before.values;
    int64_t bytes = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += before.lengths[bd_text_of(&before, i)];
    const int64_t text_bits = bytes * (compressed ? 5 : 8) / n;
    struct bd_repeats repeats = bd_estimate_repeats(&before, 0);
    const int64_t limit = max_texts(compressed, e, repeats, text_bits);
    if (repeats.distinct <= limit && code_texts(e, limit, arena)) {
        int64_t cost;
        repeats.distinct = e->dictionary.distinct;
        const bool has_sequences = stored_values(compressed, e, repeats) < n / 2;
        e->code_bits = bd_code_bits(e->dictionary.codes, n, repeats.distinct, compressed,
                                    has_sequences, &cost);
        if (dictionary_pays(compressed, e, repeats, text_bits, cost)) {
            e->encoding = BD_RLE_DICTIONARY;
            return true;
        }
        e->gathered = before;
    }
    e->encoding = BD_DELTA_LENGTH_BYTE_ARRAY;
    return !e->gathered.numbers || expand_category(&e->gathered, arena);
}

/* Choose the encoding of a column, and make its dictionary where it has one. `compressed`: whether
 * pages will be. False where the arena is too small. */
bool bd_choose(bool compressed, struct bd_encoding *e, struct bd_arena *arena)
{
    const struct bd_gathered *gathered = &e->gathered;
    const int64_t n = gathered->values;
    uint64_t min, max;
    e->encoding = BD_PLAIN;
    if (n == 0 || e->column->kind == BD_BOOL)
        return true;
    if (e->column->kind == BD_CATEGORY)
        return choose_for_texts(compressed, e, arena);
    e->dictionary.codes = bd_take(arena, (n + 16) * 4);
    e->dictionary.values = bd_take(arena, (n + 2) * 8);
    if (!e->dictionary.codes || !e->dictionary.values)
        return false;
    switch (e->column->kind) {
    case BD_TEXT:
        return choose_for_texts(compressed, e, arena);
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
