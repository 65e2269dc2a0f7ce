/* Columns of Arrow batches as the encoders of TFRecord take them: a few rows at a time, numbers
 * widened to 64 bits, floats as the bits of float32, texts by their places. */

#ifndef BD_TFRECORD_COLUMNS_H
#define BD_TFRECORD_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "arrow.h"
#include "bigdata.h"

enum {
    /* Rows that are taken at a time: a bit of a word for each. */
    BD_TILE = 64,
    BD_MAX_DECIMAL = 20,
};

/* Values at any byte: Arrow recommends that buffers are aligned, and does not promise it. */
typedef int16_t bd_any_i16 __attribute__((aligned(1)));
typedef uint16_t bd_any_u16 __attribute__((aligned(1)));
typedef int32_t bd_any_i32 __attribute__((aligned(1)));
typedef uint32_t bd_any_u32 __attribute__((aligned(1)));
typedef uint64_t bd_any_u64 __attribute__((aligned(1)));
typedef double bd_any_f64 __attribute__((aligned(1)));

/* A column of a batch, whose row 0 is at `first` of its buffers. valid: a bitmap, NULL where all
 * rows have values. text: of a category, that of its dictionary, whose values begin at
 * `dictionary_first` of `offsets`; text_end is where its last one ends. lookup: places of codes. */
struct bd_open_column {
    const uint8_t *valid;
    const void *values;
    const bd_any_i32 *offsets;
    const uint8_t *text;
    const int64_t *lookup;
    int64_t first;
    int64_t dictionary_first;
    int64_t text_end;
    int32_t type;
};

/* Texts of the rows of a tile; `digits` are those of integers. */
struct bd_tile_texts {
    const uint8_t *starts[BD_TILE];
    int64_t lengths[BD_TILE];
    uint8_t digits[BD_TILE][BD_MAX_DECIMAL];
};

struct bd_open_column bd_open_column(const struct bd_tfrecord_column *column,
                                     const struct ArrowArray *batch, const int64_t *lookup);

/* All functions below: of rows [row, row + count), count in 1..BD_TILE, which the batch has. */

/* Which rows have a value: a bit for each. */
uint64_t bd_tile_valid(const struct bd_open_column *column, int64_t row, int count);

/* Integers, and codes by their lookup, whatever lies beneath a null; false for a code of a row that
 * is valid and that has no place. */
bool bd_tile_integers(const struct bd_open_column *column, int64_t row, int count, uint64_t valid,
                      int64_t *numbers);

/* The bits of float32; NaN beneath a null. False for a number beyond float32. */
bool bd_tile_floats(const struct bd_open_column *column, int64_t row, int count, uint64_t valid,
                    uint32_t *bits);

/* Texts, those of categories, and integers as decimal digits; of a null there is none. */
void bd_tile_texts(const struct bd_open_column *column, int64_t row, int count, uint64_t valid,
                   struct bd_tile_texts *texts);

/* Bytes of the texts of rows [0, n_rows), at the most. */
int64_t bd_text_bytes(const struct bd_open_column *column, int64_t n_rows);

/* Add to sizes[0:count] the bytes of the texts of a tile, at the most. */
void bd_add_text_bytes(const struct bd_open_column *column, int64_t row, int count, int64_t *sizes);

#endif
