/* Columns of Arrow batches as the encoders of TFRecord take them; see tfrecord_columns.h.
 *
 * Buffers are read only where the batch has rows, as Arrow asks for no padding. */

#include "tfrecord_columns.h"

#include <string.h>

static const uint32_t NAN_BITS = 0x7fc00000;

struct bd_open_column bd_open_column(const struct bd_tfrecord_column *column,
                                     const struct ArrowArray *batch, const int64_t *lookup)
{
    const struct ArrowArray *array = batch->children[column->child];
    struct bd_open_column open = {
        .valid = array->null_count == 0 ? NULL : array->buffers[0],
        .values = array->buffers[1],
        .lookup = lookup,
        .first = array->offset + batch->offset,
        .type = column->type,
    };
    if (column->type == BD_TFRECORD_TEXT) {
        open.offsets = array->buffers[1];
        open.text = array->buffers[2];
        open.text_end = array->length ? open.offsets[array->offset + array->length] : 0;
    } else if (column->type == BD_TFRECORD_CATEGORY && array->dictionary->length) {
        const struct ArrowArray *dictionary = array->dictionary;
        open.dictionary_first = dictionary->offset;
        open.offsets = dictionary->buffers[1];
        open.text = dictionary->buffers[2];
        open.text_end = open.offsets[dictionary->offset + dictionary->length];
    }
    return open;
}

/* Bits [first, first + count) of a bitmap; only bytes that hold them are read. */
static uint64_t read_bits(const uint8_t *bitmap, int64_t first, int count)
{
    const uint8_t *at = bitmap + (first >> 3);
    const int shift = (int)(first & 7);
    const int n_bytes = (shift + count + 7) >> 3;
    uint64_t bits = 0;
    for (int k = 0; k < n_bytes && k < 8; k++)
        bits |= (uint64_t)at[k] << 8 * k;
    bits >>= shift;
    if (n_bytes == 9)
        bits |= (uint64_t)at[8] << (64 - shift);
    return count == 64 ? bits : bits & ((1ull << count) - 1);
}

uint64_t bd_tile_valid(const struct bd_open_column *column, int64_t row, int count)
{
    if (column->valid == NULL)
        return count == 64 ? UINT64_MAX : (1ull << count) - 1;
    return read_bits(column->valid, column->first + row, count);
}

static bool look_up(const struct bd_open_column *column, const bd_any_i32 *codes, int count,
                    uint64_t valid, int64_t *numbers)
{
    for (int r = 0; r < count; r++) {
        numbers[r] = 0;
        if (valid >> r & 1) {
            numbers[r] = column->lookup[codes[r]];
            if (numbers[r] < 0)
                return false;
        }
    }
    return true;
}

bool bd_tile_integers(const struct bd_open_column *column, int64_t row, int count, uint64_t valid,
                      int64_t *numbers)
{
    const int64_t at = column->first + row;
    const uint8_t *u8 = (const uint8_t *)column->values + at;
    const int8_t *i8 = (const int8_t *)column->values + at;
    const bd_any_u16 *u16 = (const bd_any_u16 *)column->values + at;
    const bd_any_i16 *i16 = (const bd_any_i16 *)column->values + at;
    const bd_any_u32 *u32 = (const bd_any_u32 *)column->values + at;
    const bd_any_i32 *i32 = (const bd_any_i32 *)column->values + at;
    uint64_t bits;
    switch (column->type) {
    case BD_TFRECORD_BOOL:
        bits = read_bits(column->values, at, count);
        for (int r = 0; r < count; r++)
            numbers[r] = (int64_t)(bits >> r & 1);
        break;
    case BD_TFRECORD_UINT8:
        for (int r = 0; r < count; r++)
            numbers[r] = u8[r];
        break;
    case BD_TFRECORD_INT8:
        for (int r = 0; r < count; r++)
            numbers[r] = i8[r];
        break;
    case BD_TFRECORD_UINT16:
        for (int r = 0; r < count; r++)
            numbers[r] = u16[r];
        break;
    case BD_TFRECORD_INT16:
        for (int r = 0; r < count; r++)
            numbers[r] = i16[r];
        break;
    case BD_TFRECORD_UINT32:
        for (int r = 0; r < count; r++)
            numbers[r] = u32[r];
        break;
    case BD_TFRECORD_INT32:
        for (int r = 0; r < count; r++)
            numbers[r] = i32[r];
        break;
    case BD_TFRECORD_CODE:
        return look_up(column, i32, count, valid, numbers);
    default:
        memcpy(numbers, (const uint8_t *)column->values + 8 * at, (size_t)count * 8);
    }
    return true;
}

bool bd_tile_floats(const struct bd_open_column *column, int64_t row, int count, uint64_t valid,
                    uint32_t *bits)
{
    const uint64_t all = count == 64 ? UINT64_MAX : (1ull << count) - 1;
    bool fits = true;
    if (column->type == BD_TFRECORD_FLOAT32) {
        memcpy(bits, (const uint8_t *)column->values + 4 * (column->first + row),
               (size_t)count * 4);
    } else {
        const bd_any_f64 *numbers = (const bd_any_f64 *)column->values + column->first + row;
        float narrow[BD_TILE];
        uint64_t beyond = 0;
        for (int r = 0; r < count; r++) {
            narrow[r] = (float)numbers[r];
            beyond |= (uint64_t)(__builtin_isinf(narrow[r]) && !__builtin_isinf(numbers[r])) << r;
        }
        memcpy(bits, narrow, (size_t)count * 4);
        fits = (beyond & valid) == 0;
    }
    if (valid != all)
        for (int r = 0; r < count; r++)
            bits[r] = valid >> r & 1 ? bits[r] : NAN_BITS;
    return fits;
}

/* The decimal digits of a number, written to the end of `digits`; returns how many. */
static int put_decimal(uint64_t number, uint8_t digits[BD_MAX_DECIMAL])
{
    int at = BD_MAX_DECIMAL;
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    return BD_MAX_DECIMAL - at;
}

void bd_tile_texts(const struct bd_open_column *column, int64_t row, int count, uint64_t valid,
                   struct bd_tile_texts *texts)
{
    const int64_t at = column->first + row;
    if (column->type == BD_TFRECORD_TEXT) {
        const bd_any_i32 *offsets = column->offsets + at;
        for (int r = 0; r < count; r++) {
            texts->starts[r] = column->text + offsets[r];
            texts->lengths[r] = (int64_t)offsets[r + 1] - offsets[r];
        }
    } else if (column->type == BD_TFRECORD_CATEGORY) {
        const bd_any_i32 *codes = (const bd_any_i32 *)column->values + at;
        for (int r = 0; r < count; r++) {
            texts->starts[r] = NULL;
            texts->lengths[r] = 0;
            if (valid >> r & 1) {
                const bd_any_i32 *offsets = column->offsets + column->dictionary_first + codes[r];
                texts->starts[r] = column->text + offsets[0];
                texts->lengths[r] = (int64_t)offsets[1] - offsets[0];
            }
        }
    } else {
        const bd_any_u64 *numbers = (const bd_any_u64 *)column->values + at;
        for (int r = 0; r < count; r++) {
            const int n = put_decimal(numbers[r], texts->digits[r]);
            texts->starts[r] = texts->digits[r] + BD_MAX_DECIMAL - n;
            texts->lengths[r] = n;
        }
    }
    for (int r = 0; r < count; r++)
        if (!(valid >> r & 1))
            texts->lengths[r] = 0;
}

void bd_add_text_bytes(const struct bd_open_column *column, int64_t row, int count, int64_t *sizes)
{
    const int64_t at = column->first + row;
    if (column->type == BD_TFRECORD_TEXT) {
        const bd_any_i32 *offsets = column->offsets + at;
        for (int r = 0; r < count; r++)
            sizes[r] += (int64_t)offsets[r + 1] - offsets[r];
    } else if (column->type == BD_TFRECORD_CATEGORY) {
        const bd_any_i32 *codes = (const bd_any_i32 *)column->values + at;
        const uint64_t valid = bd_tile_valid(column, row, count);
        for (int r = 0; r < count; r++)
            if (valid >> r & 1) {
                const bd_any_i32 *offsets = column->offsets + column->dictionary_first + codes[r];
                sizes[r] += (int64_t)offsets[1] - offsets[0];
            }
    } else {
        for (int r = 0; r < count; r++)
            sizes[r] += BD_MAX_DECIMAL;
    }
}

int64_t bd_text_bytes(const struct bd_open_column *column, int64_t n_rows)
{
    if (n_rows == 0)
        return 0;
    if (column->type == BD_TFRECORD_TEXT)
        return (int64_t)column->offsets[column->first + n_rows] - column->offsets[column->first];
    if (column->type != BD_TFRECORD_CATEGORY)
        return BD_MAX_DECIMAL * n_rows;
    int64_t total = 0;
    for (int64_t row = 0; row < n_rows; row += BD_TILE) {
        const int count = (int)(n_rows - row < BD_TILE ? n_rows - row : BD_TILE);
        int64_t sizes[BD_TILE] = {0};
        bd_add_text_bytes(column, row, count, sizes);
        for (int r = 0; r < count; r++)
            total += sizes[r];
    }
    return total;
}
