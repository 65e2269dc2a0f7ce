/* A column of a row group gathered from the chunks it is in: no nulls, one piece. */

#include "parquet.h"

/* A bit of a bitmap. */
static inline bool bit_at(const uint8_t *bitmap, int64_t i)
{
    return bitmap[i >> 3] >> (i & 7) & 1;
}

/* 64 bits from bit `first` of a bitmap, of which `n` (1 to 64) are there; the others are 0. Reads
 * no byte that has none of them. */
static uint64_t bits_at(const uint8_t *bitmap, int64_t first, int64_t n)
{
    const uint8_t *from = bitmap + (first >> 3);
    const int shift = (int)(first & 7);
    const int64_t bytes = (shift + n + 7) >> 3;
    uint64_t low = 0;
    memcpy(&low, from, bytes < 8 ? (size_t)bytes : 8);
    low >>= shift;
    if (bytes > 8)
        low |= (uint64_t)from[8] << (64 - shift);
    return n < 64 ? low & (((uint64_t)1 << n) - 1) : low;
}

/* Append `n` bits from `first` of a bitmap (NULL: ones) at bit `at` of another, whose bits from
 * there on are 0. Returns how many were ones. */
static int64_t append_bits(const uint8_t *from, int64_t first, int64_t n, uint8_t *to, int64_t at)
{
    int64_t ones = 0;
    for (int64_t done = 0; done < n;) {
        const int64_t here = at + done;
        const int shift = (int)(here & 7);
        const int64_t some = n - done < 56 ? n - done : 56;
        const uint64_t bits = from ? bits_at(from, first + done, some) : ((uint64_t)1 << some) - 1;
        const uint64_t before = bd_load64(to + (here >> 3));
        bd_store64(to + (here >> 3), before | bits << shift);
        ones += __builtin_popcountll(bits);
        done += some;
    }
    return ones;
}

/* A buffer of an array; that of an array without values may be NULL, which is no place to count
 * from. */
static const void *buffer_of(const struct bd_arrow_array *array, int i)
{
    static const uint64_t nothing[2];
    return array->buffers[i] ? array->buffers[i] : nothing;
}

/* The bitmap of an array; NULL where no value is null. */
static const uint8_t *validity_of(const struct bd_arrow_array *array)
{
    return array->null_count == 0 ? NULL : array->buffers[0];
}

/* The validity of a column of all batches in one bitmap, of `rows` bits and 16 bytes more, which
 * the caller has set to 0. Returns NULL where no row is null. */
const uint8_t *bd_gather_validity(struct bd_arrow_array *const *batches, int64_t n_batches,
                                  int64_t child, uint8_t *bitmap, int64_t *rows, int64_t *values)
{
    bool has_bitmap = false;
    int64_t n = 0, ones = 0;
    for (int64_t b = 0; b < n_batches; b++) {
        const struct bd_arrow_array *array = batches[b]->children[child];
        has_bitmap |= validity_of(array) != NULL;
        n += array->length;
    }
    *rows = *values = n;
    if (!has_bitmap)
        return NULL;
    int64_t at = 0;
    for (int64_t b = 0; b < n_batches; b++) {
        const struct bd_arrow_array *array = batches[b]->children[child];
        ones += append_bits(validity_of(array), array->offset, array->length, bitmap, at);
        at += array->length;
    }
    *values = ones;
    return ones == n ? NULL : bitmap;
}

/* Copy the values whose bits are set; returns the end. At most 64 rows a step: whole words of ones
 * are copied at once. Writes only below `to + n`. */
static inline __attribute__((always_inline)) int64_t compact(const void *from, const int width,
                                                             const uint8_t *validity, int64_t first,
                                                             int64_t n, void *to)
{
    int64_t kept = 0;
    for (int64_t done = 0; done < n; done += 64) {
        const int64_t some = n - done < 64 ? n - done : 64;
        const uint64_t bits = bits_at(validity, first + done, some);
        const uint8_t *here = (const uint8_t *)from + done * width;
        uint8_t *out = (uint8_t *)to + kept * width;
        const int64_t ones = __builtin_popcountll(bits);
        if (ones == some) {
            memcpy(out, here, (size_t)(some * width));
        } else if (ones < 8) {
            for (uint64_t left = bits; left; left &= left - 1) {
                memcpy(out, here + __builtin_ctzll(left) * width, (size_t)width);
                out += width;
            }
        } else {
            /* Each value is written, and the next over it where it is null: `to + kept` never
             * passes the row, so this stays below `to + n`. */
            int64_t k = 0;
            for (int64_t i = 0; i < some; i++) {
                memcpy(out + k * width, here + i * width, (size_t)width);
                k += bits >> i & 1;
            }
        }
        kept += ones;
    }
    return kept;
}

static int64_t compact_any(const void *from, int width, const uint8_t *validity, int64_t first,
                           int64_t n, void *to)
{
    switch (width) {
    case 1:
        return compact(from, 1, validity, first, n, to);
    case 2:
        return compact(from, 2, validity, first, n, to);
    case 4:
        return compact(from, 4, validity, first, n, to);
    default:
        return compact(from, 8, validity, first, n, to);
    }
}

static bool gather_numbers(struct bd_arrow_array *const *batches, int64_t n_batches, int64_t child,
                           int width, struct bd_arena *arena, struct bd_gathered *gathered)
{
    const struct bd_arrow_array *only = batches[0]->children[child];
    const uintptr_t place = (uintptr_t)buffer_of(only, 1) + (uintptr_t)(only->offset * width);
    if (n_batches == 1 && !gathered->validity && place % (uintptr_t)width == 0) {
        /* Read only: nothing here writes into numbers of BD_INT or BD_FLOAT. */
        gathered->numbers = (void *)place;
        return true;
    }
    uint8_t *to = bd_take(arena, (gathered->rows + 8) * width);
    if (!to)
        return false;
    gathered->numbers = to;
    for (int64_t b = 0; b < n_batches; b++) {
        const struct bd_arrow_array *array = batches[b]->children[child];
        const uint8_t *from = (const uint8_t *)buffer_of(array, 1) + array->offset * width;
        const uint8_t *validity = gathered->validity ? validity_of(array) : NULL;
        int64_t kept = array->length;
        if (validity)
            kept = compact_any(from, width, validity, array->offset, array->length, to);
        else if (kept)
            memcpy(to, from, (size_t)(kept * width));
        to += kept * width;
    }
    return true;
}

static bool gather_booleans(struct bd_arrow_array *const *batches, int64_t n_batches, int64_t child,
                            struct bd_arena *arena, struct bd_gathered *gathered)
{
    const int64_t bytes = gathered->rows / 8 + 24;
    uint8_t *bits = bd_take(arena, bytes);
    if (!bits)
        return false;
    memset(bits, 0, (size_t)bytes);
    gathered->numbers = bits;
    int64_t at = 0;
    for (int64_t b = 0; b < n_batches; b++) {
        const struct bd_arrow_array *array = batches[b]->children[child];
        const uint8_t *from = buffer_of(array, 1);
        const uint8_t *validity = gathered->validity ? validity_of(array) : NULL;
        if (!validity) {
            append_bits(from, array->offset, array->length, bits, at);
            at += array->length;
            continue;
        }
        for (int64_t i = 0; i < array->length; i++) {
            if (!bit_at(validity, array->offset + i))
                continue;
            bits[at >> 3] |= (uint8_t)(bit_at(from, array->offset + i) << (at & 7));
            at++;
        }
    }
    return true;
}

static bool gather_texts(struct bd_arrow_array *const *batches, int64_t n_batches, int64_t child,
                         struct bd_arena *arena, struct bd_gathered *gathered)
{
    gathered->texts = bd_take(arena, (gathered->rows + 1) * 8);
    gathered->lengths = bd_take(arena, (gathered->rows + 1) * 4);
    if (!gathered->texts || !gathered->lengths)
        return false;
    int64_t k = 0;
    for (int64_t b = 0; b < n_batches; b++) {
        const struct bd_arrow_array *array = batches[b]->children[child];
        const uint8_t *validity = gathered->validity ? validity_of(array) : NULL;
        const int32_t *ends = (const int32_t *)buffer_of(array, 1) + array->offset;
        const uint8_t *bytes = buffer_of(array, 2);
        for (int64_t i = 0; i < array->length; i++) {
            gathered->texts[k] = bytes + ends[i];
            gathered->lengths[k] = ends[i + 1] - ends[i];
            k += !validity || bit_at(validity, array->offset + i);
        }
    }
    return true;
}

/* Codes of a category: the dictionaries of the chunks are made one, of the values that rows have,
 * in the order in which rows first have them. So it follows from the rows alone. */
static bool gather_categories(struct bd_arrow_array *const *batches, int64_t n_batches,
                              int64_t child, struct bd_arena *arena, struct bd_gathered *gathered)
{
    int64_t entries = 0, largest = 0;
    for (int64_t b = 0; b < n_batches; b++) {
        const int64_t length = batches[b]->children[child]->dictionary->length;
        entries += length;
        largest = length > largest ? length : largest;
    }
    uint32_t *codes = bd_take(arena, (gathered->rows + 16) * 4);
    uint32_t *known = bd_take(arena, (largest + 1) * 4); /* chunk's code → distinct value */
    uint32_t *order = bd_take(arena, (entries + 1) * 4); /* distinct value → code + 1 */
    gathered->texts = bd_take(arena, (entries + 1) * 8);
    gathered->lengths = bd_take(arena, (entries + 1) * 4);
    struct bd_strings strings;
    if (!codes || !known || !order || !gathered->texts || !gathered->lengths ||
        !bd_strings_begin(&strings, entries, arena))
        return false;
    memset(order, 0, (size_t)(entries + 1) * 4);
    gathered->numbers = codes;

    int64_t k = 0;
    uint32_t used = 0;
    const int32_t *before = NULL;
    int64_t before_length = -1;
    for (int64_t b = 0; b < n_batches; b++) {
        const struct bd_arrow_array *array = batches[b]->children[child];
        const struct bd_arrow_array *values = array->dictionary;
        const int32_t *ends = (const int32_t *)buffer_of(values, 1) + values->offset;
        const uint8_t *bytes = buffer_of(values, 2);
        if (ends != before || values->length != before_length) {
            for (int64_t i = 0; i < values->length; i++)
                known[i] = bd_strings_code(&strings, bytes + ends[i], ends[i + 1] - ends[i]);
        }
        before = ends;
        before_length = values->length;
        const uint8_t *validity = gathered->validity ? validity_of(array) : NULL;
        const int32_t *indices = (const int32_t *)buffer_of(array, 1) + array->offset;
        for (int64_t i = 0; i < array->length; i++) {
            if (validity && !bit_at(validity, array->offset + i))
                continue;
            const uint32_t value = known[indices[i]];
            if (!order[value]) {
                gathered->texts[used] = strings.texts[value];
                gathered->lengths[used] = strings.lengths[value];
                order[value] = ++used;
            }
            codes[k++] = order[value] - 1;
        }
    }
    gathered->distinct = used;
    return true;
}

/* Gather a column; false where the arena is too small. */
bool bd_gather(struct bd_arrow_array *const *batches, int64_t n_batches, int64_t child,
               const struct bd_parquet_column *column, struct bd_arena *arena,
               struct bd_gathered *gathered)
{
    memset(gathered, 0, sizeof *gathered);
    int64_t rows = 0;
    for (int64_t b = 0; b < n_batches; b++)
        rows += batches[b]->children[child]->length;
    const int64_t bytes = rows / 8 + 24;
    uint8_t *bitmap = bd_take(arena, bytes);
    if (!bitmap)
        return false;
    memset(bitmap, 0, (size_t)bytes);
    gathered->validity =
        bd_gather_validity(batches, n_batches, child, bitmap, &gathered->rows, &gathered->values);
    switch (column->kind) {
    case BD_BOOL:
        return gather_booleans(batches, n_batches, child, arena, gathered);
    case BD_TEXT:
        return gather_texts(batches, n_batches, child, arena, gathered);
    case BD_CATEGORY:
        return gather_categories(batches, n_batches, child, arena, gathered);
    default:
        return gather_numbers(batches, n_batches, child, (int)column->width, arena, gathered);
    }
}
