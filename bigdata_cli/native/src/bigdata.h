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

/* select_fields.c: some fields of whole records, for the spool of a pipe. */
BD_API int64_t bd_select_fields(const uint8_t *block, int64_t end, const bd_rules *rules,
                                int64_t n_fields, const uint8_t *wanted, uint8_t first,
                                uint8_t *out);
BD_API int64_t bd_record_offset(const uint8_t *block, int64_t end, const bd_rules *rules,
                                int64_t n_fields, int64_t number);

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

#endif
