/* Parquet pages: what the source files of the encoder share.
 *
 * A row group is encoded column by column: its values are gathered into one piece without nulls
 * (parquet_gather.c), an encoding is chosen (parquet_choose.c, parquet_estimate.c), with a
 * dictionary where that is smallest (parquet_dictionary.c, parquet_strings.c), and pages are
 * written (parquet_encode.c) of values (parquet_values.c, parquet_pack.c, parquet_delta.c) and
 * bounds (parquet_bounds.c). parquet_thrift.c has the metadata. All memory comes from the caller,
 * by way of an arena. */

#ifndef BD_PARQUET_H
#define BD_PARQUET_H

#include <string.h>

#include "bigdata.h"

/* The Arrow C data interface: how an array lies in memory. */
struct bd_arrow_array {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct bd_arrow_array **children;
    struct bd_arrow_array *dictionary;
    void (*release)(struct bd_arrow_array *);
    void *private_data;
};

enum bd_parquet_kind { BD_BOOL, BD_INT, BD_FLOAT, BD_TEXT, BD_CATEGORY };

enum { BD_MAX_PAGE_ROWS = 1 << 16 };

/* Of parquet.thrift. */
enum bd_parquet_encoding {
    BD_PLAIN = 0,
    BD_RLE = 3,
    BD_DELTA_BINARY_PACKED = 5,
    BD_DELTA_LENGTH_BYTE_ARRAY = 6,
    BD_RLE_DICTIONARY = 8,
    BD_BYTE_STREAM_SPLIT = 9
};
enum bd_parquet_page_type { BD_DATA_PAGE = 0, BD_DICTIONARY_PAGE = 2 };

/* A column of the schema. `width`: bytes of an Arrow value; `physical`: of a Parquet value. */
struct bd_parquet_column {
    int64_t kind, width, is_signed, physical, type;
};

/* Smallest and largest value of a page or chunk: bytes in the row group's `bounds`. A length of
 * -1: there is none. `exact`: neither is cut short. */
struct bd_parquet_bounds {
    int64_t min_at, min_size, max_at, max_size, exact;
};

struct bd_parquet_page {
    int64_t column, type, encoding;
    int64_t first_row, rows, nulls, values;
    int64_t at, size;           /* of its body before compression, in the caller's `out` */
    int64_t levels;             /* bytes of the body before the values */
    uint64_t stored;            /* address of the bytes that are written */
    int64_t stored_size, crc;   /* set by the caller */
    int64_t place, header_size; /* in the row group; set by bd_parquet_assemble */
    struct bd_parquet_bounds bounds;
};

struct bd_parquet_chunk {
    int64_t rows, nulls, distinct; /* distinct: -1 where it is not known */
    int64_t first_page, n_pages, encoding;
    int64_t can_be_split;          /* plain floats, that may be smaller with bytes apart */
    int64_t codec;                 /* of parquet.thrift; set by the caller */
    int64_t place, size, raw_size; /* in the row group; set by bd_parquet_assemble */
    int64_t dictionary_place, data_place;
    int64_t index_at, index_size, offsets_at, offsets_size; /* of the page index; size 0: none */
    struct bd_parquet_bounds bounds;
};

/* Memory that is given out from its start to its end, and never back. */
struct bd_arena {
    uint8_t *next, *end;
};

/* `size` bytes, aligned for anything; NULL where they are not there. */
static inline void *bd_take(struct bd_arena *arena, int64_t size)
{
    uint8_t *start = (uint8_t *)(((uintptr_t)arena->next + 63) & ~(uintptr_t)63);
    if (size < 0 || start > arena->end || size > arena->end - start)
        return NULL;
    arena->next = start + size;
    return start;
}

/* The values of a column of a row group that are not null, in one piece. */
struct bd_gathered {
    int64_t rows, values;
    const uint8_t *validity; /* a bit per row from bit 0, readable to a multiple of 8
                              * bytes; NULL: no row is null */
    void *numbers;           /* of the column's width; bits for BD_BOOL; codes (uint32_t)
                              * of the distinct texts for BD_CATEGORY */
    const uint8_t **texts;   /* BD_TEXT: each value; BD_CATEGORY: each distinct value */
    int32_t *lengths;
    int64_t distinct; /* BD_CATEGORY: how many are distinct */
};

/* Which of `texts` value i is, of BD_TEXT or BD_CATEGORY. */
static inline int64_t bd_text_of(const struct bd_gathered *gathered, int64_t i)
{
    return gathered->numbers ? ((const uint32_t *)gathered->numbers)[i] : i;
}

static inline uint64_t bd_load64(const void *from)
{
    uint64_t value;
    memcpy(&value, from, 8);
    return value;
}

static inline void bd_store64(void *to, uint64_t value)
{
    memcpy(to, &value, 8);
}

static inline int bd_bits_of(uint64_t value)
{
    return value ? 64 - __builtin_clzll(value) : 0;
}

/* Value i of an array of `width` bytes a value. For constant widths this is one load. */
static inline uint64_t bd_number_at(const void *values, int width, int64_t i)
{
    switch (width) {
    case 1:
        return ((const uint8_t *)values)[i];
    case 2:
        return ((const uint16_t *)values)[i];
    case 4:
        return ((const uint32_t *)values)[i];
    default:
        return ((const uint64_t *)values)[i];
    }
}

/* As a signed or an unsigned number, extended to 64 bits. */
static inline uint64_t bd_extended(const void *values, int width, bool is_signed, int64_t i)
{
    const uint64_t value = bd_number_at(values, width, i);
    const int unused = 64 - 8 * width;
    return is_signed ? (uint64_t)((int64_t)(value << unused) >> unused) : value;
}

static inline uint8_t *bd_put_varint(uint8_t *out, uint64_t value)
{
    while (value > 0x7f) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static inline uint8_t *bd_put_zigzag(uint8_t *out, int64_t value)
{
    return bd_put_varint(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

/* parquet_gather.c */
bool bd_gather(struct bd_arrow_array *const *batches, int64_t n_batches, int64_t child,
               const struct bd_parquet_column *column, struct bd_arena *arena,
               struct bd_gathered *gathered);
const uint8_t *bd_gather_validity(struct bd_arrow_array *const *batches, int64_t n_batches,
                                  int64_t child, uint8_t *bitmap, int64_t *rows, int64_t *values);

/* parquet_pack.c */
uint8_t *bd_pack(const uint32_t *values, int64_t n, int bits, uint8_t *out);
void bd_pack32_of_64(const uint64_t *values, int bits, uint8_t *out);
uint8_t *bd_put_hybrid(uint32_t *codes, int64_t n, int bits, uint8_t *out);
uint8_t *bd_put_levels(const uint8_t *validity, int64_t first, int64_t rows, uint8_t *out);
int64_t bd_count_bits(const uint8_t *bitmap, int64_t first, int64_t n);

/* parquet_delta.c */
uint8_t *bd_put_delta32(const void *values, int width, bool is_signed, int64_t n, uint8_t *out);
uint8_t *bd_put_delta64(const uint64_t *values, int64_t n, uint8_t *out);
int64_t bd_delta_bits(const uint64_t *values, int64_t n);

/* parquet_dictionary.c */
struct bd_dictionary {
    uint32_t *codes;  /* of each value; 8 more may be written to */
    uint64_t *values; /* the distinct ones, as extended to 64 bits */
    int64_t distinct;
};
int64_t bd_count_in_range(const void *values, int width, int64_t n, uint64_t low, uint64_t span,
                          uint32_t *ranks);
void bd_code_in_range(const void *values, int width, int64_t n, uint64_t low, uint64_t span,
                      const uint32_t *ranks, struct bd_dictionary *dictionary);
bool bd_code_by_hash(const void *values, int width, bool is_signed, int64_t n, int64_t estimate,
                     int64_t limit, struct bd_arena *arena, struct bd_dictionary *dictionary);
int64_t bd_count_by_hash(const void *values, int width, int64_t n, struct bd_arena *arena);

/* parquet_strings.c */
struct bd_strings {
    uint64_t *slots; /* hash's high half, and code + 1 in the low one; 0: free */
    int64_t mask;
    const uint8_t **texts;
    int32_t *lengths;
    int64_t distinct;
};
bool bd_strings_begin(struct bd_strings *strings, int64_t limit, struct bd_arena *arena);
uint32_t bd_strings_code(struct bd_strings *strings, const uint8_t *text, int32_t length);
uint64_t bd_hash_bytes(const uint8_t *text, int64_t length);

/* parquet_bounds.c */
void bd_number_range(const void *values, int width, bool is_signed, int64_t n, uint64_t *min,
                     uint64_t *max);
bool bd_float_range(const void *values, int width, int64_t n, uint64_t *min, uint64_t *max);
void bd_text_range(const uint8_t *const *texts, const int32_t *lengths, const uint32_t *chosen,
                   int64_t n, int64_t *min, int64_t *max);
struct bd_bounds_sink {
    uint8_t *bytes;
    int64_t used;
};
void bd_put_number_bounds(struct bd_bounds_sink *sink, int64_t size, uint64_t min, uint64_t max,
                          struct bd_parquet_bounds *bounds);
void bd_put_text_bounds(struct bd_bounds_sink *sink, const uint8_t *min, int64_t min_size,
                        const uint8_t *max, int64_t max_size, struct bd_parquet_bounds *bounds);

/* parquet_estimate.c */
enum { BD_SAMPLE = 4096 };
int64_t bd_sample_runs(const struct bd_gathered *gathered, int width, bool is_signed,
                       uint64_t *sample);
/* How the values of a column repeat. `distinct`: how many are. `common`: how many are the most
 * common one. `fresh`: how many are no part of a sequence that came before. */
struct bd_repeats {
    int64_t distinct, common, fresh;
};
struct bd_repeats bd_estimate_repeats(const struct bd_gathered *gathered, int width);
int64_t bd_split_bits(const uint64_t *sample, int64_t n, int width);
int64_t bd_plain_bits(const uint64_t *sample, int64_t n, int width);
int bd_code_bits(const uint32_t *codes, int64_t n, int64_t distinct, bool compressed,
                 bool has_sequences, int64_t *cost);

/* A column while it is encoded. */
struct bd_encoding {
    const struct bd_parquet_column *column;
    struct bd_gathered gathered;
    struct bd_dictionary dictionary;
    enum bd_parquet_encoding encoding;
    int code_bits;
    bool can_be_split; /* BD_PLAIN, and BD_BYTE_STREAM_SPLIT may be better */
};

/* parquet_choose.c */
bool bd_choose(bool compressed, struct bd_encoding *e, struct bd_arena *arena);

/* parquet_values.c */
uint8_t *bd_put_values(const struct bd_encoding *e, int64_t first, int64_t n, uint8_t *out);

#endif
