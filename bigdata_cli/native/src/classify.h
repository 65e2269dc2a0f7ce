/* What a field's text is: which forms it has. */

#ifndef BD_CLASSIFY_H
#define BD_CLASSIFY_H

#include "bigdata.h"
#include "dialect.h"

/* Forms that a value's text can have, one bit each: those of `schema/lattice.py`. */
enum {
    BD_FORM_BOOL = 1,
    BD_FORM_INT = 2,
    BD_FORM_FLOAT = 4,
    BD_FORM_DATE = 8,
    BD_FORM_TIMESTAMP = 16,
    BD_FORM_TIMESTAMP_UTC = 32,
    BD_FORM_NANOSECONDS = 64,
    BD_FORM_FLOAT32_LOSES = 128,
    BD_FORM_TEXT = 256,
    BD_FORM_LOOSE = 512,         /* the text is not what the value, or the null, prints */
    BD_FORM_NOT_SHORTEST = 1024, /* float32 equals the number; its shortest decimal is another */
    BD_FORMS_NUMBER = BD_FORM_INT | BD_FORM_FLOAT,
    BD_FORMS_TEMPORAL = BD_FORM_DATE | BD_FORM_TIMESTAMP | BD_FORM_TIMESTAMP_UTC,
};

/* The forms of a text. negative, magnitude: |v| of an integer, |microseconds since 1970| of a date
 * or timestamp; of others 0. */
typedef struct bd_classified {
    int64_t forms;
    bool negative;
    uint64_t magnitude;
} bd_classified;

/* Moves *start and *end over the spaces and tabs around block[*start:*end]. */
static inline void bd_trim(const uint8_t *block, int64_t *start, int64_t *end)
{
    while (*start < *end && (block[*start] == ' ' || block[*start] == '\t'))
        (*start)++;
    while (*end > *start && (block[*end - 1] == ' ' || block[*end - 1] == '\t'))
        (*end)--;
}

/* `bd_is_null` of a text that is not longer than the column's longest token. */
bool bd_is_null_token(const uint8_t *text, int64_t n, const bd_nulls *nulls, int64_t column);

/* Whether the text block[start:end] is one of the null tokens of a column. */
static inline bool bd_is_null(const uint8_t *block, int64_t start, int64_t end,
                              const bd_nulls *nulls, int64_t column)
{
    return end - start <= nulls->longest[column] &&
           bd_is_null_token(block + start, end - start, nulls, column);
}

/* 1 for true, True, TRUE; 0 for false, False, FALSE; -1 for anything else. */
int32_t bd_scan_bool(const uint8_t *block, int64_t start, int64_t end);

/* 1 and 0 for these, and for the texts that the rules call so. */
int32_t bd_scan_local_bool(const uint8_t *block, int64_t start, int64_t end, const bd_rules *rules);

/* The forms of a trimmed text that is not null. No byte from `end` on is read. */
bd_classified bd_classify(const uint8_t *block, int64_t start, int64_t end, const bd_rules *rules);

#endif
