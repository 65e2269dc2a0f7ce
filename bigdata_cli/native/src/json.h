/* JSON lines: one object a line, whose values become the fields of a CSV record. */

#ifndef BD_JSON_H
#define BD_JSON_H

#include <stdbool.h>
#include <stdint.h>

/* What is wrong with a line; `sources/jsonl/transcribe.py` has the same numbers. */
enum {
    BD_JSON_DONE,
    BD_JSON_MORE, /* the line goes on beyond the block */
    BD_JSON_FULL, /* no room for the record, or for what is wrong with it */
    BD_JSON_NO_OBJECT,
    BD_JSON_SYNTAX,
    BD_JSON_CUT, /* the line ends within the object */
    BD_JSON_AFTER_OBJECT,
    BD_JSON_NUMBER,
    BD_JSON_NOT_FINITE,
    BD_JSON_CONTROL,
    BD_JSON_ESCAPE,
    BD_JSON_SURROGATE,
    BD_JSON_DEEP,
    BD_JSON_UNKNOWN_KEY,
    BD_JSON_DUPLICATE_KEY,
    BD_JSON_NESTED_OBJECT,
    BD_JSON_NESTED_ARRAY,
};

/* Kinds of values. BD_JSON_EXPONENT: a number that needs a + after its e. */
enum {
    BD_JSON_NULL,
    BD_JSON_PLAIN,
    BD_JSON_EXPONENT,
    BD_JSON_STRING,
    BD_JSON_ESCAPED,
    BD_JSON_NESTED,
};

/* The names of the columns, UTF-8, one after the other; the k-th ends at ends[k]. slots: a hash
 * table of their numbers, -1 for a free one, filled by bd_json_index. */
typedef struct bd_json_keys {
    int64_t n;
    const uint8_t *names;
    const int64_t *ends;
    int64_t n_slots; /* a power of two, more than n */
    int32_t *slots;
    uint8_t *is_plain; /* whether the name stands in JSON as it is */
} bd_json_keys;

/* The value of a key in the line at hand: block[start:stop], of a string without its quotes. */
typedef struct bd_json_value {
    int64_t line; /* the number of the line that has it */
    int64_t start, stop, kind;
} bd_json_value;

/* A line that is wrong: block[start:stop], what and where, and the key whose value it is, or -1. */
typedef struct bd_json_bad {
    int64_t start, stop, status, at, key;
} bd_json_bad;

/* The lines of a block, and how far they are transcribed. */
typedef struct bd_json_lines {
    const uint8_t *block; /* BD_PADDING readable bytes after `size`, the first a line feed */
    int64_t size, stop;   /* lines that begin before `stop` are wanted */
    int64_t at_eof;       /* nothing follows `size` */
    int64_t comment;      /* what a line that is no record begins with, or -1 */
    int64_t keeps_nested, collects;
    const bd_json_keys *keys;
    int64_t n_columns;
    const int64_t *columns; /* per column its key */
    const uint8_t *wanted;  /* per key whether it is one of them */
    bd_json_value *values;  /* per key; lines are 0 at first */
    uint8_t *has_text;      /* per key: a string that is no date by its form, or a nested value */
    uint8_t *out;
    int64_t out_room;
    int64_t *starts; /* per row where its line begins, and then its record in `out` */
    int64_t *out_starts;
    int64_t max_rows;
    bd_json_bad *bad;
    int64_t max_bad;
    int64_t pos, line, out_size, n_rows, n_blank, n_bad; /* 0 at first; a call goes on from them */
} bd_json_lines;

/* json_scan.c. Positions are of `block`; what is scanned ends before a byte below 32, so that no
 * scan needs a limit. Each returns BD_JSON_DONE and the position after the value, or what is wrong
 * and where. */
int bd_json_string(const uint8_t *block, int64_t *pos, bool *is_escaped);
int bd_json_scalar(const uint8_t *block, int64_t *pos, int64_t *kind);
int bd_json_nested(const uint8_t *block, int64_t *pos);
/* Writes the characters of block[start:stop], which bd_json_string took, as UTF-8, quotes twice
 * where `doubles`. Returns the bytes written, at most twice as many. */
int64_t bd_json_unescape(const uint8_t *block, int64_t start, int64_t stop, bool doubles,
                         uint8_t *out);

static inline int64_t bd_json_space(const uint8_t *block, int64_t pos)
{
    while (block[pos] == ' ' || block[pos] == '\t')
        pos++;
    return pos;
}

#endif
