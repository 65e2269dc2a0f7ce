/* The parser of delimited text: what its files share.
 *
 *   parser.c      the loop over strips, and what Python calls
 *   structure.c   stage 1: where fields end, for whole records (a strip)
 *   places.c      where the fields of a column are
 *   column_*.c    stage 2: the fields of one column of a strip into the column's arrays
 *   hash_columns.c  hashes of the values of each row
 *   statistics.c  minima, maxima, means of values that were just parsed
 *   dictionary.c  distinct texts
 *   export.c      the columns of a block as Arrow arrays
 *   divide.c      the same of the rows of each split
 *
 * A strip is some 64 kB of whole records. Its field ends, and the bytes themselves, stay in the
 * cache while all columns go through them. */

#ifndef BD_PARSER_H
#define BD_PARSER_H

#include <stdlib.h>

#include "bigdata.h"
#include "careful.h"
#include "dialect.h"
#include "simd.h"

/* Rows of a column that are parsed, and then measured, at a time: 8 kB of 64-bit values. */
enum { BD_RUN_ROWS = 1024 };

/* How the values of a column are stored in its array. The numbers are those of native/csv.py. */
enum {
    BD_NULL,
    BD_BOOL,
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
    BD_DATE32,
    BD_TIMESTAMP64,
    BD_TEXT,
    BD_CATEGORY
};

/* Memory that grows and is used again for the next block. */
typedef struct {
    uint8_t *data;
    int64_t capacity;
} bd_buffer;

/* Make room for so many bytes; what is there stays. Returns false where there is no memory. */
bool bd_reserve(bd_buffer *buffer, int64_t size);

/* Distinct texts, numbered as they first appear: open addressing with linear probing.
 *
 * Value i is texts[offsets[i] … offsets[i + 1]), its hash hashes[i]. slots: the number of a value,
 * -1 for none; a power of two of them. */
typedef struct {
    bd_buffer offsets, hashes, texts, slots;
    int64_t n_slots, n_values, max_values, text_bytes;
    bool full;
} bd_dictionary;

enum { BD_MAX_CATEGORIES = 65536, BD_MAX_CATEGORY_BYTES = 4096 };

/* Forget all values. Returns false without memory. */
bool bd_dictionary_clear(bd_dictionary *dictionary, int64_t max_values);
void bd_dictionary_free(bd_dictionary *dictionary);

/* The hash of a text of n bytes; 8 bytes after it must be readable. */
uint64_t bd_hash_text(const uint8_t *text, int64_t n);

/* The number of a text with this hash, 8 bytes after which must be readable; it is added where it
 * is new. Returns -1 where there is no
 * room for another value (`full` is then set), -2 where there is no memory. */
int64_t bd_dictionary_code_hashed(bd_dictionary *dictionary, uint64_t hash, const uint8_t *text,
                                  int64_t n);

/* Texts: sizes[i] bytes from starts[i] on, 8 bytes after which must be readable, where valid[i] is
 * set. Those of more than max_size bytes are not numbered. */
typedef struct {
    const uint8_t *const *starts;
    const uint32_t *sizes;
    const uint8_t *valid;
    int64_t max_size;
} bd_texts;

/* Number n <= BD_RUN_ROWS texts; the code of what is not valid is -1. Returns how many were
 * numbered before one that is too long, or new where there is no room for it (`full` is then set);
 * -2 where there is no memory. */
int64_t bd_dictionary_number(bd_dictionary *dictionary, const bd_texts *texts, int64_t n,
                             int32_t *codes);

/* Have what the look-ups of some of the next `n` hashes need on its way into the cache. */
void bd_dictionary_fetch(const bd_dictionary *dictionary, const uint64_t *hashes, int64_t n);

/* The number of a text, -1 where it is not among the values. */
int64_t bd_dictionary_find(const bd_dictionary *dictionary, uint64_t hash, const uint8_t *text,
                           int64_t n);

/* Copy n bytes of text, 16 at a time; up to 15 more are read and written. */
static inline void bd_move_text(uint8_t *to, const uint8_t *from, int64_t n)
{
    bd_move16(to, from);
    for (int64_t i = 16; i < n; i += 16)
        bd_move16(to + i, from + i);
}

/* What values showed. */
typedef struct {
    int64_t n_finite, n_infinite;
    bool any;          /* whether low and high are set */
    int64_t low, high; /* integers and times; as uint64 in that mode */
    double low_float, high_float;
    bd_sums sums;
    double float32_error; /* 1 from the start: it is not asked for */
} bd_moments;

/* moments.c. Take n <= BD_RUN_ROWS finite numbers; `largest` is the largest magnitude. */
void bd_add_numbers(bd_sums *sums, const double *values, int64_t n, double largest);

/* Take n <= BD_RUN_ROWS integers, all below BD_SMALL in magnitude; not all of them are 0. */
enum { BD_SMALL = 1 << 21 };
void bd_add_small(bd_sums *sums, const int64_t *values, int64_t n);

/* Take what other sums are of. */
void bd_merge_sums(bd_sums *sums, const bd_sums *more);

/* Take away what other sums are of, which are of some of the same numbers. */
void bd_take_away_sums(bd_sums *sums, const bd_sums *less);

/* Whether these sums have the first digit that numbers up to `largest` > 0 ask for. */
bool bd_asks_for_top(const bd_sums *sums, double largest);

/* n values. Where there is none valid[i] and the value are 0; valid may be null. */
void bd_measure_int64(bd_moments *moments, const int64_t *values, const uint8_t *valid, int64_t n);
void bd_measure_uint64(bd_moments *moments, const uint64_t *values, const uint8_t *valid,
                       int64_t n);
void bd_measure_float64(bd_moments *moments, const double *values, const uint8_t *valid, int64_t n);
void bd_measure_times(bd_moments *moments, const int64_t *values, const uint8_t *valid, int64_t n);

/* The range alone of n values of a column that is parsed in this mode, but uint64; doubles as their
 * bits. */
void bd_measure_range(bd_moments *moments, int32_t mode, const int64_t *values,
                      const uint8_t *valid, int64_t n);

/* All sums of a column that is parsed in this mode, put into its result; called once. */
void bd_put_moments(bd_moments *moments, int32_t mode, bd_column_result *result);

/* narrow.c. Bytes of a value; BD_BOOL is a byte here. */
int64_t bd_item_bytes(int32_t storage);

/* n integers (uint64 as their bits) into an array of `storage`; false where one does not fit: then
 * what was written is of no use. */
bool bd_narrow(int32_t storage, void *to, const int64_t *from, int64_t n);

/* n integers of an array of `storage`, from item `first` on. The arrays do not overlap. */
void bd_widen(int32_t storage, int64_t *to, const void *from, int64_t first, int64_t n);

/* A column: how it is parsed, its arrays, and what its values showed. */
typedef struct {
    int32_t mode;       /* BD_MODE_… */
    int32_t zoned;      /* timestamps are UTC */
    int32_t storage;    /* how the values lie in `values` */
    const char *format; /* of dates and times that are not ISO 8601; null for none */
    bool fixed;      /* the user chose the type: nothing is observed, what does not fit is listed */
    bool wants_text; /* text is copied to `text` */
    bool wants_codes; /* distinct texts are numbered */
    bool counts_distinct;
    bool saw_text; /* nothing but text can hold what was seen */

    bd_buffer values; /* by `storage`; of text its offsets, int32 */
    bd_buffer valid;  /* a byte per row, only where n_nulls > 0 */
    bd_buffer text;   /* bytes of text */
    bd_buffer codes;  /* int32 per row, -1 for null */
    bd_dictionary dictionary;
    bd_buffer code_hashes; /* of the first n_code_hashes texts of the dictionary, uint64 */
    int64_t n_code_hashes;
    int64_t n_rows, n_nulls, text_bytes, max_text_bytes;
    bool not_ascii;
    bool empty_is_null; /* of text: one of the null tokens is empty */

    int64_t forms;
    uint64_t magnitudes[2];
    bd_moments moments;
    int64_t n_undecided, n_odd; /* odd: of another type than the column */

    const bd_decision *decisions, *decisions_end;

    /* The null token of up to eight bytes that was met last: a column mostly has one of them. */
    uint64_t null_word, null_mask;
    int64_t null_size; /* -1: none yet */
} bd_column;

/* Whole records: field i of the strip ends at ends[i], ends[-1] + 1 is where the first begins. */
typedef struct {
    bd_buffer memory;
    uint32_t *ends;
    int64_t n_rows;
    int64_t start, after; /* where its first record begins, and the record after its last */
    bool has_quotes;      /* a field may be quoted */
    bool has_doubled;     /* a quoted field may have quotes in it */
    bool not_ascii;       /* some of its bytes are not ASCII */
    bool has_returns;     /* a line may end with CR LF */
    bool has_blanks;      /* blank lines may stand before a record */
    bool has_missing;     /* a record may end before its last field */
} bd_strip;

struct bd_parser {
    bd_strip strip;
    bd_column *columns;
    int64_t n_columns;
    bd_buffer undecided;
    int64_t n_undecided;
    bool out_of_memory;
    uint8_t valid[BD_RUN_ROWS];
    int64_t numbers[BD_RUN_ROWS];
    uint32_t starts[BD_RUN_ROWS], sizes[BD_RUN_ROWS]; /* of the fields of a run */
    uint8_t quoted[BD_RUN_ROWS];
    bd_buffer scratch; /* texts that are not kept */
    bd_buffer hashes;  /* of the rows, where they are asked for */
    bd_buffer rows;    /* by split, uint32 */
    bd_buffer places;  /* see put_some_codes */
    /* By its first byte and size: whether a text may be a null token. Bit 7 of the sizes stands for
     * all from 7 on. */
    uint8_t null_sizes[256];
    uint64_t kept[256]; /* the places of the bits that are set, a byte for each; then zeros */
};

/* What the columns of a strip are parsed from. */
typedef struct {
    const bd_input *input;
    const uint8_t *block;
    const uint32_t *ends;
    int64_t n_fields;
    bool has_quotes, has_doubled, not_ascii; /* see bd_strip */
    bool adjusts;       /* CR LF, blank lines, spaces, long delimiters: see bd_adjust_field */
    bool adjusts_inner; /* not only the first field of a record, and the last one */
} bd_fields;

/* The place of a field: bytes [start, stop) of the block, without its quotes. */
typedef struct {
    int64_t start, stop;
    bool quoted;
} bd_place;

/* A field's place, from where its separators stand to what is its content. */
void bd_adjust_field(const bd_fields *fields, int64_t field, int64_t *start, int64_t *stop);

/* Field `field` of row `row` of the strip. */
static inline bd_place bd_field_at(const bd_fields *fields, int64_t row, int64_t field)
{
    const uint32_t *end = fields->ends + row * fields->n_fields + field;
    int64_t start = (int64_t)(uint32_t)(end[-1] + 1u);
    int64_t stop = end[0];
    if (fields->adjusts)
        bd_adjust_field(fields, field, &start, &stop);
    const bool quoted = fields->block[start] == fields->input->rules->quote && stop > start;
    return (bd_place){start + quoted, stop - quoted, quoted};
}

/* Whether a field is a null of which nothing else is to be said: one in quotes is looked at. */
static inline bool bd_is_empty(bd_place place)
{
    return place.start == place.stop && !place.quoted;
}

/* Stage 1: the strip of the records that start in [pos, stop). See structure.c. */
int32_t bd_find_strip(struct bd_parser *parser, const bd_input *input, int64_t pos, int64_t stop,
                      bd_outcome *outcome);

/* Stage 2: rows [row, row + n) of the strip, n <= BD_RUN_ROWS, field `field`, into a column, which
 * has n_rows rows so far. The functions return false without memory. */
typedef struct {
    struct bd_parser *parser;
    bd_column *column;
    int64_t index; /* of the column */
    const bd_fields *fields;
    int64_t field;
    int64_t row, n;
} bd_run;

/* Whether a field is, without quotes, the null token that its column met last. Eight bytes are read
 * from its start on. */
static inline bool bd_is_last_null(const bd_run *run, bd_place place)
{
    const bd_column *column = run->column;
    const uint64_t word = bd_load_u64(run->fields->block + place.start);
    return place.stop - place.start == column->null_size && !place.quoted &&
           ((word ^ column->null_word) & column->null_mask) == 0;
}

/* Whether the first byte and the size of a field, which is not empty, are those of a null token. */
static inline bool bd_may_be_null(const struct bd_parser *parser, uint8_t first, int64_t size)
{
    return parser->null_sizes[first] >> (size < 7 ? size : 7) & 1;
}

/* Have bd_is_last_null find this field, which is a null token of the column. */
static inline void bd_note_null(const bd_run *run, bd_place place)
{
    const int64_t size = place.stop - place.start;
    if (place.quoted || size < 1 || size > 8)
        return;
    run->column->null_word = bd_load_u64(run->fields->block + place.start);
    run->column->null_mask = UINT64_MAX >> (64 - 8 * size);
    run->column->null_size = size;
}

/* places.c: the places of the fields of a run into `starts`, `sizes` and `quoted` of the parser. Up
 * to seven after them are filled too, with fields that can be read. */
void bd_find_places(bd_run *run);

/* places.c: the same for a column that is not of text: without the spaces around a value that is
 * not in quotes, which the forms of the column then tell. A field of nothing but spaces keeps them.
 */
void bd_find_values(bd_run *run);

/* hash_columns.c: the hashes of rows [row, row + n) of the block, by all columns. Returns false
 * without memory. */
bool bd_hash_columns(struct bd_parser *parser, const bd_input *input, int64_t row, int64_t n);

bool bd_parse_integers(bd_run *run);
bool bd_parse_floats(bd_run *run);
bool bd_parse_times(bd_run *run);
bool bd_parse_booleans(bd_run *run);
bool bd_parse_nothing(bd_run *run);
bool bd_parse_texts(bd_run *run);

/* The careful path: row `i` of the run, in a column that is not text. Returns whether it has a
 * value, which is put into `cell`. */
bool bd_careful_field(bd_run *run, int64_t i, bd_place place, int64_t *cell);

/* Take integers that were parsed into the column, at its width or, where they do not fit, at 64
 * bits. */
bool bd_append_integers(bd_column *column, const int64_t *numbers, int64_t n);

/* column_text.c: the column as text, where it was codes of so many rows. */
bool bd_codes_to_texts(bd_column *column, int64_t n_rows);

/* Take rows that were parsed into the column: their validity, of which n_nulls are 0. */
bool bd_append_valid(bd_column *column, const uint8_t *valid, int64_t n, int64_t n_nulls);

#endif
