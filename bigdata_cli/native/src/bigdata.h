/* What the library offers to Python, by source file. `native/library.py` declares the same for
 * ctypes: a function that is added here is added there.
 *
 * Rules for every function: pointers come with lengths; nothing is kept after the call unless it
 * says so; no global state; the caller owns all memory that it passes in. */

#ifndef BIGDATA_H
#define BIGDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dialect.h"

/* Readable bytes that must follow the end of every block of text. */
#define BD_PADDING 64

#define BD_API __attribute__((visibility("default")))

/* Structs that are declared in the header of their concern. */
typedef struct bd_rules bd_rules;           /* dialect.h */
typedef struct bd_nulls bd_nulls;           /* dialect.h */
typedef struct bd_field bd_field;           /* scan.h */
typedef struct bd_number bd_number;         /* number.h */
typedef struct bd_timestamp bd_timestamp;   /* temporal.h */
typedef struct bd_classified bd_classified; /* classify.h */
typedef struct bd_cell bd_cell;             /* careful.h */

/* processor.c */

/* The digest of the sources that the library is made of (`record.sources_digest`). */
BD_API uint64_t bd_sources(void);
/* A bit per instruction set that can be used here, in the order of `levels.LEVELS`. */
BD_API uint32_t bd_instruction_sets(void);

/* crc32c.c: the CRC-32C of data[0:size], by the instruction where there is one, or by tables. */
BD_API uint32_t bd_crc32c(const uint8_t *data, int64_t size);
BD_API uint32_t bd_crc32c_by_tables(const uint8_t *data, int64_t size);

struct ArrowArray; /* arrow.h */

/* tfrecord_plan.c, tfrecord_encode.c: records of `tf.train.Example` from Arrow batches. */

/* Kinds of a list; BD_TFRECORD_VALID is an Int64List of validity, left out where all are valid. */
enum { BD_TFRECORD_INT, BD_TFRECORD_FLOAT, BD_TFRECORD_BYTES, BD_TFRECORD_VALID };

/* How a column lies in Arrow and what it becomes: BD_TFRECORD_UINT64 is text, its decimal digits;
 * BD_TFRECORD_CODE a category whose codes are looked up, BD_TFRECORD_CATEGORY one as text. */
enum {
    BD_TFRECORD_BOOL,
    BD_TFRECORD_INT8,
    BD_TFRECORD_UINT8,
    BD_TFRECORD_INT16,
    BD_TFRECORD_UINT16,
    BD_TFRECORD_INT32,
    BD_TFRECORD_UINT32,
    BD_TFRECORD_INT64,
    BD_TFRECORD_UINT64,
    BD_TFRECORD_FLOAT32,
    BD_TFRECORD_FLOAT64,
    BD_TFRECORD_TEXT,
    BD_TFRECORD_CATEGORY,
    BD_TFRECORD_CODE
};

/* The layouts: a feature per column and row; lists of a row's columns; lists of a column's rows. */
enum { BD_TFRECORD_ROWS, BD_TFRECORD_PACKED, BD_TFRECORD_BLOCK };

/* A column: its type, and its place among the columns of the batches. */
struct bd_tfrecord_column {
    int32_t type, child;
};

/* Of lists that are read: one that may be absent, and one that is asked for. */
enum { BD_TFRECORD_OPTIONAL = 1, BD_TFRECORD_WANTED = 2 };

/* A list of the records: its kind, its key, and `count` columns from `first` on. Lists of a row
 * have any number, others one; where lists are read, 0 is as many as a record has rows. head,
 * max_payload: from `bd_tfrecord_heads`. */
struct bd_tfrecord_list {
    int32_t kind, first, count, key_size;
    int64_t key_at;
    int32_t head_at, head_size, max_payload, flags;
};

/* What all records of a shard share. keys: uint8, where lists have theirs; heads: filled by
 * `bd_tfrecord_heads`. block_rows: of a record of the layout block. */
struct bd_tfrecord_plan {
    int32_t layout, n_columns, n_lists, block_rows;
    const struct bd_tfrecord_column *columns;
    struct bd_tfrecord_list *lists;
    const uint8_t *keys;
    uint8_t *heads;
};

/* Batches with the columns of a plan. lookups: per batch and column the places of codes, NULL where
 * there are none. */
struct bd_tfrecord_batches {
    int64_t n_batches;
    const struct ArrowArray *const *batches;
    const int64_t *const *lookups;
};

/* Bytes that plan->heads takes, which may then be given to `bd_tfrecord_heads`. */
BD_API int64_t bd_tfrecord_heads_bytes(const struct bd_tfrecord_plan *plan);
BD_API void bd_tfrecord_heads(const struct bd_tfrecord_plan *plan);

/* The bytes that `bd_tfrecord_encode` needs: its `out`, and added to that its scratch. */
BD_API int64_t bd_tfrecord_bound(const struct bd_tfrecord_plan *plan,
                                 const struct bd_tfrecord_batches *batches, int64_t *scratch_bytes);

/* Write the records of all rows. out and scratch have at least the bytes that the bound says.
 * Returns the bytes of the records; -1 - c where column c has a number beyond float32, or a code
 * without a place. */
BD_API int64_t bd_tfrecord_encode(const struct bd_tfrecord_plan *plan,
                                  const struct bd_tfrecord_batches *batches, uint8_t *out,
                                  uint8_t *scratch);

/* tfrecord_records.c: records in the bytes of a file. Buffers that are read have BD_PADDING
 * readable bytes after the end of what is read, in all functions on records. */

/* What is said of a record or a feature; the first two are no errors. */
enum {
    BD_TFRECORD_OK = 0,
    BD_TFRECORD_MORE = 1,
    BD_TFRECORD_LENGTH_CRC = 2,
    BD_TFRECORD_DATA_CRC = 3,
    BD_TFRECORD_NOT_A_MESSAGE = -1,
    BD_TFRECORD_WRONG_KIND = -2,
    BD_TFRECORD_WRONG_COUNT = -3,
    BD_TFRECORD_MISSING = -4,
    BD_TFRECORD_UNEQUAL = -5
};

/* Find whole records in data[*at:size] and check their CRCs; those of lengths only if not all_crcs.
 * Fills starts and ends of at most `most` Examples. Returns how many there are; *at becomes where
 * the next one begins, *status what is to be said of that: OK, MORE (bytes are needed), LENGTH_CRC
 * or DATA_CRC (is wrong). */
BD_API int64_t bd_tfrecord_scan(const uint8_t *data, int64_t size, int64_t *at, bool all_crcs,
                                int64_t *starts, int64_t *ends, int64_t most, int64_t *status);

/* Fill rows[0:n_records] with the rows of records that hold lists of equal length, as the first
 * list of each says, or all of them. Returns what is wrong, *record where. */
BD_API int64_t bd_tfrecord_count_rows(const uint8_t *data, const int64_t *starts,
                                      const int64_t *ends, int64_t n_records, bool first_only,
                                      int64_t *rows, int64_t *record);

/* Fill keys, pairs, with where the keys of an Example begin and end; returns how many there are,
 * none where it is damaged. There is room for half as many as the Example has bytes, and one. */
BD_API int64_t bd_tfrecord_keys(const uint8_t *data, int64_t start, int64_t end, int64_t *keys);

/* tfrecord_decode.c: the values of records. Of a plan only the lists, keys and heads count. */

/* Where values go: value k of list f of record j to place
 * firsts[f] + offsets[j] * strides[f] + k * steps[f]
 * of `floats` where it is a float, as the bits of float32, else of `slots`: a number, or where in
 * the data a text begins, whose bytes `lengths` has. A list has lists[f].count values, or rows[j]
 * where that is 0; or none where it may be absent: then absent[f * n_records + j] becomes 1, and
 * absences[f] more by one. Values of lists that are not wanted go nowhere. */
struct bd_tfrecord_places {
    const int64_t *firsts, *strides, *steps;
    const int64_t *offsets, *rows;
    uint32_t *floats;
    int64_t *slots, *lengths;
    uint8_t *absent;
    int64_t *absences;
};

/* The values of a list that are read by a template: where they are in a record, and where they
 * go. */
struct bd_tfrecord_move {
    int64_t at, size, count, first, stride, step, kind;
};

/* Memory to decode with: spans, places: int64 (lists, 2); moves: for each list; mask: the bytes of
 * the longest record and BD_PADDING, or none. */
struct bd_tfrecord_scratch {
    int64_t *spans, *places;
    struct bd_tfrecord_move *moves;
    uint8_t *mask;
    int64_t mask_bytes;
};

/* What is wrong with a record, and with which list of it. */
struct bd_tfrecord_wrong {
    int64_t status, record, list;
};

/* Read the lists of records. single: whether each list has one value in a record of one row; fixed:
 * whether each has so many as `count` says. Fills `wrong`; its status is OK where nothing is. */
BD_API void bd_tfrecord_decode(const struct bd_tfrecord_plan *plan, const uint8_t *data,
                               const int64_t *starts, const int64_t *ends, int64_t n_records,
                               bool single, bool fixed, const struct bd_tfrecord_places *places,
                               const struct bd_tfrecord_scratch *scratch,
                               struct bd_tfrecord_wrong *wrong);

/* Fill rows[0:n_records] with the length of each record's wanted lists, which must be equal. */
BD_API void bd_tfrecord_list_rows(const struct bd_tfrecord_plan *plan, const uint8_t *data,
                                  const int64_t *starts, const int64_t *ends, int64_t n_records,
                                  int64_t *rows, int64_t *spans, struct bd_tfrecord_wrong *wrong);

/* Fill offsets[0:n + 1] of texts one after another; returns the bytes of all. */
BD_API int64_t bd_text_offsets(const int64_t *lengths, int64_t n, int64_t *offsets);

/* Write the texts that begin at starts[0:n] of `data` to `text` at their offsets. */
BD_API void bd_gather_text(const uint8_t *data, const int64_t *starts, const int64_t *offsets,
                           int64_t n, uint8_t *text);

/* tfrecord_arrays.c: Arrow arrays of decoded values. */

/* What says that a value is null: nothing; that its list is absent; the list of validity, where
 * that is not absent; that it is NaN. */
enum { BD_TFRECORD_NEVER, BD_TFRECORD_ABSENT, BD_TFRECORD_LISTED, BD_TFRECORD_NAN };

/* A column: column `number` of a list, whose values lie one after another. It goes to `values`,
 * whose elements have `width` bytes (of BD_TFRECORD_BOOL they are bits), and its validity to
 * `bitmap`, from place `first` on; both are aligned, and where they are bits they come as zeros. Of
 * FLOAT32 and TEXT only the bitmap is written, and lengths of nulls become 0. Integers are in
 * [low, high]. nulls: filled with their number. */
struct bd_tfrecord_array {
    int32_t type, nulls_by, list, number, valid_list, width;
    int64_t low, high, first;
    void *values;
    uint8_t *bitmap;
    int64_t nulls;
};

/* Make arrays of the values that `bd_tfrecord_decode` read of records with n_rows rows. valid:
 * scratch of n_rows bytes. Returns -1, or the array that has an integer beyond its range. */
BD_API int64_t bd_tfrecord_arrays(struct bd_tfrecord_array *arrays, int64_t n_arrays,
                                  const struct bd_tfrecord_places *places, int64_t n_records,
                                  int64_t n_rows, uint8_t *valid);
/* parser.c: delimited text into the columns of a parser, which it keeps until the next block. */

typedef struct bd_parser bd_parser;

/* The arrays of a thread; null without memory. It is freed with bd_parser_free. */
BD_API bd_parser *bd_parser_new(void);
BD_API void bd_parser_free(bd_parser *parser);

/* The records that start in block[begin … stop), of the bytes block[0 … size), size < 2**31. A line
 * feed stands at `size` and BD_PADDING readable bytes from there on; at_eof: nothing follows in the
 * file. targets: per field of a record its column, -1 for none; each column is that of one field at
 * most. max_bad: so many wrong records are listed in `bad`; with 0 the first one ends the parse.
 * record_starts: null, or filled with where the record of each row starts, up to max_starts. salts:
 * null, or per column what its values are hashed with, 0 for one that takes no part. */
typedef struct {
    int64_t start, stop, status, n_seen;
} bd_bad_record;

typedef struct {
    const uint8_t *block;
    int64_t begin, stop, size;
    int64_t at_eof;
    const bd_rules *rules;
    const bd_nulls *nulls;
    int64_t n_fields;
    const int64_t *targets;
    int64_t n_columns;
    int64_t max_bad;
    bd_bad_record *bad;
    int64_t max_starts;
    int64_t *record_starts;
    const uint64_t *salts;
} bd_input;

/* How a column is parsed: BD_MODE_…, the storage of its values, and flags. fixed: the user chose
 * its type, so that what does not fit is undecided. observes: it is found out which types could
 * hold the texts of a text column. wants_text, wants_codes: its texts are copied; are numbered.
 * format: of the dates or times of a column of fixed type, where the user says it; see
 * formatted_time.h. */
typedef struct {
    int32_t mode, zoned, storage, fixed, observes, wants_text, wants_codes, unused;
    const char *format;
} bd_column_plan;

/* The value of a field that the parser could not decide: a number's bits. */
typedef struct {
    int64_t column, row, value;
} bd_decision;

/* A field that the parser cannot decide: a decimal that is too long for it, or what does not fit a
 * type that the user fixed. */
typedef struct {
    int64_t column, row, start, size, is_hard;
} bd_undecided;

/* status: BD_DONE, or why the parse ended; `position` is then where the record in question starts,
 * with n_seen of its fields seen. Else it is where the record after the last one starts. */
typedef struct {
    int64_t status, position, n_rows, n_blank, n_bad, n_seen, n_undecided;
    int64_t n_short, n_long; /* records that were filled up; cut or joined */
} bd_outcome;

enum { BD_NO_MEMORY = 100 };

/* Sums of numbers, and of the products of two of their digits: see moments.c. top: the place of the
 * first digit. products: as int128, the lower half first. All 0 where there is nothing but zeros.
 */
enum { BD_DIGITS = 4, BD_PRODUCTS = BD_DIGITS * (BD_DIGITS + 1) / 2 };
typedef struct {
    int64_t top;
    int64_t digits[BD_DIGITS];
    uint64_t products[BD_PRODUCTS][2];
} bd_sums;

/* What the values of a column showed. low, high: bits of an int64, uint64 or double; of the finite
 * values, as sums are; has_range: whether there are any. n_distinct: -1 where distinct texts
 * were not counted, or are too many. */
typedef struct {
    int64_t forms;
    uint64_t negative, positive;
    int64_t n_nulls, n_finite, n_infinite, has_range;
    uint64_t low, high;
    double float32_error;
    bd_sums sums;
    int64_t text_bytes, max_text_bytes;
    int64_t n_distinct, distinct_bytes, n_undecided, n_odd, is_utf8;
} bd_column_result;

/* Parse the columns whose `active` byte is set; the others keep what they have of the same block.
 * decisions: sorted by column and row. plan, active, results: one for each column. */
BD_API void bd_parse(bd_parser *parser, const bd_input *input, const bd_column_plan *plan,
                     const uint8_t *active, const bd_decision *decisions, int64_t n_decisions,
                     bd_column_result *results, bd_outcome *outcome);

/* The fields that were not decided, in the order of columns and rows; valid until the next parse.
 */
BD_API const bd_undecided *bd_undecided_fields(const bd_parser *parser);

/* The integers of a column, and whether each row has one; arrays of as many as there are rows. */
BD_API void bd_copy_integers(const bd_parser *parser, int64_t column, int64_t *values,
                             uint8_t *valid);

/* The distinct texts of the columns that have n_distinct >= 0 and are text, one after the other: of
 * each the hashes (uint64), the offsets (int32, one more than there are texts), and the bytes, each
 * part filled up to a multiple of 8 bytes; 8 more follow the bytes. */
BD_API void bd_copy_distinct(const bd_parser *parser, const bd_column_result *results,
                             int64_t n_columns, uint8_t *to);

/* hash_columns.c: hash the rows of the block again, by the columns as they are now; input: that of
 * its parse, with salts. Returns 0, or BD_NO_MEMORY. Then, or after a parse with salts: the sums of
 * the hashes of the values of each row. */
BD_API int32_t bd_hash_rows(bd_parser *parser, const bd_input *input, int64_t n_rows);
BD_API void bd_copy_hashes(const bd_parser *parser, int64_t n, uint64_t *hashes);

/* Add the hashes of n values of a column to those of their rows: numbers; dates and timestamps as
 * they are parsed in this mode; texts, with 8 readable bytes after them, null as empty. valid: null
 * where all are valid; what is not counts as 0. */
BD_API void bd_add_number_hashes(int64_t n, const double *values, const uint8_t *valid,
                                 uint64_t salt, uint64_t *hashes);
BD_API void bd_add_time_hashes(int64_t n, const int64_t *times, int32_t mode, const uint8_t *valid,
                               uint64_t salt, uint64_t *hashes);
BD_API void bd_add_text_hashes(int64_t n, const int32_t *offsets, const uint8_t *texts,
                               const bd_rules *rules, uint64_t salt, uint64_t *hashes);

/* The split of each of n rows: how many of the cuts its hash, mixed with the seed, reaches. */
BD_API void bd_assign_splits(int64_t n, const uint64_t *hashes, uint64_t seed, const uint64_t *cuts,
                             int64_t n_cuts, uint8_t *splits);

/* results.c: the statistics of n cells (int64, or the bits of uint64 or double) of a column that is
 * parsed in this mode, put into `result`; where there is none valid[i] and the cell are 0. */
BD_API void bd_measure_cells(int32_t mode, const int64_t *cells, const uint8_t *valid, int64_t n,
                             bd_column_result *result);

/* What `more` showed, joined into `all`. modes: BD_MODE_… of each column, which say what the
 * bits of low and high are. */
BD_API void bd_merge_results(bd_column_result *all, const bd_column_result *more,
                             const int32_t *modes, int64_t n_columns);

/* moments.c: the mean of each column's finite values, and the sum of their squared deviations;
 * infinite where float64 cannot hold it, 0 where there is no value. */
BD_API void bd_finish_moments(const bd_column_result *results, int64_t n_columns, double *means,
                              double *m2);

/* export.c: the columns of a parser as an Arrow record batch (the C data interface), in memory of
 * its own. storage: how each column is stored in it, wide enough for its values. Returns 0, or
 * BD_NO_MEMORY. */
BD_API int32_t bd_export(bd_parser *parser, const int32_t *storage, int64_t n_columns,
                         int64_t n_rows, struct ArrowArray *batch);

/* divide.c: the same for each of up to 256 splits. splits: per row its split; batches: one for each
 * split; results: per split and column the statistics of its rows, without evidence of types. */
typedef struct {
    int64_t n_splits;
    const uint8_t *splits;
    struct ArrowArray *batches;
    bd_column_result *results;
} bd_division;
BD_API int32_t bd_divide(bd_parser *parser, const int32_t *storage, int64_t n_columns,
                         int64_t n_rows, const bd_division *division);

/* vocabulary.c: a set of texts that grows, up to max_values of max_bytes (below 2**31) together. It
 * is freed with bd_vocabulary_free. */
typedef struct bd_vocabulary bd_vocabulary;
BD_API bd_vocabulary *bd_vocabulary_new(int64_t max_values, int64_t max_bytes);
BD_API void bd_vocabulary_free(bd_vocabulary *vocabulary);

/* Add n texts, as bd_copy_distinct gives them. Returns how many there are then; -1 where they are
 * too many, -2 without memory. */
BD_API int64_t bd_vocabulary_add(bd_vocabulary *vocabulary, int64_t n, const uint64_t *hashes,
                                 const int32_t *offsets, const uint8_t *texts);

/* Whether all of n texts are among those of the vocabulary. */
BD_API int32_t bd_vocabulary_holds(const bd_vocabulary *vocabulary, int64_t n,
                                   const uint64_t *hashes, const int32_t *offsets,
                                   const uint8_t *texts);

/* How many bytes the texts have; then a copy of their offsets (int32, one more) and bytes. */
BD_API int64_t bd_vocabulary_bytes(const bd_vocabulary *vocabulary);
BD_API void bd_vocabulary_copy(const bd_vocabulary *vocabulary, int32_t *offsets, uint8_t *texts);

/* utf8.c: whether text of n bytes is UTF-8. */
BD_API bool bd_is_utf8(const uint8_t *text, int64_t n);

/* vocabulary.c: the hashes of n texts, with 8 readable bytes after them. */
BD_API void bd_hash_texts(int64_t n, const int32_t *offsets, const uint8_t *texts,
                          uint64_t *hashes);
/* select_fields.c: some fields of whole records, for the spool of a pipe. */
BD_API int64_t bd_select_fields(const uint8_t *block, int64_t end, const bd_rules *rules,
                                int64_t n_fields, const uint8_t *wanted, uint8_t first,
                                uint8_t *out);
BD_API int64_t bd_record_offset(const uint8_t *block, int64_t end, const bd_rules *rules,
                                int64_t number);

/* The microseconds since 1970 of n texts block[starts[i]:stops[i]] in a format, as formatted_time.h
 * has it; INT64_MIN for one that has it not. */
BD_API void bd_match_format(const char *format, const uint8_t *block, const int64_t *starts,
                            const int64_t *stops, int64_t n, int64_t *micros);

/* scanners.c: the careful scanners, many texts at a time. */
BD_API void bd_scan_fields(const uint8_t *block, const int64_t *starts, int64_t n, int64_t end,
                           const bd_rules *rules, bd_field *found);
BD_API void bd_skip_records(const uint8_t *block, const int64_t *starts, int64_t n, int64_t end,
                            const bd_rules *rules, int64_t *after);
BD_API void bd_scan_numbers(const uint8_t *block, const int64_t *starts, const int64_t *stops,
                            int64_t n, const bd_rules *rules, bd_number *found);
BD_API void bd_decimals_to_floats(const uint64_t *significands, const int64_t *exponents, int64_t n,
                                  double *values, uint8_t *exact, uint8_t *survives);
BD_API void bd_scan_timestamps(const uint8_t *block, const int64_t *starts, const int64_t *stops,
                               int64_t n, int64_t *days, bd_timestamp *found, uint8_t *kinds);
BD_API void bd_classify_texts(const uint8_t *block, const int64_t *starts, const int64_t *stops,
                              int64_t n, const bd_rules *rules, bd_classified *found);
BD_API void bd_find_nulls(const uint8_t *block, const int64_t *starts, const int64_t *stops,
                          int64_t n, const bd_nulls *nulls, int64_t column, uint8_t *found);
BD_API void bd_parse_values(const uint8_t *block, const int64_t *starts, const int64_t *stops,
                            int64_t n, int32_t mode, bool zoned, int64_t *forms,
                            uint64_t *magnitudes, const bd_rules *rules, bd_cell *found);

/* boundary.c: where records begin in text that is read from its start. */
BD_API bool bd_next_record(const uint8_t *block, int64_t *pos, int64_t limit, int64_t end,
                           bool at_eof, const bd_rules *rules);
BD_API int64_t bd_after_record(const uint8_t *block, int64_t pos, int64_t end,
                               const bd_rules *rules);
BD_API int64_t bd_last_record(const uint8_t *block, int64_t pos, int64_t end,
                              const bd_rules *rules);

/* lines.c */
BD_API int64_t bd_count_line_ends(const uint8_t *block, int64_t start, int64_t end);

/* guess.c: where records begin in text that is entered in its midst. */
BD_API int64_t bd_after_line_end(const uint8_t *block, int64_t size);
BD_API int64_t bd_after_unquoted_record(const uint8_t *block, int64_t size, const bd_rules *rules);
BD_API int64_t bd_after_quoted_record(const uint8_t *block, int64_t size, const bd_rules *rules);
BD_API int64_t bd_count_good_records(const uint8_t *block, int64_t pos, int64_t end, bool at_eof,
                                     const bd_rules *rules, int64_t n_fields, int64_t most);

/* json_lines.c: JSON lines as records of a CSV; the structs are those of json.h. */
struct bd_json_keys;
struct bd_json_lines;
BD_API void bd_json_index(struct bd_json_keys *keys);
BD_API int64_t bd_json_transcribe(struct bd_json_lines *lines);

/* float32.c */
BD_API bool bd_loses_float32(const double *values, const uint8_t *flags, int64_t n);

/* buckets.c */
BD_API void bd_hash_buckets(const uint8_t *text, const int64_t *ends, int64_t n, uint64_t n_buckets,
                            int32_t *buckets);

/* row_keys.c: what the values of an Arrow column are. */
enum {
    BD_KEY_NULL, /* nothing but nulls */
    BD_KEY_BOOL, /* bits */
    BD_KEY_INT8,
    BD_KEY_INT16,
    BD_KEY_INT32,
    BD_KEY_INT64,
    BD_KEY_UINT8,
    BD_KEY_UINT16,
    BD_KEY_UINT32,
    BD_KEY_UINT64,
    BD_KEY_FLOAT32,
    BD_KEY_FLOAT64,
    BD_KEY_DATE, /* days, int32 */
    BD_KEY_MICROSECONDS,
    BD_KEY_NANOSECONDS,
    BD_KEY_TEXT, /* `values` are int32 offsets in `texts` */
};
/* The buffers of an Arrow column: the first row is element `at` of values and of the bitmap
 * `validity`, which is null where no value is. */
typedef struct {
    int64_t type, at;
    const uint8_t *validity;
    const void *values;
    const uint8_t *texts;
} bd_key_column;
/* The keys of n rows, 2 words each. Values that are equal give equal keys, whatever the types of
 * two columns of numbers, or of times: 1 and 1.0, NaN and NaN, a date and its midnight. */
BD_API void bd_key_rows(int64_t n, const bd_key_column *columns, int64_t n_columns,
                        const uint64_t *secret, uint64_t *keys);
/* Set marks[i] where places[i] is among the known ones, else to 0; both ascend. */
BD_API void bd_mark_known(int64_t n, const int64_t *places, int64_t n_known, const int64_t *known,
                          uint8_t *marks);
/* Keys of 2 words and places by the parts that the first bits of the keys say, in their order
 * within each: part p lies from bounds[p] to bounds[p + 1]. */
enum { BD_ROW_PARTS = 256 };
BD_API void bd_divide_rows(int64_t n, const uint64_t *keys, const int64_t *places, int64_t *bounds,
                           uint64_t *divided_keys, int64_t *divided_places);
/* Set repeated[i] of n keys of 2 words that are in a table, and put in the others; from the last
 * one on where it goes backwards. Only some count: those of which the first part_bits, 31 at
 * the most, of the second word are `part`. The table has n_slots (a power of two) of 2 words, zeros
 * at first, of which n_used are taken. Returns how many are then, -1 where more than half would
 * be. */
BD_API int64_t bd_find_repeated(int64_t n, const uint64_t *keys, bool backwards, uint64_t part,
                                int64_t part_bits, uint64_t *table, int64_t n_slots, int64_t n_used,
                                uint8_t *repeated);

/* placing.c: numbers of columns into rows of features. */
typedef struct bd_number_column {
    const uint8_t *values; /* float32 or float64, each `stride` bytes after the one before */
    int64_t stride;
    int64_t is_float32;
    int64_t indicator; /* the feature that says whether a value is missing, -1 for none */
    double center, scale;
} bd_number_column;
BD_API void bd_place_numbers(const bd_number_column *columns, int64_t n_columns,
                             const int64_t *places, int64_t n, float *out, int64_t width,
                             double most);

/* render.c: rows of sample data. */
typedef struct bd_sample {
    int64_t n_fields, max_row_bytes;
    const int64_t *decimals; /* per field, at most 18 */
    const int64_t *pools;    /* per field the first of its texts, -1 for numbers */
    const uint8_t *texts;    /* one after the other, text i from text_offsets[i] on; padded by 16 */
    const int64_t *text_offsets;
    const uint8_t *ends; /* what follows each field; padded by 16 */
    const int64_t *end_offsets;
} bd_sample;
BD_API int64_t bd_render_rows(const int64_t *cells, int64_t n_rows, int64_t row,
                              const bd_sample *sample, uint8_t *out, int64_t size,
                              int64_t *written);
/* parquet_encode.c: columns of a row group as pages. */
struct bd_arrow_array;
struct bd_parquet_column;
struct bd_parquet_page;
struct bd_parquet_chunk;
BD_API void bd_parquet_room(struct bd_arrow_array *const *batches, int64_t n_batches,
                            const struct bd_parquet_column *columns, int64_t n, int64_t *room);
BD_API int64_t bd_parquet_encode(struct bd_arrow_array *const *batches, int64_t n_batches,
                                 const struct bd_parquet_column *columns, int64_t first, int64_t n,
                                 int64_t compressed, uint8_t *out, int64_t out_size,
                                 uint8_t *scratch, int64_t scratch_size, uint8_t *bounds,
                                 int64_t *used, struct bd_parquet_page *pages,
                                 struct bd_parquet_chunk *chunks);

/* parquet_thrift.c: headers of pages, and the metadata of row groups. */
BD_API int64_t bd_parquet_assemble(struct bd_parquet_page *pages, struct bd_parquet_chunk *chunks,
                                   int64_t n, int64_t place, int64_t min_apart, uint8_t *out);
BD_API int64_t bd_parquet_row_group(const struct bd_parquet_chunk *chunks,
                                    const struct bd_parquet_column *columns, int64_t n,
                                    const uint8_t *names, const int64_t *ends,
                                    const uint8_t *bounds, int64_t base, int64_t index_base,
                                    int64_t ordinal, uint8_t *out);
BD_API int64_t bd_parquet_index(const struct bd_parquet_page *pages,
                                struct bd_parquet_chunk *chunks, int64_t n, const uint8_t *bounds,
                                int64_t base, uint8_t *out);
/* The structs that batches and columns come in: arrow_batch.h, arrays.h. */
struct ArrowArray;
struct bd_array_column;
struct bd_measured;
struct bd_vocabulary;

/* arrays_codes.c: hash the values of a vocabulary into its slots. */
BD_API void bd_vocabulary_build(const struct bd_vocabulary *vocabulary);

/* arrays_columns.c: store the columns of a batch at this row of their arrays. Returns -1, or the
 * place of the first column with a value that its vocabulary does not have. */
BD_API int64_t bd_batch_columns(const struct ArrowArray *batch,
                                const struct bd_array_column *columns, int64_t n, int64_t row);
/* What is in each of the columns; looks_inside: also for the longest text, and for NULs. */
BD_API void bd_batch_measure(const struct ArrowArray *batch, const struct bd_array_column *columns,
                             int64_t n, int32_t looks_inside, struct bd_measured *out);

/* arrays_matrix.c: write the rows of a batch to `out`, n columns each, of float or double; nulls
 * are NaN. Returns -1, or the place of a column with a value that has no code, or that is beyond
 * float. */
BD_API int64_t bd_batch_matrix(const struct ArrowArray *batch,
                               const struct bd_array_column *columns, int64_t n, void *out,
                               int32_t is_double);

/* arrays_codes.c: bytes of the texts of rows [first, first + n) of a category. The bits of
 * validity, where there is one, say which rows are not null; only the codes of those are looked up.
 */
BD_API int64_t bd_coded_bytes(const int32_t *codes, const uint8_t *validity, int64_t first,
                              int64_t n, const int32_t *offsets);

/* arrays_text.c: where each text of a column ends, counted from `before` bytes. */
BD_API void bd_text_ends(const struct ArrowArray *batch, int64_t child, int64_t before,
                         int64_t *ends);
/* Each text in `width` bytes, none of them longer, with NULs after it. */
BD_API void bd_text_fixed(const struct ArrowArray *batch, int64_t child, int64_t width,
                          uint8_t *out);
/* Each text with a NUL after it, from out + before on; places: of the first bytes, from `out`. */
BD_API void bd_text_ended(const struct ArrowArray *batch, int64_t child, int64_t before,
                          uint8_t *out, int64_t *places);
/* Texts of `width` bytes without the NULs at their ends; out: n * width bytes, offsets: n + 1.
 * Returns the bytes written. */
BD_API int64_t bd_text_from_fixed(const uint8_t *values, int64_t n, int64_t width, int64_t *offsets,
                                  uint8_t *out);

/* text_rows.c: rows of a batch from `row` on as text, while there is room for them in out[0:size].
 * Returns the row to go on with; where that is `row`, it is longer than the room. Precondition:
 * codes lie within their dictionary. */
struct bd_text_column;
struct bd_text_style;
struct bd_text_outcome;
BD_API int64_t bd_text_rows(const struct ArrowArray *batch, const struct bd_text_column *columns,
                            int64_t n_columns, const struct bd_text_style *style, int64_t row,
                            uint8_t *out, int64_t size, struct bd_text_outcome *outcome);

/* files.c: wait until all that was written to the file system of an open file is on the disk.
 * Returns 0, or -1 where that failed or this system has no such call. */
BD_API int32_t bd_sync_file_system(int32_t descriptor);

/* parquet_values.c: bytes of floats apart. */
BD_API void bd_parquet_split(struct bd_parquet_page *pages, int64_t n, int64_t width, uint8_t *out,
                             uint8_t *scratch);

#endif
