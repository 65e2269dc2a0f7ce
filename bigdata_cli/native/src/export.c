/* The columns of a block as an Arrow record batch, of all of its rows or of some.
 *
 * Everything lies in one piece of memory: the structs of the columns, then their buffers, each at a
 * multiple of 64 bytes. It belongs to the batch, whose release frees it. A first pass adds up how
 * large the buffers are, a second fills them. */

#include <stdlib.h>

#include "arrow.h"
#include "export.h"

enum { ALIGNMENT = 64, MAX_BUFFERS = 3 };

/* The structs of a column in the memory of the batch. */
typedef struct {
    struct ArrowArray array, dictionary;
    const void *buffers[MAX_BUFFERS], *dictionary_buffers[MAX_BUFFERS];
} column_structs;

static void release_child(struct ArrowArray *array)
{
    array->release = NULL;
}

static void release_batch(struct ArrowArray *array)
{
    free(array->private_data);
    array->release = NULL;
}

/* Where the next buffer goes; memory is null in the first pass. */
typedef struct {
    uint8_t *memory;
    int64_t used;
} space;

static uint8_t *take(space *room, int64_t size)
{
    uint8_t *place = room->memory == NULL ? NULL : room->memory + room->used;
    room->used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return place;
}

/* A bit for each byte, set where it is not 0; up to 63 bytes after them are read. */
static void pack_bits(uint8_t *bits, const uint8_t *bytes, int64_t n)
{
    for (int64_t i = 0; i < n; i += 64) {
        uint64_t word = ~bd_match64(bd_load64(bytes + i), 0);
        if (n - i < 64)
            word &= ((uint64_t)1 << (n - i)) - 1;
        const int64_t size = (n - i + 7) / 8 < 8 ? (n - i + 7) / 8 : 8;
        memcpy(bits + i / 8, &word, (size_t)size);
    }
}

/* The same of the bytes of some rows. */
static void put_bits(uint8_t *bits, const uint8_t *bytes, const bd_selection *kept)
{
    uint8_t run[BD_RUN_ROWS + 64];
    if (kept->rows == NULL) {
        pack_bits(bits, bytes, kept->n);
        return;
    }
    for (int64_t i = 0; i < kept->n; i += BD_RUN_ROWS) {
        const int64_t n = kept->n - i < BD_RUN_ROWS ? kept->n - i : BD_RUN_ROWS;
        for (int64_t k = 0; k < n; k++)
            run[k] = bytes[kept->rows[i + k]];
        memset(run + n, 0, 64);
        pack_bits(bits + i / 8, run, n);
    }
}

static void put_float32(float *to, const double *from, const bd_selection *kept)
{
    if (kept->rows == NULL)
        for (int64_t i = 0; i < kept->n; i++)
            to[i] = (float)from[i];
    else
        for (int64_t i = 0; i < kept->n; i++)
            to[i] = (float)from[kept->rows[i]];
}

/* Values of some rows as they are, of `width` bytes. */
static void put_values(uint8_t *to, const uint8_t *from, int64_t width, const bd_selection *kept)
{
    const uint32_t *rows = kept->rows;
    if (rows == NULL)
        memcpy(to, from, (size_t)(kept->n * width));
    else if (width == 1)
        for (int64_t i = 0; i < kept->n; i++)
            to[i] = from[rows[i]];
    else if (width == 2)
        for (int64_t i = 0; i < kept->n; i++)
            ((uint16_t *)to)[i] = ((const uint16_t *)from)[rows[i]];
    else if (width == 4)
        for (int64_t i = 0; i < kept->n; i++)
            ((uint32_t *)to)[i] = ((const uint32_t *)from)[rows[i]];
    else
        for (int64_t i = 0; i < kept->n; i++)
            ((uint64_t *)to)[i] = ((const uint64_t *)from)[rows[i]];
}

void bd_widen_rows(const bd_column *column, const bd_selection *kept, int64_t first, int64_t n,
                   int64_t *wide)
{
    if (kept->rows == NULL) {
        bd_widen(column->storage, wide, column->values.data, first, n);
        return;
    }
    const uint32_t *rows = kept->rows + first;
    const void *from = column->values.data;
    switch (column->storage) {
    case BD_INT8:
        for (int64_t i = 0; i < n; i++)
            wide[i] = ((const int8_t *)from)[rows[i]];
        return;
    case BD_BOOL:
    case BD_UINT8:
        for (int64_t i = 0; i < n; i++)
            wide[i] = ((const uint8_t *)from)[rows[i]];
        return;
    case BD_INT16:
        for (int64_t i = 0; i < n; i++)
            wide[i] = ((const int16_t *)from)[rows[i]];
        return;
    case BD_UINT16:
        for (int64_t i = 0; i < n; i++)
            wide[i] = ((const uint16_t *)from)[rows[i]];
        return;
    case BD_INT32:
    case BD_DATE32:
        for (int64_t i = 0; i < n; i++)
            wide[i] = ((const int32_t *)from)[rows[i]];
        return;
    case BD_UINT32:
        for (int64_t i = 0; i < n; i++)
            wide[i] = ((const uint32_t *)from)[rows[i]];
        return;
    default:
        for (int64_t i = 0; i < n; i++)
            wide[i] = ((const int64_t *)from)[rows[i]];
    }
}

/* Integers from the width they were parsed with to another. */
static void put_integers(uint8_t *to, int32_t storage, const bd_column *column,
                         const bd_selection *kept)
{
    int64_t wide[BD_RUN_ROWS];
    const int64_t width = bd_item_bytes(storage);
    if (storage == column->storage) {
        put_values(to, column->values.data, width, kept);
        return;
    }
    for (int64_t i = 0; i < kept->n; i += BD_RUN_ROWS) {
        const int64_t n = kept->n - i < BD_RUN_ROWS ? kept->n - i : BD_RUN_ROWS;
        bd_widen_rows(column, kept, i, n, wide);
        bd_narrow(storage, to + i * width, wide, n);
    }
}

static void put_fixed(space *room, column_structs *out, int32_t storage, const bd_column *column,
                      const bd_selection *kept)
{
    const bool as_bits = storage == BD_BOOL || storage == BD_NULL;
    const int64_t n = kept->n;
    const int64_t size = as_bits ? (n + 7) / 8 : n * bd_item_bytes(storage);
    uint8_t *to = take(room, size);
    out->buffers[1] = to;
    if (to == NULL || n == 0)
        return;
    if (storage == BD_NULL)
        memset(to, 0, (size_t)size);
    else if (as_bits)
        put_bits(to, column->values.data, kept);
    else if (storage == BD_FLOAT32)
        put_float32((float *)to, (const double *)column->values.data, kept);
    else if (storage == BD_FLOAT64 || storage == BD_TIMESTAMP64)
        put_values(to, column->values.data, 8, kept);
    else
        put_integers(to, storage, column, kept);
}

/* Offsets and bytes of n texts. */
static void put_texts(space *room, const void **buffers, const uint8_t *offsets,
                      const uint8_t *texts, int64_t n, int64_t size)
{
    uint8_t *to_offsets = take(room, 4 * (n + 1)), *to_texts = take(room, size + 8);
    buffers[1] = to_offsets;
    buffers[2] = to_texts;
    if (to_texts == NULL)
        return;
    if (n > 0)
        memcpy(to_offsets, offsets, (size_t)(4 * (n + 1)));
    else
        memset(to_offsets, 0, 4);
    if (size > 0)
        memcpy(to_texts, texts, (size_t)size);
    memset(to_texts + size, 0, 8);
}

/* The texts of some rows: see put_texts. */
static void put_some_texts(space *room, const void **buffers, const int32_t *offsets,
                           const uint8_t *texts, const bd_selection *kept)
{
    const uint32_t *rows = kept->rows;
    int64_t size = 0;
    for (int64_t i = 0; i < kept->n; i++)
        size += offsets[rows[i] + 1] - offsets[rows[i]];
    int32_t *to_offsets = (int32_t *)take(room, 4 * (kept->n + 1));
    uint8_t *to = take(room, size + 16); /* 16 bytes are written at a time */
    buffers[1] = to_offsets;
    buffers[2] = to;
    if (to == NULL || to_offsets == NULL)
        return;
    int64_t total = 0;
    for (int64_t i = 0; i < kept->n; i++) {
        const int64_t n = offsets[rows[i] + 1] - offsets[rows[i]];
        to_offsets[i] = (int32_t)total;
        bd_move_text(to + total, texts + offsets[rows[i]], n);
        total += n;
    }
    to_offsets[kept->n] = (int32_t)total;
    memset(to + total, 0, 8);
}

/* Room for the codes of most of a column's rows: these have nearly all of its values, and to look
 * which ones would take as long as to store them. */
static void reserve_codes(space *room, const bd_dictionary *dictionary, int64_t n)
{
    take(room, 4 * n);
    take(room, 4 * ((dictionary->n_values < n ? dictionary->n_values : n) + 1));
    take(room, dictionary->text_bytes + 16);
}

/* The codes of some rows with a dictionary of their own values alone, in the order of their first
 * rows. places: int32, for each value of the dictionary; then the values that are used. */
static void put_some_codes(space *room, column_structs *out, const bd_column *column,
                           const bd_selection *kept, int32_t *places)
{
    const bd_dictionary *dictionary = &column->dictionary;
    const int32_t *codes = (const int32_t *)column->codes.data;
    if (room->memory == NULL && 2 * kept->n >= column->n_rows) {
        reserve_codes(room, dictionary, kept->n);
        return;
    }
    uint32_t *used = (uint32_t *)places + dictionary->n_values;
    int32_t *to = (int32_t *)take(room, 4 * kept->n);
    bd_selection values = {used, 0};
    memset(places, 0xff, (size_t)(4 * dictionary->n_values));
    out->buffers[1] = to;
    for (int64_t i = 0; i < kept->n; i++) {
        const int32_t code = codes[kept->rows[i]];
        if (code >= 0 && places[code] < 0) {
            used[values.n] = (uint32_t)code;
            places[code] = (int32_t)values.n++;
        }
        if (to != NULL)
            to[i] = code < 0 ? -1 : places[code];
    }
    put_some_texts(room, out->dictionary_buffers, (const int32_t *)dictionary->offsets.data,
                   dictionary->texts.data, &values);
    out->dictionary.length = values.n;
}

static void put_all_codes(space *room, column_structs *out, const bd_column *column, int64_t n)
{
    const bd_dictionary *dictionary = &column->dictionary;
    uint8_t *to = take(room, 4 * n);
    out->buffers[1] = to;
    if (to != NULL && n > 0)
        memcpy(to, column->codes.data, (size_t)(4 * n));
    put_texts(room, out->dictionary_buffers, dictionary->offsets.data, dictionary->texts.data,
              dictionary->n_values, dictionary->text_bytes);
    out->dictionary.length = dictionary->n_values;
}

static void put_category(space *room, column_structs *out, const bd_column *column,
                         const bd_selection *kept, int32_t *places)
{
    out->dictionary_buffers[0] = NULL;
    out->dictionary = (struct ArrowArray){
        .n_buffers = 3, .buffers = out->dictionary_buffers, .release = release_child};
    out->array.dictionary = &out->dictionary;
    if (kept->rows == NULL)
        put_all_codes(room, out, column, kept->n);
    else
        put_some_codes(room, out, column, kept, places);
}

int64_t bd_count_nulls(const bd_column *column, const bd_selection *kept)
{
    if (column->n_nulls == 0 || kept->rows == NULL)
        return column->n_nulls;
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < kept->n; i++)
        n_nulls += column->valid.data[kept->rows[i]] == 0;
    return n_nulls;
}

static void put_column(space *room, column_structs *out, int32_t storage, const bd_column *column,
                       const bd_selection *kept, int32_t *places)
{
    const int64_t n = kept->n, n_nulls = storage == BD_NULL ? n : bd_count_nulls(column, kept);
    out->array = (struct ArrowArray){.length = n,
                                     .null_count = n_nulls,
                                     .n_buffers = storage == BD_TEXT ? 3 : 2,
                                     .buffers = out->buffers,
                                     .release = release_child};
    out->buffers[0] = NULL;
    if (n_nulls > 0) {
        uint8_t *bits = take(room, (n + 7) / 8);
        out->buffers[0] = bits;
        if (bits != NULL && storage == BD_NULL)
            memset(bits, 0, (size_t)(n + 7) / 8);
        else if (bits != NULL)
            put_bits(bits, column->valid.data, kept);
    }
    if (storage == BD_CATEGORY)
        put_category(room, out, column, kept, places);
    else if (storage != BD_TEXT)
        put_fixed(room, out, storage, column, kept);
    else if (kept->rows == NULL)
        put_texts(room, out->buffers, column->values.data, column->text.data, n,
                  column->text_bytes);
    else
        put_some_texts(room, out->buffers, (const int32_t *)column->values.data, column->text.data,
                       kept);
}

bool bd_settle_texts(bd_parser *parser, const int32_t *storage, int64_t n_columns, int64_t n_rows)
{
    for (int64_t i = 0; i < n_columns; i++)
        if (storage[i] == BD_TEXT && !parser->columns[i].wants_text &&
            !bd_codes_to_texts(parser->columns + i, n_rows))
            return false;
    return true;
}

/* Room for put_some_codes of any column; null without memory. */
static int32_t *places_of(bd_parser *parser, const int32_t *storage, int64_t n_columns)
{
    int64_t n_values = 1;
    for (int64_t i = 0; i < n_columns; i++)
        if (storage[i] == BD_CATEGORY && parser->columns[i].dictionary.n_values > n_values)
            n_values = parser->columns[i].dictionary.n_values;
    return bd_reserve(&parser->places, 8 * n_values) ? (int32_t *)parser->places.data : NULL;
}

bool bd_export_rows(bd_parser *parser, const int32_t *storage, int64_t n_columns,
                    const bd_selection *kept, struct ArrowArray *batch)
{
    int32_t *places = places_of(parser, storage, n_columns);
    if (places == NULL)
        return false;
    column_structs unused;
    space room = {NULL, 0};
    take(&room, n_columns * (int64_t)sizeof(column_structs));
    take(&room, n_columns * (int64_t)sizeof(struct ArrowArray *));
    take(&room, (int64_t)sizeof(void *));
    for (int64_t i = 0; i < n_columns; i++)
        put_column(&room, &unused, storage[i], parser->columns + i, kept, places);

    room.memory = aligned_alloc(ALIGNMENT, (size_t)room.used);
    if (room.memory == NULL)
        return false;
    room.used = 0;
    column_structs *structs =
        (column_structs *)take(&room, n_columns * (int64_t)sizeof(column_structs));
    struct ArrowArray **children =
        (struct ArrowArray **)take(&room, n_columns * (int64_t)sizeof(struct ArrowArray *));
    const void **buffers = (const void **)take(&room, (int64_t)sizeof(void *));
    buffers[0] = NULL;
    for (int64_t i = 0; i < n_columns; i++) {
        put_column(&room, structs + i, storage[i], parser->columns + i, kept, places);
        children[i] = &structs[i].array;
    }
    *batch = (struct ArrowArray){.length = kept->n,
                                 .n_buffers = 1,
                                 .n_children = n_columns,
                                 .buffers = buffers,
                                 .children = children,
                                 .release = release_batch,
                                 .private_data = room.memory};
    return true;
}

int32_t bd_export(bd_parser *parser, const int32_t *storage, int64_t n_columns, int64_t n_rows,
                  struct ArrowArray *batch)
{
    const bd_selection all = {NULL, n_rows};
    return bd_settle_texts(parser, storage, n_columns, n_rows) &&
                   bd_export_rows(parser, storage, n_columns, &all, batch)
               ? 0
               : BD_NO_MEMORY;
}
