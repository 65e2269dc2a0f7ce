/* Rows of a batch as text: CSV, or JSON lines. What `export/text.py` fills in. */

#ifndef BIGDATA_TEXT_ROWS_H
#define BIGDATA_TEXT_ROWS_H

#include "arrow_batch.h"

/* What the values of an Arrow column are. */
enum bd_text_type {
    BD_TEXT_BOOL, /* bits */
    BD_TEXT_INT8,
    BD_TEXT_UINT8,
    BD_TEXT_INT16,
    BD_TEXT_UINT16,
    BD_TEXT_INT32,
    BD_TEXT_UINT32,
    BD_TEXT_INT64,
    BD_TEXT_UINT64,
    BD_TEXT_FLOAT32,
    BD_TEXT_FLOAT64,
    BD_TEXT_DATE,       /* int32 days since 1970 */
    BD_TEXT_MICROS,     /* int64 microseconds since 1970 */
    BD_TEXT_NANOS,      /* int64 nanoseconds since 1970 */
    BD_TEXT_MICROS_UTC, /* the same with a Z */
    BD_TEXT_NANOS_UTC,
    BD_TEXT_CODES,   /* int32 places in the batch's own dictionary of strings */
    BD_TEXT_STRINGS, /* strings with int32 offsets */
};

/* A column: the child of the batch, and what stands before each of its values. */
typedef struct bd_text_column {
    int32_t child;
    int32_t type;
    const uint8_t *before;
    int64_t n_before;
} bd_text_column;

/* How rows are written.
 *
 * is_json: strings are escaped as in JSON, and dates quoted. null: in the place of a value; end:
 * after a row. special: of each byte whether a text of CSV with it is quoted. tokens: texts that
 * are quoted too, one after the other up to `token_ends`. */
typedef struct bd_text_style {
    int64_t is_json;
    const uint8_t *null;
    int64_t n_null;
    const uint8_t *end;
    int64_t n_end;
    const uint8_t *special;
    const uint8_t *tokens;
    const int64_t *token_ends;
    int64_t n_tokens;
} bd_text_style;

/* What came of rows. written: bytes; lost: floats that the text does not carry, NaN and in JSON
 * infinities too. */
typedef struct bd_text_outcome {
    int64_t written;
    int64_t lost;
} bd_text_outcome;

#endif
