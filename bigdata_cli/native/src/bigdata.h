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

/* tfrecord_encode.c, tfrecord_blocks.c: records of `tf.train.Example` from Arrow batches. */

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

/* A list of the records: its kind, its key, and `count` columns from `first` on. Lists of a row
 * have any number, others one. head: from `bd_tfrecord_heads`. */
struct bd_tfrecord_list {
    int32_t kind, first, count, key_size;
    int64_t key_at;
    int32_t head_at, head_size, max_payload, unused;
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

#endif
