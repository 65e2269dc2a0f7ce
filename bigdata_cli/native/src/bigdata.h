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

/* parquet_encode.c: columns of a row group as pages. */
struct bd_arrow_array;
struct bd_parquet_column;
struct bd_parquet_page;
struct bd_parquet_chunk;
BD_API void bd_parquet_room(struct bd_arrow_array *const *batches, int64_t n_batches,
                            const struct bd_parquet_column *columns, int64_t n, int64_t *room);
BD_API int64_t bd_parquet_encode(struct bd_arrow_array *const *batches, int64_t n_batches,
                                 const struct bd_parquet_column *columns, int64_t first,
                                 int64_t n, int64_t compressed, uint8_t *out, int64_t out_size,
                                 uint8_t *scratch, int64_t scratch_size, uint8_t *bounds,
                                 int64_t *used, struct bd_parquet_page *pages,
                                 struct bd_parquet_chunk *chunks);

/* parquet_thrift.c: headers of pages, and the metadata of row groups. */
BD_API int64_t bd_parquet_assemble(struct bd_parquet_page *pages,
                                   struct bd_parquet_chunk *chunks, int64_t n, int64_t place,
                                   uint8_t *out);
BD_API int64_t bd_parquet_row_group(const struct bd_parquet_chunk *chunks,
                                    const struct bd_parquet_column *columns, int64_t n,
                                    const uint8_t *names, const int64_t *ends,
                                    const uint8_t *bounds, int64_t base, int64_t index_base,
                                    int64_t ordinal, uint8_t *out);
BD_API int64_t bd_parquet_index(const struct bd_parquet_page *pages,
                                struct bd_parquet_chunk *chunks, int64_t n,
                                const uint8_t *bounds, int64_t base, uint8_t *out);

/* parquet_values.c: bytes of floats apart. */
BD_API void bd_parquet_split(struct bd_parquet_page *pages, int64_t n, int64_t width,
                             uint8_t *out, uint8_t *scratch);

#endif
