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

/* Readable bytes that must follow the end of every block of text. */
#define BD_PADDING 64

struct bd_arrow_array;

#define BD_API __attribute__((visibility("default")))

/* processor.c: a bit per instruction set, in the order of `compile.LEVELS`. */
BD_API uint32_t bd_instruction_sets(void);

/* crc32c.c: the CRC-32C of data[0:size], by the instruction where there is one, or by tables. */
BD_API uint32_t bd_crc32c(const uint8_t *data, int64_t size);
BD_API uint32_t bd_crc32c_by_tables(const uint8_t *data, int64_t size);

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
    const struct bd_arrow_array *const *batches;
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

/* tfrecord_records.c: records in the bytes of a file. Buffers that are read have BD_PADDING readable
 * bytes after the end of what is read, in all functions on records. */

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

/* Fill rows[0:n_records] with the rows of records that hold lists of equal length, as the first list
 * of each says, or all of them. Returns what is wrong, *record where. */
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

/* The values of a list that are read from records that are alike: where they are in a record, and
 * where they go. */
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

#endif
