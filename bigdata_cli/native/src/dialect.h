/* A dialect and its null tokens, as `sources/csv/rules.py` compiles them. `native/structs.py`
 * mirrors both structs. The arrays that they point to belong to the caller. */

#ifndef BD_DIALECT_H
#define BD_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

/* A record with more fields than there are columns: wrong, cut, or its surplus is text of a field.
 */
enum { BD_LONG_IS_WRONG, BD_LONG_IS_CUT, BD_LONG_IS_JOINED };

/* The bytes of a dialect, -1 for what it does not have. A delimiter of several bytes is `delimiter`
 * and the `tail_size` bytes at `tail`. */
typedef struct bd_rules {
    int32_t delimiter;
    int32_t quote, escape, comment;
    int32_t decimal, thousands;
    uint8_t trim;        /* spaces around fields are no part of them */
    uint8_t keep_blank;  /* blank lines are records */
    uint8_t drops_last;  /* the last field is what follows a delimiter at the end: nothing, or not
                            there */
    uint8_t fills_short; /* fields that a record lacks at its end are empty */
    uint8_t long_rows;   /* BD_LONG_…: what becomes of fields that are too many */
    uint8_t runs; /* a run of spaces and tabs is one delimiter, and none at the ends of a line;
                     then the delimiter is a space, and fields are trimmed */
    int32_t join_field; /* the field that takes those that are joined */
    int64_t tail_size;
    const uint8_t *tail;
    /* Texts that are true or false besides those of classify.h, each after its size and its value,
     * a byte each. */
    int64_t bools_size;
    const uint8_t *bools;
    /* Characters that may stand around a number. */
    int64_t n_strip;
    const uint8_t *strip;
} bd_rules;

/* The null tokens of columns. The tokens stand one after the other in `tokens`, the k-th ends at
 * ends[k]; those of column i are first[i] ... last[i] - 1. longest[i]: bytes of the longest of
 * them, -1 where there is none. numeric[i]: one of them begins as a number does. */
typedef struct bd_nulls {
    const uint8_t *tokens;
    const int64_t *ends, *first, *last, *longest;
    const uint8_t *numeric;
} bd_nulls;

#endif
