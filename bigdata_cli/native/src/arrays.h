/* How columns of a batch become arrays: what `arrays/table.py` fills in. */

#ifndef BIGDATA_ARRAYS_H
#define BIGDATA_ARRAYS_H

#include "arrow_batch.h"

typedef struct bd_vocabulary bd_vocabulary;
typedef struct bd_array_column bd_array_column;
typedef struct bd_measured bd_measured;

/* What the values of an Arrow column are. */
enum bd_array_type {
    BD_BOOL, /* bits */
    BD_INT8,
    BD_UINT8,
    BD_INT16,
    BD_UINT16,
    BD_INT32,
    BD_UINT32,
    BD_INT64,
    BD_UINT64,
    BD_FLOAT32,
    BD_FLOAT64,
    BD_CODES, /* int32 places in the batch's own dictionary of strings */
    BD_NULLS, /* nothing but nulls */
    BD_TEXT,  /* strings with int32 offsets */
};

/* A vocabulary, hashed: value i is bytes[offsets[i] .. offsets[i + 1]). slots: mask + 1 of them, a
 * power of two, more than there are values; each the code of a value, or -1. */
struct bd_vocabulary {
    const int64_t *offsets;
    const uint8_t *bytes;
    int64_t n;
    int32_t *slots;
    int64_t mask;
};

/* A column: the child of the batch, and where its values go.
 *
 * divisor: of what a matrix is to hold, or 0. width, fill: bytes of a stored value, and the stored
 * value beneath nulls. values, valid: of the table's first row; valid is NULL where no mask is
 * asked for. lookup: scratch, as long as the batch's dictionary. */
struct bd_array_column {
    int32_t child;
    int32_t type;
    int32_t width;
    int32_t unused;
    double divisor;
    uint64_t fill;
    uint8_t *values;
    uint8_t *valid;
    const bd_vocabulary *vocabulary;
    int32_t *lookup;
};

/* What is in a column of a batch. hidden: whether bytes of text lie beneath a null; longest: bytes
 * of the longest text; has_nul: whether a text has a NUL; text: the first byte of the first text.
 */
struct bd_measured {
    int64_t nulls;
    int64_t dictionary;
    int64_t text_bytes;
    int64_t longest;
    int64_t hidden;
    int64_t has_nul;
    const uint8_t *text;
};

/* Set lookup[i] to the code of value i of the batch's dictionary, -1 where it has none. */
void bd_find_codes(const struct ArrowArray *dictionary, const bd_vocabulary *vocabulary,
                   int32_t *lookup);

#endif
