/* Makes Arrow arrays of values that were decoded: each dtype's own width, checked against its
 * range, zeros beneath nulls, bitmaps of validity. Columns of a dtype lie one after another. */

#include "tfrecord_parse.h"

static inline void set_bit(uint8_t *bitmap, int64_t place)
{
    bitmap[place >> 3] = (uint8_t)(bitmap[place >> 3] | 1 << (place & 7));
}

/* Set bits [first, first + n) where bytes are not 0; the bitmap comes as zeros. */
static void put_bits(uint8_t *bitmap, int64_t first, const uint8_t *bytes, int64_t n)
{
    int64_t k = 0;
    for (; k < n && (first + k) & 7; k++)
        if (bytes[k])
            set_bit(bitmap, first + k);
    for (; k + 8 <= n; k += 8) {
        uint8_t bits = 0;
        for (int i = 0; i < 8; i++)
            bits = (uint8_t)(bits | (bytes[k + i] != 0) << i);
        bitmap[(first + k) >> 3] = bits;
    }
    for (; k < n; k++)
        if (bytes[k])
            set_bit(bitmap, first + k);
}

/* Set bits [first, first + n). */
static void put_ones(uint8_t *bitmap, int64_t first, int64_t n)
{
    const int64_t end = first + n;
    for (; first < end && first & 7; first++)
        set_bit(bitmap, first);
    if (end - first >= 8)
        memset(bitmap + (first >> 3), 0xff, (size_t)((end - first) >> 3));
    for (first += (end - first) & ~7ll; first < end; first++)
        set_bit(bitmap, first);
}

static int64_t count_nans(const uint32_t *floats, int64_t n)
{
    int64_t count = 0;
    for (int64_t r = 0; r < n; r++)
        count += (floats[r] & 0x7fffffff) > 0x7f800000;
    return count;
}

/* How many rows of a column have no value; where some have none, valid[0:n_rows] is filled with 1
 * for those that have one. */
static int64_t find_valid(const struct bd_tfrecord_array *array,
                          const struct bd_tfrecord_places *places, int64_t n_records,
                          int64_t n_rows, uint8_t *valid)
{
    const int64_t list = array->nulls_by == BD_TFRECORD_LISTED ? array->valid_list : array->list;
    const int64_t at = places->firsts[list] + array->number * n_rows;
    const uint8_t *absent = places->absent + list * n_records;
    if (array->nulls_by == BD_TFRECORD_NAN) {
        const int64_t nulls = count_nans(places->floats + at, n_rows);
        for (int64_t r = 0; nulls && r < n_rows; r++)
            valid[r] = (places->floats[at + r] & 0x7fffffff) <= 0x7f800000;
        return nulls;
    }
    if (array->nulls_by == BD_TFRECORD_ABSENT && places->absences[list] > 0) {
        for (int64_t r = 0; r < n_rows; r++)
            valid[r] = !absent[r];
        return places->absences[list];
    }
    if (array->nulls_by == BD_TFRECORD_LISTED && places->absences[list] < n_records) {
        int64_t n_valid = 0;
        for (int64_t j = 0, r = 0; j < n_records; j++)
            for (const int64_t end = r + places->rows[j]; r < end; r++) {
                valid[r] = absent[j] || places->slots[at + r] != 0;
                n_valid += valid[r];
            }
        return n_rows - n_valid;
    }
    return 0;
}

/* Whether all numbers are in [low, high], those of nulls set to 0. */
static bool in_range(int64_t *numbers, const uint8_t *valid, int64_t n, int64_t nulls, int64_t low,
                     int64_t high)
{
    bool beyond = false;
    if (nulls)
        for (int64_t r = 0; r < n; r++)
            numbers[r] &= -(int64_t)valid[r];
    for (int64_t r = 0; r < n; r++)
        beyond |= (numbers[r] < low) | (numbers[r] > high);
    return !beyond;
}

/* Write integers in the width of the type; of signed and unsigned ones the bytes are the same. */
static void put_integers(void *values, int64_t first, int64_t width, const int64_t *numbers,
                         int64_t n)
{
    uint8_t *u8 = (uint8_t *)values + first;
    uint16_t *u16 = (uint16_t *)values + first;
    uint32_t *u32 = (uint32_t *)values + first;
    switch (width) {
    case 1:
        for (int64_t r = 0; r < n; r++)
            u8[r] = (uint8_t)numbers[r];
        break;
    case 2:
        for (int64_t r = 0; r < n; r++)
            u16[r] = (uint16_t)numbers[r];
        break;
    case 4:
        for (int64_t r = 0; r < n; r++)
            u32[r] = (uint32_t)numbers[r];
        break;
    default:
        memcpy((int64_t *)values + first, numbers, (size_t)n * 8);
    }
}

/* A column; false where a value is beyond its range. */
static bool put_array(struct bd_tfrecord_array *array, const struct bd_tfrecord_places *places,
                      int64_t n_records, int64_t n_rows, uint8_t *valid)
{
    const int64_t at = places->firsts[array->list] + array->number * n_rows;
    const int64_t nulls = array->nulls = find_valid(array, places, n_records, n_rows, valid);
    if (nulls)
        put_bits(array->bitmap, array->first, valid, n_rows);
    else
        put_ones(array->bitmap, array->first, n_rows);
    if (array->type == BD_TFRECORD_FLOAT32)
        return true;
    if (array->type == BD_TFRECORD_FLOAT64) {
        double *doubles = (double *)array->values + array->first;
        for (int64_t r = 0; r < n_rows; r++) {
            float number;
            memcpy(&number, &places->floats[at + r], 4);
            doubles[r] = number;
        }
        return true;
    }
    if (array->type == BD_TFRECORD_TEXT) {
        for (int64_t r = 0; nulls && r < n_rows; r++)
            places->lengths[at + r] &= -(int64_t)valid[r];
        return true;
    }
    int64_t *numbers = places->slots + at;
    if (!in_range(numbers, valid, n_rows, nulls, array->low, array->high))
        return false;
    if (array->type == BD_TFRECORD_BOOL) {
        for (int64_t r = 0; r < n_rows; r++)
            valid[r] = (uint8_t)numbers[r];
        put_bits(array->values, array->first, valid, n_rows);
    } else {
        put_integers(array->values, array->first, array->width, numbers, n_rows);
    }
    return true;
}

int64_t bd_tfrecord_arrays(struct bd_tfrecord_array *arrays, int64_t n_arrays,
                           const struct bd_tfrecord_places *places, int64_t n_records,
                           int64_t n_rows, uint8_t *valid)
{
    for (int64_t k = 0; k < n_arrays; k++)
        if (!put_array(&arrays[k], places, n_records, n_rows, valid))
            return k;
    return -1;
}
