/* The metadata of Parquet pages and row groups in Thrift's compact protocol.
 *
 * Source: parquet.thrift of the Parquet format, and "Thrift Compact protocol encoding". */

#include "parquet.h"

enum type { TRUE = 1, FALSE = 2, I16 = 4, I32 = 5, I64 = 6, BINARY = 8, LIST = 9, STRUCT = 12 };

/* A field's header: how far its number is from the last field's, and its type. */
static uint8_t *put_field(uint8_t *out, int distance, enum type type)
{
    *out++ = (uint8_t)(distance << 4 | type);
    return out;
}

static uint8_t *put_integer(uint8_t *out, int distance, enum type type, int64_t value)
{
    return bd_put_zigzag(put_field(out, distance, type), value);
}

static uint8_t *put_bytes(uint8_t *out, const uint8_t *bytes, int64_t size)
{
    out = bd_put_varint(out, (uint64_t)size);
    if (size)
        memcpy(out, bytes, (size_t)size);
    return out + size;
}

static uint8_t *put_list(uint8_t *out, enum type element, int64_t n)
{
    if (n < 15) {
        *out++ = (uint8_t)(n << 4 | element);
        return out;
    }
    *out++ = (uint8_t)(0xf0 | element);
    return bd_put_varint(out, (uint64_t)n);
}

static uint8_t *put_header(uint8_t *out, const struct bd_parquet_page *page)
{
    out = put_integer(out, 1, I32, page->type);
    out = put_integer(out, 1, I32, page->size);
    out = put_integer(out, 1, I32, page->stored_size);
    out = put_integer(out, 1, I32, (int32_t)(uint32_t)page->crc);
    if (page->type == BD_DICTIONARY_PAGE) {
        out = put_field(out, 3, STRUCT);
        out = put_integer(out, 1, I32, page->values);
        out = put_integer(out, 1, I32, page->encoding);
    } else {
        out = put_field(out, 1, STRUCT);
        out = put_integer(out, 1, I32, page->rows);
        out = put_integer(out, 1, I32, page->encoding);
        out = put_integer(out, 1, I32, BD_RLE);
        out = put_integer(out, 1, I32, BD_RLE);
    }
    *out++ = 0;
    *out++ = 0;
    return out;
}

/* Put the pages of `n` chunks with their headers into `out`, which has 64 bytes for each page and
 * the stored bytes; of bodies of `min_apart` bytes and more only the headers, as the caller writes
 * these bodies after them. `place`: of the first page in the row group. Fills in the places of
 * pages and chunks; returns the bytes put. */
int64_t bd_parquet_assemble(struct bd_parquet_page *pages, struct bd_parquet_chunk *chunks,
                            int64_t n, int64_t place, int64_t min_apart, uint8_t *out)
{
    uint8_t *const start = out;
    for (int64_t c = 0; c < n; c++) {
        struct bd_parquet_chunk *chunk = &chunks[c];
        chunk->place = place;
        chunk->dictionary_place = -1;
        chunk->data_place = -1;
        for (int64_t p = chunk->first_page; p < chunk->first_page + chunk->n_pages; p++) {
            struct bd_parquet_page *page = &pages[p];
            page->place = place;
            if (page->type == BD_DICTIONARY_PAGE)
                chunk->dictionary_place = page->place;
            else if (chunk->data_place < 0)
                chunk->data_place = page->place;
            uint8_t *body = put_header(out, page);
            page->header_size = body - out;
            out = body;
            if (page->stored_size < min_apart) {
                memcpy(body, (const void *)(uintptr_t)page->stored, (size_t)page->stored_size);
                out += page->stored_size;
            }
            place += page->header_size + page->stored_size;
            chunk->raw_size += page->header_size + page->size;
        }
        chunk->size = place - chunk->place;
    }
    return out - start;
}

static uint8_t *put_statistics(uint8_t *out, const struct bd_parquet_chunk *chunk, bool is_text,
                               const uint8_t *bounds)
{
    int last = 3;
    out = put_integer(out, 3, I64, chunk->nulls);
    if (chunk->distinct >= 0) {
        out = put_integer(out, 1, I64, chunk->distinct);
        last = 4;
    }
    const struct bd_parquet_bounds *b = &chunk->bounds;
    if (b->max_size >= 0) {
        out = put_bytes(put_field(out, 5 - last, BINARY), bounds + b->max_at, b->max_size);
        out = put_bytes(put_field(out, 1, BINARY), bounds + b->min_at, b->min_size);
        if (is_text) {
            out = put_field(out, 1, b->exact ? TRUE : FALSE);
            out = put_field(out, 1, b->exact ? TRUE : FALSE);
        }
    }
    *out++ = 0;
    return out;
}

static uint8_t *put_encoding_count(uint8_t *out, int64_t type, int64_t encoding, int64_t count)
{
    out = put_integer(out, 1, I32, type);
    out = put_integer(out, 1, I32, encoding);
    out = put_integer(out, 1, I32, count);
    *out++ = 0;
    return out;
}

static uint8_t *put_chunk(uint8_t *out, const struct bd_parquet_chunk *chunk,
                          const struct bd_parquet_column *column, const uint8_t *name,
                          int64_t name_size, const uint8_t *bounds, int64_t base,
                          int64_t index_base)
{
    const bool has_dictionary = chunk->encoding == BD_RLE_DICTIONARY;
    out = put_integer(out, 2, I64, 0);
    out = put_field(out, 1, STRUCT);
    out = put_integer(out, 1, I32, column->type);
    out = put_list(put_field(out, 1, LIST), I32, has_dictionary ? 3 : 2);
    if (has_dictionary)
        out = bd_put_zigzag(out, BD_PLAIN);
    out = bd_put_zigzag(out, BD_RLE);
    out = bd_put_zigzag(out, chunk->encoding);
    out = put_list(put_field(out, 1, LIST), BINARY, 1);
    out = put_bytes(out, name, name_size);
    out = put_integer(out, 1, I32, chunk->codec);
    out = put_integer(out, 1, I64, chunk->rows);
    out = put_integer(out, 1, I64, chunk->raw_size);
    out = put_integer(out, 1, I64, chunk->size);
    out = put_integer(out, 2, I64, base + chunk->data_place);
    if (has_dictionary)
        out = put_integer(out, 2, I64, base + chunk->dictionary_place);
    out = put_field(out, has_dictionary ? 1 : 3, STRUCT);
    out = put_statistics(out, chunk, column->kind >= BD_TEXT, bounds);
    out = put_list(put_field(out, 1, LIST), STRUCT, has_dictionary ? 2 : 1);
    if (has_dictionary)
        out = put_encoding_count(out, BD_DICTIONARY_PAGE, BD_PLAIN, 1);
    out = put_encoding_count(out, BD_DATA_PAGE, chunk->encoding, chunk->n_pages - has_dictionary);
    *out++ = 0;
    int last = 3;
    if (chunk->offsets_size) {
        out = put_integer(out, 1, I64, index_base + chunk->offsets_at);
        out = put_integer(out, 1, I32, chunk->offsets_size);
        last = 5;
    }
    if (chunk->index_size) {
        out = put_integer(out, 6 - last, I64, index_base + chunk->index_at);
        out = put_integer(out, 1, I32, chunk->index_size);
    }
    *out++ = 0;
    return out;
}

/* Put the metadata of a row group (the struct RowGroup) into `out`, which has 400 bytes for each
 * of the `n` columns and their names.
 *
 * names: those of all columns, column i from ends[i] to ends[i + 1]. base: where the row group
 * lies in the file; index_base: where its page index does. ordinal: -1 to leave it out. Returns
 * the bytes put. */
int64_t bd_parquet_row_group(const struct bd_parquet_chunk *chunks,
                             const struct bd_parquet_column *columns, int64_t n,
                             const uint8_t *names, const int64_t *ends, const uint8_t *bounds,
                             int64_t base, int64_t index_base, int64_t ordinal, uint8_t *out)
{
    uint8_t *const start = out;
    int64_t size = 0, raw_size = 0;
    out = put_list(put_field(out, 1, LIST), STRUCT, n);
    for (int64_t i = 0; i < n; i++) {
        out = put_chunk(out, &chunks[i], &columns[i], names + ends[i], ends[i + 1] - ends[i],
                        bounds, base, index_base);
        size += chunks[i].size;
        raw_size += chunks[i].raw_size;
    }
    out = put_integer(out, 1, I64, raw_size);
    out = put_integer(out, 1, I64, n ? chunks[0].rows : 0);
    out = put_integer(out, 2, I64, base);
    out = put_integer(out, 1, I64, size);
    if (ordinal >= 0)
        out = put_integer(out, 1, I16, ordinal);
    *out++ = 0;
    return out - start;
}

/* Whether the bounds of all pages with values are known. */
static bool has_bounds(const struct bd_parquet_page *pages, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (pages[i].values && pages[i].bounds.max_size < 0)
            return false;
    }
    return true;
}

static uint8_t *put_column_index(uint8_t *out, const struct bd_parquet_page *pages, int64_t n,
                                 const uint8_t *bounds)
{
    out = put_list(put_field(out, 1, LIST), TRUE, n);
    for (int64_t i = 0; i < n; i++)
        *out++ = pages[i].values ? FALSE : TRUE;
    for (int is_max = 0; is_max < 2; is_max++) {
        out = put_list(put_field(out, 1, LIST), BINARY, n);
        for (int64_t i = 0; i < n; i++) {
            const struct bd_parquet_bounds *b = &pages[i].bounds;
            const int64_t size = is_max ? b->max_size : b->min_size;
            out = put_bytes(out, bounds + (is_max ? b->max_at : b->min_at), size < 0 ? 0 : size);
        }
    }
    out = put_integer(out, 1, I32, 0); /* no order of the pages is promised */
    out = put_list(put_field(out, 1, LIST), I64, n);
    for (int64_t i = 0; i < n; i++)
        out = bd_put_zigzag(out, pages[i].nulls);
    *out++ = 0;
    return out;
}

static uint8_t *put_offset_index(uint8_t *out, const struct bd_parquet_page *pages, int64_t n,
                                 int64_t base)
{
    out = put_list(put_field(out, 1, LIST), STRUCT, n);
    for (int64_t i = 0; i < n; i++) {
        out = put_integer(out, 1, I64, base + pages[i].place);
        out = put_integer(out, 1, I32, pages[i].header_size + pages[i].stored_size);
        out = put_integer(out, 1, I64, pages[i].first_row);
        *out++ = 0;
    }
    *out++ = 0;
    return out;
}

/* Put the page index of a row group into `out`, which has 256 bytes for each page and 64 for each
 * chunk: the column index of each chunk (none where bounds are not known), then the offset index
 * of each. base: where the row group lies in the file. Returns the bytes put. */
int64_t bd_parquet_index(const struct bd_parquet_page *pages, struct bd_parquet_chunk *chunks,
                         int64_t n, const uint8_t *bounds, int64_t base, uint8_t *out)
{
    uint8_t *const start = out;
    for (int is_offsets = 0; is_offsets < 2; is_offsets++) {
        for (int64_t c = 0; c < n; c++) {
            struct bd_parquet_chunk *chunk = &chunks[c];
            const bool has_dictionary = chunk->encoding == BD_RLE_DICTIONARY;
            const struct bd_parquet_page *first = pages + chunk->first_page + has_dictionary;
            const int64_t n_pages = chunk->n_pages - has_dictionary;
            const int64_t at = out - start;
            if (is_offsets) {
                out = put_offset_index(out, first, n_pages, base);
                chunk->offsets_at = at;
                chunk->offsets_size = out - start - at;
            } else if (has_bounds(first, n_pages)) {
                out = put_column_index(out, first, n_pages, bounds);
                chunk->index_at = at;
                chunk->index_size = out - start - at;
            }
        }
    }
    return out - start;
}
