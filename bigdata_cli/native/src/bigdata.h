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

#define BD_API __attribute__((visibility("default")))

/* processor.c: a bit per instruction set, in the order of `compile.LEVELS`. */
BD_API uint32_t bd_instruction_sets(void);

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

/* files.c: wait until all that was written to the file system of an open file is on the disk.
 * Returns 0, or -1 where that failed or this system has no such call. */
BD_API int32_t bd_sync_file_system(int32_t descriptor);

#endif
