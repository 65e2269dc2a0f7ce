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

/* Structs that are declared in the header of their concern. */
typedef struct bd_rules bd_rules;           /* dialect.h */
typedef struct bd_nulls bd_nulls;           /* dialect.h */
typedef struct bd_field bd_field;           /* scan.h */
typedef struct bd_number bd_number;         /* number.h */
typedef struct bd_timestamp bd_timestamp;   /* temporal.h */
typedef struct bd_classified bd_classified; /* classify.h */
typedef struct bd_cell bd_cell;             /* careful.h */

/* processor.c: a bit per instruction set, in the order of `compile.LEVELS`. */
BD_API uint32_t bd_instruction_sets(void);

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
BD_API int64_t bd_after_quoted_record(const uint8_t *block, int64_t size, const bd_rules *rules);
BD_API int64_t bd_count_good_records(const uint8_t *block, int64_t pos, int64_t end, bool at_eof,
                                     const bd_rules *rules, int64_t n_fields, int64_t most);

/* float32.c */
BD_API bool bd_loses_float32(const double *values, const uint8_t *flags, int64_t n);

/* buckets.c */
BD_API void bd_hash_buckets(const uint8_t *text, const int64_t *ends, int64_t n, uint64_t n_buckets,
                            int32_t *buckets);

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

#endif
